//! What was sent under which transport-wide sequence number, until the receiver has reported on it.

use crate::units::Time;

/// Packets remembered: 4 s of 5 Mbit/s in 1200-byte packets; feedback comes each 100 ms and a round trip later. 32 kB.
const SLOTS: usize = 2048;

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
    /// Bytes on the wire, without UDP and IP.
    pub bytes: u16,
    /// Probe that it was part of, 0 if none.
    pub probe: u8,
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

/// The ring; empty until the first packet, then never allocated again.
#[derive(Default)]
pub struct SentHistory(Vec<Sent>);

impl SentHistory {
    /// A packet goes out.
    pub fn on_sent(&mut self, at: Time, seq: u16, bytes: usize, probe: u8) {
        if self.0.is_empty() {
            self.0 = vec![Sent { fate: Fate::Received, ..Sent::default() }; SLOTS];
        }
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.0[usize::from(seq) % SLOTS] = Sent { at, bytes, probe, fate: Fate::Unknown, seq };
    }

    /// The receiver reports on a number. None for what was never sent, is forgotten, or is known.
    pub fn on_report(&mut self, seq: u16, arrived: bool) -> Option<News> {
        let sent = self.0.get_mut(usize::from(seq) % SLOTS).filter(|sent| sent.seq == seq)?;
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
            history.on_sent(Time(u64::from(seq)), seq, 1200, 0);
        }
        assert!(history.on_report(1, true).is_none() && history.on_report(0, true).is_none());
        assert!(matches!(history.on_report(65_100, true), Some(News::Arrived(s)) if s.at == Time(65_100)));
        assert!(history.on_report(65_100, true).is_none() && history.on_report(65_100, false).is_none());
        assert!(matches!(history.on_report(65_101, false), Some(News::Lost(_))));
        assert!(history.on_report(65_101, false).is_none());
        assert!(matches!(history.on_report(65_101, true), Some(News::Late(_))));
        // the number of a forgotten packet, 2048 before a newer one
        history.on_sent(Time(1), 65_100u16.wrapping_add(SLOTS as u16), 1, 0);
        assert!(history.on_report(65_100, true).is_none());
    }
}
