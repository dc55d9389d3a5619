//! Whether a queue stands in front of the link, and what the link carries while it does.
//!
//! A delay above the least one that was seen is a queue, or a receiver that looked late. Only a queue delays *every* packet:
//! whatever comes after a late look comes in time. So the link is busy from the first delayed packet to the first that is
//! not, and what arrives in between is what it carries, whatever share of it was used before. Rejected: the trend of the
//! delay alone, with the rate that arrives at the end of it. A browser without a core to spare makes trends, of which each
//! took the estimate to 0.85 of what was being sent, which a sender of whole layers keeps at 60 to 80 % of the link
//! (measured: 54 to 62 % of 0.3 to 1 Mbit/s).

use crate::units::Time;

/// The least delay of the last one to two of these is that of an empty queue; clocks that differ by 100 ppm drift 2 ms.
const BASE_US: i64 = 20_000_000;
/// A delay so far above it, beside what the packet itself takes of the link, is no queue: jitter, or two packets of sound.
const EMPTY_US: i64 = 10_000;
/// What a packet itself takes at the most: 1500 bytes at 240 kbit/s. An estimate far too low must not explain a queue.
const OWN_MAX_US: i64 = 50_000;
/// A queue that stood for so long stands: four to five packets at 300 kbit/s, longer than a thread waits for a core.
const STANDS_US: i64 = 100_000;
/// The rate is that of one of the last two of these: the link may change while it is busy.
const PART_US: i64 = 200_000;
/// The least delay of the last one to two of these is what the queue is now.
const NOW_US: i64 = 100_000;
/// A queue of at least this, for so long, is over-use without any trend: it grew before anybody looked, or so slowly that
/// the trend's threshold went along (measured: 170 ms for three seconds, from 400 to 300 kbit/s behind 6 ms of jitter).
const LONG_US: i64 = 300_000;
const LONG_QUEUE_US: i64 = 60_000;
/// It answers to a decrease by a tenth within so long, by at least so much; a delay that does not is no queue but a way that
/// became longer.
const ANSWERS_US: i64 = 1_000_000;
const SHRINKS_US: i64 = 20_000;
/// Delays further apart are of other clocks (MEDIA-NOTES §3: stream time-out 2 s).
const TIME_OUT_US: i64 = 2_000_000;

/// The least delay of the last one to two spans.
#[derive(Clone, Copy, Debug, Default)]
struct Least {
    since: i64,
    before: Option<i64>,
    now: Option<i64>,
}

impl Least {
    fn add(&mut self, at: i64, span: i64, delay: i64) {
        if at - self.since >= span {
            let stale = at - self.since >= 2 * span;
            (self.before, self.now) = (self.now.filter(|_| !stale), None);
            self.since = at;
        }
        self.now = Some(self.now.map_or(delay, |now| now.min(delay)));
    }

    fn get(&self) -> Option<i64> {
        self.now.into_iter().chain(self.before).min()
    }
}

/// A time without an empty queue, on the receiver's clock in µs.
#[derive(Clone, Copy, Debug)]
struct Busy {
    since: i64,
    newest: i64,
    /// Since when, and how many bytes since.
    part: (i64, u64),
    /// How long, and how many bytes.
    part_before: (i64, u64),
}

/// The queue of one session's link.
#[derive(Debug, Default)]
pub struct Backlog {
    base: Least,
    now: Least,
    busy: Option<Busy>,
    /// When the queue was last found too long, and how long it was.
    judged: Option<(i64, i64)>,
}

impl Backlog {
    /// A packet of so many bytes arrived, on the receiver's clock in µs. `link_bps`: what the link is taken for.
    pub fn on_arrival(&mut self, sent: Time, arrival: i64, bytes: u16, link_bps: f64) {
        let delay = arrival.saturating_sub(sent.0 as i64);
        if self.base.get().is_some_and(|base| delay.abs_diff(base) > TIME_OUT_US as u64) {
            *self = Self::default();
        }
        self.base.add(arrival, BASE_US, delay);
        self.now.add(arrival, NOW_US, delay);
        let own = ((f64::from(bytes) * 8e6 / link_bps) as i64).min(OWN_MAX_US);
        if delay - self.base.get().unwrap_or(delay) < EMPTY_US + own {
            (self.busy, self.judged) = (None, None);
            return;
        }
        let Some(busy) = &mut self.busy else {
            self.busy =
                Some(Busy { since: arrival, newest: arrival, part: (arrival, 0), part_before: (0, 0) });
            return;
        };
        if arrival - busy.part.0 >= PART_US {
            busy.part_before = (busy.newest - busy.part.0, busy.part.1);
            busy.part = (busy.newest, 0);
        }
        busy.newest = busy.newest.max(arrival);
        busy.part.1 += u64::from(bytes);
    }

    /// Whether the queue has not been empty for a while.
    pub fn stands(&self) -> bool {
        self.busy.is_some_and(|busy| busy.newest - busy.since >= STANDS_US)
    }

    /// What the link carries, in bits per second, while a queue stands.
    pub fn carried_bps(&self) -> Option<f64> {
        let busy = self.busy.filter(|_| self.stands())?;
        // the fuller one: in the other the queue may have been empty for a moment that jitter hid
        [(busy.newest - busy.part.0, busy.part.1), busy.part_before]
            .into_iter()
            .filter(|(span, _)| *span >= STANDS_US)
            .map(|(span, bytes)| bytes as f64 * 8e6 / span as f64)
            .reduce(f64::max)
    }

    /// Whether the queue has stood so long that less must be sent, trend or not. True once for each time that it shrank
    /// since; a delay that stays is taken for the way's own from then on.
    pub fn take_too_long(&mut self) -> bool {
        let Some(busy) = self.busy.filter(|busy| busy.newest - busy.since >= LONG_US) else { return false };
        let (Some(now), Some(base)) = (self.now.get(), self.base.get()) else { return false };
        let queue = now.saturating_sub(base);
        if queue < LONG_QUEUE_US || self.judged.is_some_and(|(at, _)| busy.newest - at < ANSWERS_US) {
            return false;
        }
        if self.judged.is_some_and(|(_, before)| queue > before - SHRINKS_US) {
            self.base = Least { since: busy.newest, before: None, now: Some(now) };
            (self.busy, self.judged) = (None, None);
            return false;
        }
        self.judged = Some((busy.newest, queue));
        true
    }

    /// The least delay now, by the two clocks.
    pub fn delay_now(&self) -> Option<i64> {
        self.now.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `bytes` each `each_us` over a link, to a receiver that sees nothing for `late_us` in each 200 ms; what the
    /// backlog says at the end of each 200 ms.
    fn run(backlog: &mut Backlog, from: i64, each_us: i64, link_bps: f64, late_us: i64) -> Vec<Option<f64>> {
        let (mut free, mut said) = (0, Vec::new());
        for i in 0..1_000_000 / each_us {
            let sent = from + i * each_us;
            free = free.max(sent) + (600.0 * 8e6 / link_bps) as i64;
            let arrives = free + 25_000;
            let seen = arrives.max(arrives / 200_000 * 200_000 + late_us);
            backlog.on_arrival(Time(sent as u64), 7_000_000 + seen, 600, link_bps);
            if (i + 1) * each_us % 200_000 < each_us {
                said.push(backlog.carried_bps());
            }
        }
        said
    }

    #[test]
    fn a_queue_that_stands_tells_what_the_link_carries() {
        let mut backlog = Backlog::default();
        assert!(run(&mut backlog, 0, 10_000, 1e6, 0).iter().all(Option::is_none), "half of the link");
        let said = run(&mut backlog, 1_000_000, 10_000, 400e3, 0);
        assert!(
            said.iter().skip(1).all(|bps| bps.is_some_and(|bps| (0.97..1.03).contains(&(bps / 400e3)))),
            "{said:?}"
        );
        assert!(run(&mut backlog, 10_000_000, 10_000, 1e6, 0).iter().all(Option::is_none), "empty again");
    }

    #[test]
    fn a_receiver_that_looks_late_is_no_queue() {
        let mut backlog = Backlog::default();
        for round in 0..20 {
            let said = run(&mut backlog, round * 1_000_000, 10_000, 1e6, 90_000);
            assert!(said.iter().all(Option::is_none), "{said:?}");
        }
    }

    /// 600 bytes each 16 ms, all of them delayed by so much; when the queue was too long, in ms.
    fn too_long(backlog: &mut Backlog, from_ms: i64, queue_ms: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut found = Vec::new();
        for ms in (0..5000).step_by(16) {
            let at = (from_ms + ms) * 1000;
            backlog.on_arrival(Time(at as u64), at + (25 + queue_ms(ms)) * 1000, 600, 300e3);
            if backlog.take_too_long() {
                found.push(ms);
            }
        }
        found
    }

    #[test]
    fn a_queue_that_stands_too_long_is_told_once_and_again_if_it_shrinks() {
        let mut backlog = Backlog::default();
        assert!(too_long(&mut backlog, 0, |_| 0).is_empty());
        assert!(too_long(&mut backlog, 5000, |_| 50).is_empty(), "short");
        assert!(too_long(&mut backlog, 10_000, |_| 0).is_empty());
        let shrinking = too_long(&mut backlog, 15_000, |ms| (200 - ms / 25).max(0));
        assert!((300..500).contains(&shrinking[0]), "{shrinking:?}");
        assert!((2..=4).contains(&shrinking.len()), "{shrinking:?}");
    }

    #[test]
    fn a_longer_way_is_told_once_and_then_known() {
        let mut backlog = Backlog::default();
        assert!(too_long(&mut backlog, 0, |_| 0).is_empty());
        assert_eq!(too_long(&mut backlog, 5000, |_| 150).len(), 1);
        assert!(too_long(&mut backlog, 10_000, |_| 150).is_empty());
        assert_eq!(backlog.carried_bps(), None);
    }

    #[test]
    fn absurd_clocks_begin_anew() {
        let mut backlog = Backlog::default();
        for arrival in [i64::MAX, i64::MIN, 0, i64::MAX / 2, 5] {
            backlog.on_arrival(Time(1), arrival, u16::MAX, 1.0);
        }
        run(&mut backlog, 0, 10_000, 1e6, 0);
        assert_eq!(backlog.carried_bps(), None);
    }
}
