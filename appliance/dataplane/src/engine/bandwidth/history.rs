//! What was sent under which transport-wide sequence number, until the receiver has reported on it.

use std::time::Duration;

use crate::units::Time;

/// Packets remembered at the most: 4 s of 5 Mbit/s in 1200-byte packets. 32 kB.
const MOST: usize = 2048;
/// And at first; feedback comes each 100 ms and a round trip later: half a second of 500 packets a second. 4 kB.
const FIRST: usize = 256;
/// A packet that was not reported on for so long is not worth more memory: the longest round trip that a call survives.
const WORTH: Duration = Duration::from_secs(2);

/// Bytes in a unit of [`Sent::ahead`]: a packet that does not grow by the figure, and 2 MB, more than a probe of 200 ms of
/// the largest estimate has.
pub const AHEAD: u64 = 32;

/// What is known of a packet's fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unknown,
    Lost,
    Received,
}

/// One packet that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// When.
    pub at: Time,
    /// Bytes on the link, headers included.
    pub bytes: u16,
    /// Probe that it was part of, 0 if none.
    pub probe: u8,
    /// What the probe had sent before it, in units of [`AHEAD`].
    pub ahead: u16,
    fate: Fate,
    seq: u16,
}

/// What a report says that was not known before.
#[derive(Clone, Copy, Debug)]
pub enum News {
    /// It arrived.
    Arrived(Sent),
    /// It arrived and had been reported lost: it was overtaken.
    Late(Sent),
    /// It has not arrived.
    Lost(Sent),
}

/// The ring, by sequence number modulo its size; empty until the first packet, and doubled rather than that a packet is
/// forgotten that may still be reported on.
#[derive(Default)]
pub struct SentHistory(Vec<Sent>);

impl SentHistory {
    /// A packet goes out.
    pub fn on_sent(&mut self, at: Time, seq: u16, bytes: usize, probe: u8, ahead: u16) {
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        let sent = Sent { at, bytes, probe, ahead, fate: Fate::Unknown, seq };
        loop {
            let slots = self.0.len();
            match self.0.get_mut(usize::from(seq) & slots.wrapping_sub(1)) {
                Some(slot) if slot.fate == Fate::Unknown && at.since(slot.at) < WORTH && slots < MOST => {
                    self.resize(2 * slots);
                }
                Some(slot) => return *slot = sent,
                None => self.resize(FIRST),
            }
        }
    }

    fn resize(&mut self, slots: usize) {
        let empty = Sent { fate: Fate::Received, ..Sent::default() };
        let before = std::mem::replace(&mut self.0, vec![empty; slots]);
        for sent in before.into_iter().filter(|sent| sent.fate != Fate::Received) {
            self.0[usize::from(sent.seq) & (slots - 1)] = sent;
        }
    }

    /// The receiver reports on a number. None for what was never sent, is forgotten, or is known.
    pub fn on_report(&mut self, seq: u16, arrived: bool) -> Option<News> {
        let slots = self.0.len();
        let sent = self.0.get_mut(usize::from(seq) & slots.wrapping_sub(1)).filter(|sent| sent.seq == seq)?;
        let news = match (sent.fate, arrived) {
            (Fate::Unknown, true) => News::Arrived(*sent),
            (Fate::Unknown, false) => News::Lost(*sent),
            (Fate::Lost, true) => News::Late(*sent),
            _ => return None,
        };
        sent.fate = if arrived { Fate::Received } else { Fate::Lost };
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_once_and_strangers_never() {
        let mut history = SentHistory::default();
        assert!(history.on_report(0, true).is_none(), "nothing was sent");
        for seq in 65_000..=65_535 {
            history.on_sent(Time(u64::from(seq)), seq, 1200, 0, 0);
        }
        assert!(history.on_report(1, true).is_none() && history.on_report(0, true).is_none());
        assert!(matches!(history.on_report(65_100, true), Some(News::Arrived(s)) if s.at == Time(65_100)));
        assert!(history.on_report(65_100, true).is_none() && history.on_report(65_100, false).is_none());
        assert!(matches!(history.on_report(65_101, false), Some(News::Lost(_))));
        assert!(history.on_report(65_101, false).is_none());
        assert!(matches!(history.on_report(65_101, true), Some(News::Late(_))));
        // the number of a forgotten packet, 2048 before a newer one
        history.on_sent(Time(1), 65_100u16.wrapping_add(MOST as u16), 1, 0, 0);
        assert!(history.on_report(65_100, true).is_none());
    }

    /// What is in flight decides: at 350 packets a second with feedback in time little is kept, without any all there is.
    #[test]
    fn it_grows_with_what_is_in_flight() {
        let (mut history, mut seq, mut now) = (SentHistory::default(), 60_000u16, Time::from_millis(10));
        let mut two_seconds = |pps: u64, answered: u64, history: &mut SentHistory| {
            for n in 0..2 * pps {
                now += Duration::from_micros(1_000_000 / pps);
                history.on_sent(now, seq, 1200, 0, 0);
                if n >= answered {
                    let reported = seq.wrapping_sub(answered as u16);
                    assert!(
                        matches!(history.on_report(reported, true), Some(News::Arrived(s)) if s.seq == reported)
                    );
                }
                seq = seq.wrapping_add(1);
            }
            now += WORTH; // what is left unanswered counts no longer
            history.0.len()
        };
        assert_eq!(two_seconds(350, 90, &mut history), 256);
        assert_eq!(two_seconds(350, 400, &mut history), 512);
        assert_eq!(two_seconds(3000, 1500, &mut history), 2048);
        assert_eq!(two_seconds(9000, 20_000, &mut history), 2048);
    }
}
