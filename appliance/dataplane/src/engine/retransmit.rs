//! Answers to a subscriber's NACKs: which repeats are worth sending, and how much of the link they may take.

use std::time::Duration;

use crate::units::Time;

/// A number asked for again within this time was answered already (MEDIA-NOTES §4).
const REPEAT: Duration = Duration::from_millis(100);
/// Retransmissions may take this share of the stream's rate (MEDIA-NOTES §4).
const SHARE: f64 = 0.15;
/// And so much beside, in bytes per second, so that a slow stream is repaired too: 100 kbit/s.
const FLOOR: f64 = 12_500.0;
/// Largest burst in bytes: a second's share of 3 Mbit/s.
const BURST: f64 = 56_250.0;
/// Numbers remembered as answered.
const REMEMBERED: usize = 256;
/// Numbers looked at in one compound RTCP packet: what a burst of a second at 5 Mbit/s could lose.
pub const MAX_ASKED: usize = 512;

/// The state of one consumer's retransmissions.
pub struct Retransmissions {
    next_sequence: u16,
    tokens: f64,
    refilled: Time,
    /// (number, when) by number modulo the size; empty until the first NACK.
    answered: Vec<(u64, Time)>,
    /// Packets sent.
    pub sent: u64,
}

impl Default for Retransmissions {
    fn default() -> Self {
        Self { next_sequence: 1, tokens: BURST / 2.0, refilled: Time(0), answered: Vec::new(), sent: 0 }
    }
}

impl Retransmissions {
    /// Media of the stream went out: its share may be repeated.
    pub fn on_sent(&mut self, bytes: usize) {
        self.tokens = (self.tokens + bytes as f64 * SHARE).min(BURST);
    }

    /// Whether a packet is worth repeating now; counts as sent.
    pub fn allow(&mut self, now: Time, number: u64, bytes: usize) -> bool {
        if self.answered.is_empty() {
            self.answered = vec![(0, Time(0)); REMEMBERED];
        }
        let floor = (now - self.refilled).as_secs_f64() * FLOOR;
        self.tokens = (self.tokens + floor).min(BURST);
        self.refilled = now;
        let slot = &mut self.answered[number as usize % REMEMBERED];
        if (slot.0 == number && now - slot.1 < REPEAT) || self.tokens < bytes as f64 {
            return false;
        }
        *slot = (number, now);
        self.tokens -= bytes as f64;
        self.sent += 1;
        true
    }

    /// The next sequence number of the RTX stream.
    pub fn next_sequence(&mut self) -> u16 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_within_100_ms_are_ignored() {
        let mut rtx = Retransmissions::default();
        let allowed: Vec<u64> =
            (0..250).step_by(30).filter(|ms| rtx.allow(Time::from_millis(5000 + ms), 70_000, 1200)).collect();
        assert_eq!(allowed, [0, 120, 240]);
    }

    #[test]
    fn a_flood_of_nacks_takes_its_share_and_no_more() {
        let mut rtx = Retransmissions::default();
        let (mut media, mut repeated) = (0usize, 0usize);
        for ms in 0..10_000u64 {
            let now = Time::from_millis(ms);
            if ms % 4 == 0 {
                rtx.on_sent(1200); // 2.4 Mbit/s
                media += 1200;
            }
            for number in 0..50 {
                if rtx.allow(now, 65_536 + ms * 50 + number, 1200) {
                    repeated += 1200;
                }
            }
        }
        let bound = media as f64 * SHARE + 10.0 * FLOOR + BURST;
        assert!((repeated as f64) <= bound, "{repeated} of {bound}");
        assert!(repeated as f64 > bound * 0.9);
    }
}
