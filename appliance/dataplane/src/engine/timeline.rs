//! NTP time: ours, the publishers', and how a moment of one RTP stream reads on another.
//!
//! All sender reports that we send are on our own NTP clock. A publisher's audio and video are mapped with one offset,
//! so that they stay in step with each other, and seats that are bound to another participant see no jump of the
//! clock. The rejected design, passing the publisher's NTP time on, makes receivers throw their estimate away at each
//! re-binding.

use crate::units::Time;

/// 64-bit NTP timestamp (RFC 3550 §4): seconds and their 2⁻³² fractions.
pub type Ntp = u64;

/// Seconds from NTP's epoch, 1900, to Unix's (RFC 5905 §6).
pub const UNIX_EPOCH: i64 = 2_208_988_800;

/// Our NTP clock: an offset to the monotonic one, fixed at start so that it never steps.
#[derive(Clone, Copy, Debug)]
pub struct NtpClock {
    origin: Ntp,
}

impl NtpClock {
    /// A clock that reads `origin` at monotonic zero.
    pub fn new(origin: Ntp) -> Self {
        Self { origin }
    }

    /// NTP time of a monotonic instant.
    pub fn at(&self, now: Time) -> Ntp {
        self.origin.wrapping_add(((u128::from(now.0) << 32) / 1_000_000) as u64)
    }

    /// Microseconds since the Unix epoch at a monotonic instant.
    pub fn unix_us(&self, now: Time) -> i64 {
        let fraction = ((self.origin & 0xffff_ffff) * 1_000_000) >> 32;
        let origin = ((self.origin >> 32) as i64 - UNIX_EPOCH) * 1_000_000 + fraction as i64;
        origin.saturating_add_unsigned(now.0)
    }
}

/// Middle 32 bits of an NTP timestamp, the form that receiver reports echo (RFC 3550 §6.4.1).
pub fn middle(ntp: Ntp) -> u32 {
    (ntp >> 16) as u32
}

/// A span of NTP time in RTP ticks, rounded; negative spans wrap as RTP time does.
pub fn to_ticks(span: i64, clock_rate: u32) -> u32 {
    let ticks = (i128::from(span) * i128::from(clock_rate) + (1 << 31)) >> 32;
    ticks as u32
}

/// A publisher's last sender report of one SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its NTP time, on the publisher's clock.
    pub ntp: Ntp,
    /// The same instant in RTP time.
    pub rtp: u32,
    /// When it arrived.
    pub arrived: Time,
}

/// RTP time on stream `to` of the moment that `rtp` names on stream `from`; both reports are of one publisher.
pub fn translate(rtp: u32, from: &Report, to: &Report, clock_rate: u32) -> u32 {
    let between = from.ntp.wrapping_sub(to.ntp) as i64;
    to.rtp.wrapping_add(rtp.wrapping_sub(from.rtp)).wrapping_add(to_ticks(between, clock_rate))
}

/// The offset of a publisher's NTP clock to ours.
///
/// A report can only arrive late, so the smallest difference seen is the best one; upwards the offset follows slowly,
/// for clocks that drift.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublisherClock {
    offset: Option<i64>,
}

impl PublisherClock {
    /// A difference further from the offset than this, in NTP units, means that the clock was set: 5 s.
    const STEP: i64 = 5 << 32;

    /// Takes a report in.
    pub fn on_report(&mut self, arrived: Ntp, sent: Ntp) {
        let seen = arrived.wrapping_sub(sent) as i64;
        self.offset =
            Some(match self.offset {
                Some(known) if seen.wrapping_sub(known).unsigned_abs() < Self::STEP as u64 => {
                    if seen < known { seen } else { known + (seen - known) / 64 }
                }
                _ => seen,
            });
    }

    /// A time of the publisher on our clock.
    pub fn to_ours(&self, ntp: Ntp) -> Option<Ntp> {
        self.offset.map(|offset| ntp.wrapping_add_signed(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1 << 32;

    #[test]
    fn one_moment_on_two_streams_of_a_publisher() {
        let low = Report { ntp: 100 << 32, rtp: 5000, arrived: Time(0) };
        let high = Report { ntp: (100 << 32) + (1 << 31), rtp: 900_000, arrived: Time(0) };
        // half a second after `high`'s report is one second after `low`'s
        assert_eq!(translate(900_000 + 45_000, &high, &low, 90_000), 5000 + 90_000);
        assert_eq!(translate(5000, &low, &high, 90_000), 900_000 - 45_000);
    }

    #[test]
    fn the_offset_follows_the_fastest_report_and_survives_a_set_clock() {
        let mut clock = PublisherClock::default();
        assert_eq!(clock.to_ours(5), None);
        for (arrived, sent) in [(1000, 10), (1003, 12), (1002, 13)] {
            clock.on_report((arrived * SECOND) as u64, (sent * SECOND) as u64);
        }
        assert_eq!(clock.to_ours((20 * SECOND) as u64), Some((1009 * SECOND) as u64));
        clock.on_report((2000 * SECOND) as u64, (4000 * SECOND) as u64);
        assert_eq!(clock.to_ours((4001 * SECOND) as u64), Some((2001 * SECOND) as u64));
    }

    #[test]
    fn our_clock_runs_with_the_monotonic_one() {
        let clock = NtpClock::new(7 << 32);
        assert_eq!(clock.at(Time(1_500_000)), (8 << 32) + (1 << 31));
        assert_eq!(middle(clock.at(Time(1_500_000))), 0x0008_8000);
        let clock = NtpClock::new((UNIX_EPOCH as u64 + 10) << 32 | 1 << 31);
        assert_eq!(clock.unix_us(Time(7)), 10_500_007);
        assert_eq!(to_ticks(-SECOND, 48_000), 0u32.wrapping_sub(48_000));
    }
}
