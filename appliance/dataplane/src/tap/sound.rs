//! The frames of Opus, once each: plain packets, and of RED (RFC 2198) the primary block and those older ones that did not
//! come by themselves.

use crate::codec::red::Headers;

/// Timestamps remembered: RED reaches back 341 ms (14 bits at 48 kHz), which has so many frames of 2.7 ms.
const REMEMBERED: usize = 128;

/// A frame so far behind the newest one, in ticks of 48 kHz, is of a clock that began anew: 2 s, no network is as late.
const ANEW: i64 = 2 * 48_000;

/// Which frames were received of a track.
pub struct Received {
    /// Unwrapped timestamps, the next one to be replaced at `at`.
    recent: [i64; REMEMBERED],
    at: usize,
    /// First primary frame since the beginning: what is older belongs to a time that is not recorded.
    first: Option<i64>,
    newest: i64,
}

impl Default for Received {
    fn default() -> Self {
        Self { recent: [i64::MIN; REMEMBERED], at: 0, first: None, newest: i64::MIN }
    }
}

impl Received {
    /// Takes a frame in; false if it is known or too old.
    fn take(&mut self, rtp: i64, primary: bool) -> bool {
        if primary && rtp < self.newest.saturating_sub(ANEW) {
            *self = Self::default();
        }
        if primary {
            self.first.get_or_insert(rtp);
        }
        // not older than what is remembered, else it may have been received and forgotten
        let oldest = self.recent[self.at].max(self.first.unwrap_or(i64::MAX));
        if rtp < oldest || self.recent.contains(&rtp) {
            return false;
        }
        self.newest = self.newest.max(rtp);
        self.recent[self.at] = rtp;
        self.at = (self.at + 1) % REMEMBERED;
        true
    }

    /// Calls `frame` with timestamp and bytes of each new frame of a packet, the primary one last.
    pub fn on_opus(&mut self, rtp: i64, payload: &[u8], mut frame: impl FnMut(i64, &[u8])) {
        if !payload.is_empty() && self.take(rtp, true) {
            frame(rtp, payload);
        }
    }

    /// The same with RED; false if it is malformed.
    pub fn on_red_untrusted(
        &mut self,
        rtp: i64,
        payload: &[u8],
        opus: u8,
        mut frame: impl FnMut(i64, &[u8]),
    ) -> bool {
        let Some(headers) = Headers::parse_untrusted(payload).filter(|h| h.payload_type == opus) else {
            return false;
        };
        for (back, block) in headers.older(payload) {
            let rtp = rtp - i64::from(back);
            if back > 0 && !block.is_empty() && self.first.is_some() && self.take(rtp, false) {
                frame(rtp, block);
            }
        }
        self.on_opus(rtp, &payload[headers.primary..], frame);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of frame `n`, with those `older` ones of 20 ms each before it.
    fn red(n: u8, older: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        for back in older {
            let header = (u32::from(*back) * 960) << 10 | 1;
            packet.push(0x80 | 111);
            packet.extend(&header.to_be_bytes()[1..]);
        }
        packet.push(111);
        packet.extend(older.iter().map(|back| n - back));
        packet.push(n);
        packet
    }

    #[test]
    fn what_came_is_not_taken_again_and_what_is_lost_is() {
        let (mut received, mut got) = (Received::default(), Vec::new());
        for n in [10, 11, 14, 13, 15, 19] {
            let take = |rtp, bytes: &[u8]| got.push((rtp / 960, bytes[0]));
            assert!(received.on_red_untrusted(960 * i64::from(n), &red(n, &[2, 1]), 111, take));
        }
        // nothing from before the first one; 16 is lost
        assert_eq!(got, [10, 11, 12, 13, 14, 15, 17, 18, 19].map(|n| (i64::from(n), n)));
        assert!(!received.on_red_untrusted(0, &red(20, &[1])[..2], 111, |_, _| panic!()));
        assert!(!received.on_red_untrusted(0, &red(20, &[1]), 96, |_, _| panic!("another codec")));
    }

    #[test]
    fn what_is_older_than_memory_is_not_taken() {
        let (mut received, mut count) = (Received::default(), 0);
        for n in 0..1000 {
            received.on_opus(n * 960, &[1], |_, _| count += 1);
        }
        let red = red(1, &[1]);
        received.on_red_untrusted(999 * 960 - 300 * 48, &red, 111, |_, _| panic!("received and forgotten"));
        received.on_opus(1000 * 960, &[], |_, _| panic!("nothing in it"));
        assert_eq!(count, 1000);
        received.on_opus(400 * 960, &[1], |_, _| count += 1);
        assert_eq!(count, 1001, "a clock that began anew");
    }
}
