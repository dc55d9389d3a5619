//! Answers to a subscriber's NACKs: which repeats are worth sending, and how much of the link they may take.

use std::time::Duration;

use crate::units::Time;

/// A number asked for again within this time was answered already (MEDIA-NOTES §4).
const REPEAT: Duration = Duration::from_millis(100);
/// Retransmissions may take this share of the stream's rate (MEDIA-NOTES §4).
const SHARE: f64 = 0.15;
/// And so much beside, in bytes per second, so that a slow stream is repaired too: 100 kbit/s, or the share of a link
/// that carries less than 700 kbit/s.
const FLOOR: f64 = 12_500.0;
/// Largest burst in bytes: a second's share of 3 Mbit/s, or what a narrower link carries in this time; a queue that is
/// longer is heard (less than 100 ms are promised).
const BURST: f64 = 56_250.0;
const BURST_S: f64 = 0.1;
/// On a link that loses more than this share, and not because it is full, a repeat is sent twice: what is lost again is
/// asked for again 100 ms later at the soonest (libwebrtc, NackRequester), and then no jitter buffer waits for it. Measured in Chromium with 5 % of loss
/// and 150 ms of round trip: the picture stood still 0.5 % of the time instead of 4.5 %, at 240 ms of playout delay.
pub const TWICE_ABOVE: f64 = 0.02;
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

/// Largest burst on a link that carries so much.
fn burst(link_bps: f64) -> f64 {
    BURST.min(link_bps / 8.0 * BURST_S)
}

impl Retransmissions {
    /// Media of the stream went out: its share may be repeated.
    pub fn on_sent(&mut self, bytes: usize) {
        self.tokens = (self.tokens + bytes as f64 * SHARE).min(BURST);
    }

    /// Whether a packet is worth repeating now; counts as sent. `link_bps`: what the link carries, infinite if unknown.
    pub fn allow(&mut self, now: Time, number: u64, bytes: usize, link_bps: f64) -> bool {
        if self.answered.is_empty() {
            self.answered = vec![(0, Time(0)); REMEMBERED];
        }
        let floor = (now - self.refilled).as_secs_f64() * FLOOR.min(SHARE * link_bps / 8.0);
        self.tokens = (self.tokens + floor).min(burst(link_bps));
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

    /// Whether a packet that was repeated just now is worth a copy, out of what the budget has beyond first answers.
    pub fn allow_copy(&mut self, now: Time, number: u64, bytes: usize, link_bps: f64) -> bool {
        let answered_now =
            self.answered.get(number as usize % REMEMBERED).is_some_and(|a| *a == (number, now));
        if !answered_now || self.tokens < burst(link_bps) / 4.0 + bytes as f64 {
            return false;
        }
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

    /// A link without a limit.
    const FREE: f64 = f64::INFINITY;

    #[test]
    fn repeats_within_100_ms_are_ignored() {
        let mut rtx = Retransmissions::default();
        let allowed: Vec<u64> = (0..250)
            .step_by(30)
            .filter(|ms| rtx.allow(Time::from_millis(5000 + ms), 70_000, 1200, FREE))
            .collect();
        assert_eq!(allowed, [0, 120, 240]);
    }

    #[test]
    fn a_copy_goes_with_its_repeat_and_out_of_what_is_left() {
        let (mut rtx, now) = (Retransmissions::default(), Time::from_millis(5000));
        assert!(!rtx.allow_copy(now, 70_000, 1200, FREE), "nothing was repeated");
        assert!(rtx.allow(now, 70_000, 1200, FREE) && rtx.allow_copy(now, 70_000, 1200, FREE));
        assert!(!rtx.allow_copy(now + Duration::from_millis(1), 70_000, 1200, FREE));
        let copies = (70_001..70_050)
            .filter(|n| rtx.allow(now, *n, 1200, FREE) && rtx.allow_copy(now, *n, 1200, FREE));
        let copies = copies.count();
        assert!((10..20).contains(&copies), "{copies}");
        assert!(rtx.sent > 20 + copies as u64, "first answers go on");
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
                if rtx.allow(now, 65_536 + ms * 50 + number, 1200, FREE) {
                    repeated += 1200;
                }
            }
        }
        let bound = media as f64 * SHARE + 10.0 * FLOOR + BURST;
        assert!((repeated as f64) <= bound, "{repeated} of {bound}");
        assert!(repeated as f64 > bound * 0.9);
    }

    #[test]
    fn on_a_narrow_link_a_burst_is_a_tenth_of_a_second() {
        let mut rtx = Retransmissions::default();
        let mut asked = (0u64..).map(|number| rtx.allow(Time::from_millis(9000), number, 1000, 400e3));
        assert_eq!(asked.by_ref().take(100).filter(|allowed| *allowed).count(), 5);
    }
}
