//! How fast one client may send media and reports, as if it hung on a wire of its own (a token bucket).
//!
//! Only what authenticates is charged: addresses can be forged, and a stranger must not be able to use up what a client
//! may send. Who is over the limit is dropped before decryption, so that a flood costs a table look-up and a compare.
//! The receiver of a dropped packet sees loss, which is what a publisher's congestion control goes by.
//!
//! Rejected: two buckets, of packets and of bytes. One in which a small packet counts as [`SMALLEST`] bounds both.

use crate::units::Time;

/// The wire carries this many bytes in a microsecond: 64 Mbit/s. Ten times a camera in three sizes with a screen beside
/// it, and well above an encoder of 4K at 60 frames a second (some 35 Mbit/s of H.264, over WHIP).
const BYTES_PER_US: u64 = 8;
/// Least that a packet counts, in bytes: the wire carries 25,000 packets a second. Five times the packets of 64 Mbit/s in
/// full size fit; one core takes in some 300,000 (MEDIA-NOTES §1).
const SMALLEST: u64 = 320;
/// Bytes that may come at once: half a second, as after a radio link or our own thread stood still.
const BURST: u64 = 500_000 * BYTES_PER_US;

/// One client's wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Police {
    /// Until when the wire is busy with what came so far, in bytes that it has carried since time zero.
    busy_until: u64,
}

impl Police {
    /// Whether more came than the burst allows.
    pub fn is_over(&self, now: Time) -> bool {
        self.busy_until > now.0.saturating_mul(BYTES_PER_US) + BURST
    }

    /// An authenticated packet of the client came.
    pub fn charge(&mut self, now: Time, bytes: usize) {
        let idle = self.busy_until.max(now.0.saturating_mul(BYTES_PER_US));
        self.busy_until = idle + SMALLEST.max(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets let through of `per_ms` of this size in each millisecond, for ten seconds after an hour.
    fn passed(per_ms: usize, bytes: usize) -> usize {
        let mut police = Police::default();
        let offer = |ms: u64| {
            let now = Time::from_millis(3_600_000 + ms);
            let open = |_: &usize| {
                let open = !police.is_over(now);
                if open {
                    police.charge(now, bytes);
                }
                open
            };
            (0..per_ms).filter(open).count()
        };
        (0..10_000).map(offer).sum()
    }

    #[test]
    fn what_the_wire_carries_passes() {
        assert_eq!(passed(6, 1200), 60_000, "57.6 Mbit/s");
        assert_eq!(passed(24, 60), 240_000, "24,000 packets a second");
    }

    #[test]
    fn the_rest_is_refused_by_bytes_and_by_packets() {
        let bytes = 9_999_000 * BYTES_PER_US + BURST; // from the first millisecond to the last
        assert!(passed(60, 1200).abs_diff(bytes as usize / 1200) < 10);
        assert!(passed(300, 60).abs_diff((bytes / SMALLEST) as usize) < 10);
    }

    #[test]
    fn a_burst_passes_and_is_paid_for() {
        let mut police = Police::default();
        let now = Time::from_millis(1000);
        let burst = BURST as usize / 1000;
        (0..burst).for_each(|_| police.charge(now, 1000));
        assert!(!police.is_over(now));
        police.charge(now, 1000);
        assert!(police.is_over(now));
        assert!(!police.is_over(Time::from_millis(1001)));
    }
}
