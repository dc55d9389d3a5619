//! When each session next has something to do, so that a tick costs what is due and not what there is.
//!
//! One time a session, in a row of its own: looking through it is eight bytes each, where looking at the sessions
//! themselves is some ten cache lines each, a hundred times a second, nearly always for nothing. Rejected: a heap or a
//! timer wheel, which hundreds of sessions do not need, and which would have to be told of every time that moves.
//!
//! A session is looked at again [`CALM`] after the last time at the latest; whatever cannot wait for that wakes it.

use std::time::Duration;

use super::arena::Key;
use super::session::Session;
use crate::units::Time;

/// Time between two looks at a session that has nothing special to do: what is due each second, or ends after seconds
/// (reports, division, consent, start of the estimate), may be so much late. Also the interval of transport-wide feedback
/// (MEDIA-NOTES §3), so that a publisher is looked at once for both.
pub(super) const CALM: Duration = Duration::from_millis(100);

/// The times.
#[derive(Default)]
pub(super) struct Due {
    /// By slot of the session; `NEVER` for a free one.
    at: Vec<Time>,
    /// None of them is earlier.
    earliest: Time,
}

const NEVER: Time = Time(u64::MAX);

impl Due {
    /// A session has something to do with the next tick.
    pub(super) fn wake(&mut self, key: Key<Session>) {
        let slot = key.slot();
        if slot >= self.at.len() {
            self.at.resize(slot + 1, NEVER);
        }
        self.at[slot] = Time(0);
        self.earliest = Time(0);
    }

    /// Every session has.
    pub(super) fn wake_all(&mut self) {
        self.at.fill(Time(0));
        self.earliest = Time(0);
    }

    /// The first slot from `from` on whose time has come. It is then asked for no more until it is `set`.
    pub(super) fn take(&mut self, now: Time, from: usize) -> Option<usize> {
        let slot = from + self.at.get(from..)?.iter().position(|at| *at <= now)?;
        self.at[slot] = NEVER;
        Some(slot)
    }

    /// When a slot is due next, unless it was woken meanwhile.
    pub(super) fn set(&mut self, slot: usize, at: Time) {
        self.at[slot] = self.at[slot].min(at);
    }

    /// Every slot that was due is set: finds out when the next one is.
    pub(super) fn settle(&mut self) {
        self.earliest = self.at.iter().copied().min().unwrap_or(NEVER);
    }

    /// Nothing is due before.
    pub(super) fn earliest(&self) -> Time {
        self.earliest
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::Arena;
    use super::super::session::Credentials;
    use super::*;

    #[test]
    fn what_is_woken_while_it_is_looked_at_is_looked_at_again() {
        let mut sessions = Arena::<Session>::default();
        let room = Arena::default().insert(1, super::super::Room::new(1, 0)).unwrap();
        let mut add = |id| {
            let credentials = Credentials { ufrag: String::new(), password: String::new() };
            sessions.insert(id, Session::new(id, room, credentials)).unwrap()
        };
        let (first, third) = (add(1), [add(2), add(3)][1]);
        let mut due = Due::default();
        due.wake(third);
        due.wake(first);
        assert_eq!(due.earliest(), Time(0));
        assert_eq!(due.take(Time(5), 0), Some(0));
        due.set(0, Time(9));
        assert_eq!(due.take(Time(5), 1), Some(2), "the second was never woken");
        due.wake(third);
        due.set(2, Time(30));
        assert_eq!(due.take(Time(5), 3), None);
        due.settle();
        assert_eq!(due.earliest(), Time(0));
        assert_eq!(due.take(Time(6), 0), Some(2));
        due.set(2, Time(30));
        due.settle();
        assert_eq!((due.earliest(), due.take(Time(8), 0)), (Time(9), None));
        due.wake_all();
        assert_eq!((due.take(Time(8), 1), due.take(Time(8), 2)), (Some(1), Some(2)));
    }
}
