//! Whether the link itself has lately dropped what was sent: only then may a picture be taken away altogether.

use std::time::Duration;

use super::rate_control::LOSS_HIGH;
use crate::units::Time;

/// Loss is judged over so long: at 300 kb/s some thirty packets.
const WINDOW: Duration = Duration::from_secs(1);
/// Loss of more than a tenth is the link's doing where a queue stands, or above this share: random loss of 10 % of the
/// thirty packets that a window of a narrow link has does not come near it.
const ALONE: f64 = 0.30;
/// A link that dropped what was sent stays suspect for so long: each attempt to bring a picture back costs the others a
/// moment.
const HOLD: Duration = Duration::from_secs(20);

/// The verdict on one session's link.
#[derive(Default)]
pub struct Overload {
    since: Time,
    lost: i64,
    reported: i64,
    queued: bool,
    until: Time,
}

impl Overload {
    /// Counts of one feedback, and whether a queue stands in front of the link.
    pub fn on_loss(&mut self, now: Time, lost: i64, reported: i64, queue: bool) {
        (self.lost, self.reported) = (self.lost + lost, self.reported + reported);
        self.queued |= queue;
        if now - self.since >= WINDOW {
            let much = if self.queued { LOSS_HIGH } else { ALONE };
            if self.lost as f64 > much * self.reported as f64 {
                self.until = now + HOLD;
            }
            *self = Self { since: now, until: self.until, ..Self::default() };
        }
    }

    /// Whether it has.
    pub fn is_on(&self, now: Time) -> bool {
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_overflows_and_heavy_loss_are_overload_and_a_tenth_at_random_is_not() {
        let judge = |lost: i64, queue: bool| {
            let mut overload = Overload::default();
            for second in 5..8 {
                overload.on_loss(Time::from_millis(second * 1000), lost, 30, queue);
            }
            (overload.is_on(Time::from_millis(8000)), overload.is_on(Time::from_millis(40_000)))
        };
        assert_eq!(judge(5, false), (false, false));
        assert_eq!(judge(5, true), (true, false));
        assert_eq!(judge(12, false), (true, false));
        assert_eq!(judge(2, true), (false, false));
    }
}
