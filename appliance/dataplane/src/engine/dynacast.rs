//! Which layers of a picture are worth their publisher's bits: those that somebody wants, or wanted a moment ago.
//!
//! Owns the moment at which a publisher is told to stop a layer, and to send it again; refuses to know how it is told.
//! A viewer wants its layer and those below it, because a link that narrows falls back to them at once. What its link
//! carries today plays no part: a layer that is not sent cannot be measured, and without its rate nobody would be
//! granted it again. (Rejected: only what the estimate allows. It saves more and locks narrow links out for good.)

use std::time::Duration;

use super::producer::{Layer, Producer, STALLED};
use crate::units::Time;

/// A layer that nobody wants is paused after this time (MEDIA-NOTES §4).
pub const UNWANTED: Duration = Duration::from_secs(5);

/// What the publisher of one layer was told, and why.
#[derive(Clone, Copy, Debug)]
pub struct Wanting {
    told: bool,
    wanted: Option<Time>,
    resumed: Option<Time>,
}

impl Default for Wanting {
    /// Publishers begin with everything on.
    fn default() -> Self {
        Self { told: true, wanted: None, resumed: None }
    }
}

impl Wanting {
    /// Takes in whether somebody wants the layer now; true if the publisher is to be told.
    fn update(&mut self, now: Time, wanted: bool) -> bool {
        let last = *self.wanted.get_or_insert(now);
        if wanted {
            self.wanted = Some(now);
        }
        let told = wanted || (self.told && now - last < UNWANTED);
        if told && !self.told {
            self.resumed = Some(now);
        }
        std::mem::replace(&mut self.told, told) != told
    }

    /// Whether the publisher is to send the layer.
    pub fn is_on(&self) -> bool {
        self.told
    }
}

impl Producer {
    /// Takes in the highest layer that somebody wants; what to tell the publisher, if that changed.
    pub fn want(&mut self, now: Time, highest: Option<u8>) -> Option<Vec<bool>> {
        let mut changed = false;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            changed |=
                layer.wanting.update(now, highest.is_some_and(|highest| index <= usize::from(highest)));
        }
        changed.then(|| self.layers.iter().map(|l| l.wanting.is_on()).collect())
    }

    /// Nobody's wishes were asked for a while: they count from now.
    pub fn ask_wishes_anew(&mut self, now: Time) {
        self.layers.iter_mut().for_each(|l| l.wanting.wanted = Some(now));
    }

    /// Whether packets are missing that should come: not while the publisher was told to send nothing, nor just after.
    pub fn is_stalled(&self, now: Time) -> bool {
        let since = |layer: &Layer| layer.last_packet.max(layer.wanting.resumed);
        self.layers.iter().any(|l| l.wanting.is_on())
            && self.layers.iter().filter_map(since).max().is_none_or(|last| now - last >= STALLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_paused_after_five_seconds_and_wanted_at_once() {
        let mut layer = Wanting::default();
        let mut told = Vec::new();
        for ms in (0..30_000).step_by(50) {
            let wanted = (2000..4000).contains(&ms) || (15_000..15_500).contains(&ms);
            if layer.update(Time::from_millis(ms), wanted) {
                told.push((ms, layer.is_on()));
            }
        }
        // wanted last at 3950 and at 15,450
        assert_eq!(told, [(8950, false), (15_000, true), (20_450, false)]);
    }
}
