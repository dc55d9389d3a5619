//! Newtypes for the quantities that the data plane must not mix up, and the arithmetic of 16-bit sequence numbers.
//!
//! Owns no clock: a [`Time`] always comes from the caller.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A monotonic instant in microseconds since an origin that the caller chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The instant `ms` milliseconds after the origin.
    pub const fn from_millis(ms: u64) -> Time {
        Time(ms.saturating_mul(1000))
    }

    /// Whole milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, span: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

/// Saturating: never negative.
impl Sub<Time> for Time {
    type Output = Duration;
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

/// Saturating at the origin.
impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, span: Duration) -> Time {
        Time(self.0.saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// RTP synchronisation source (RFC 3550 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A 16-bit sequence number as on the wire: ordered only within half the circle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq16(pub u16);

impl Seq16 {
    /// Steps from `earlier` to `self`: −32768..=32767, negative if `self` comes before.
    pub const fn diff(self, earlier: Seq16) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }

    /// The number `steps` later.
    pub const fn plus(self, steps: u16) -> Seq16 {
        Seq16(self.0.wrapping_add(steps))
    }

    /// Whether `self` comes after `other`.
    pub const fn is_after(self, other: Seq16) -> bool {
        self.diff(other) > 0
    }
}

/// Where extended sequence numbers begin: one turn above zero, so that packets from before the first one seen still have
/// a number.
pub const fn first_extended(seq: u16) -> u64 {
    (1 << 16) | seq as u64
}

/// The extended number nearest to `last` whose low 16 bits are `seq`; never below zero.
pub const fn extend_seq(last: u64, seq: u16) -> u64 {
    let step = seq.wrapping_sub(last as u16) as i16;
    match last.checked_add_signed(step as i64) {
        Some(extended) => extended,
        None => seq as u64, // before the origin (or past 2^64, which no stream reaches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_instead_of_wrapping() {
        assert_eq!(Time(5) - Time(9), Duration::ZERO);
        assert_eq!(Time(5) - Duration::from_secs(1), Time(0));
        assert_eq!(Time(u64::MAX) + Duration::from_secs(1), Time(u64::MAX));
        assert_eq!(Time::from_millis(20) + Duration::from_millis(5), Time(25_000));
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(Seq16(0).diff(Seq16(65535)), 1);
        assert_eq!(Seq16(65535).diff(Seq16(0)), -1);
        assert!(Seq16(3).is_after(Seq16(65000)));
        assert_eq!(Seq16(65535).plus(2), Seq16(1));
    }

    #[test]
    fn extension_follows_the_nearest_turn() {
        let mut last = first_extended(65_530);
        for step in 1..200_000u64 {
            let next = extend_seq(last, (65_530 + step) as u16);
            assert_eq!(next, first_extended(65_530) + step);
            assert_eq!(extend_seq(next, (next - 300) as u16), next - 300);
            last = next;
        }
        assert_eq!(extend_seq(2, 65_535), 65_535, "nothing lies below zero");
    }
}
