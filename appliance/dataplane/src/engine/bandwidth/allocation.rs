//! Dividing a session's estimate among its pictures: one layer to everybody first, then upgrades by priority.
//!
//! Pure. Rates are measured; sound is taken off before this is asked.

use std::time::Duration;

use crate::units::Time;

/// Layers of one source that are told apart: three (`_dataplane.pyi`), and room for one more codec's habit.
pub const MAX_LAYERS: usize = 8;
/// No upgrade for so long after a downgrade that the estimate forced (MEDIA-NOTES §4).
pub const HOLD: Duration = Duration::from_secs(10);
/// A picture that was paused may come back sooner: a missing one is worse than a small one. So may frames that were left
/// out: bringing them back takes no key frame.
pub const SHORT_HOLD: Duration = Duration::from_secs(3);
/// Room that must be left for more than is sent now, so that a rate that breathes does not switch back and forth; a
/// re-run comes with 15 % of change (MEDIA-NOTES §4).
pub const HEADROOM: f64 = 1.15;

/// Until when a picture takes no more than before, each in its kind: frames of the layer that it has come back soon though
/// a larger layer may not. With one hold for both, a camera that a narrow link had taken down from a large layer stayed at
/// four frames a second for ten seconds (measured in Chromium: 1 Mbit/s, an estimate of 790 kbit/s, 7 frames/s).
#[derive(Clone, Copy, Debug, Default)]
pub struct Holds {
    /// A larger layer.
    pub layers: Time,
    /// More frames of the same layer, or a paused picture's lowest layer.
    pub frames: Time,
}

/// What a picture may be sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Nothing fits.
    Paused,
    /// This much of the picture.
    UpTo {
        /// Simulcast layer, or spatial layer of a stream that carries several; `u8::MAX` without a limit.
        layer: u8,
        /// Temporal layer; `u8::MAX` without a limit.
        temporal: u8,
    },
}

impl Grant {
    /// Everything that is wanted.
    pub const ALL: Self = Self::UpTo { layer: u8::MAX, temporal: u8::MAX };

    /// Every frame of a layer and those below it.
    pub const fn whole(layer: u8) -> Self {
        Self::UpTo { layer, temporal: u8::MAX }
    }
}

/// Rates of one layer, in bits per second: up to each temporal layer but the highest, and of all of them under `WHOLE`.
pub type LayerRates = [Option<f64>; STEPS];
/// Temporal layers told apart: the dependency descriptor's and VP9's L1T3 and below, and one to spare.
pub const STEPS: usize = 4;
/// Column of a layer's whole rate.
pub const WHOLE: usize = STEPS - 1;

/// One picture that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Index of the consumer in its session.
    pub consumer: usize,
    /// Higher goes first.
    pub priority: u8,
    /// Rates of each layer up to the wanted one; None where nothing flows.
    pub rates: [LayerRates; MAX_LAYERS],
    /// What it had before.
    pub before: Grant,
    /// Takes no more than before until then.
    pub holds: Holds,
    /// What it gets.
    pub grant: Grant,
}

impl Demand {
    /// The best wanted layer that flows, with its rate.
    pub fn best(&self) -> Option<(u8, f64)> {
        (0..MAX_LAYERS as u8).rev().find_map(|layer| Some((layer, self.rates[usize::from(layer)][WHOLE]?)))
    }

    /// Row and column of a grant in the table of rates; a temporal layer that the source has no more is all of them.
    fn place(&self, grant: Grant) -> Option<(usize, usize)> {
        let Grant::UpTo { layer, temporal } = grant else { return None };
        let (layer, temporal) = (usize::from(layer), usize::from(temporal).min(WHOLE));
        let known = self.rates.get(layer).is_some_and(|rates| rates[temporal].is_some());
        Some((layer, if known { temporal } else { WHOLE }))
    }

    fn rate(&self, grant: Grant) -> f64 {
        let rate = |(layer, temporal): (usize, usize)| self.rates.get(layer)?[temporal];
        self.place(grant).and_then(rate).unwrap_or(0.0)
    }

    /// The next step above what is granted. Of the lowest layer every temporal layer is one: few frames are more than
    /// none. Of the others the highest two are: fewer frames of a large picture are worse than all of a small one.
    fn next(&self) -> Option<Grant> {
        let lowest = self.rates.iter().position(|rates| rates[WHOLE].is_some())?;
        let (from, above) = match self.place(self.grant) {
            None => (0, 0),
            Some((layer, WHOLE)) => (layer + 1, 0),
            Some((layer, temporal)) => (layer, temporal + 1),
        };
        (from..MAX_LAYERS).find_map(|layer| {
            let rates = &self.rates[layer];
            let last = rates[..WHOLE].iter().rposition(Option::is_some);
            let first = if layer == lowest { 0 } else { last.unwrap_or(WHOLE) };
            let first = first.max(if layer == from { above } else { 0 });
            let step = (first..STEPS).find(|step| rates[*step].is_some())?;
            let temporal = if step == WHOLE { u8::MAX } else { step as u8 };
            Some(Grant::UpTo { layer: layer as u8, temporal })
        })
    }

    /// Until when this step above what was had before is held.
    fn hold_of(&self, next: Grant) -> Time {
        let lowest = self.rates.iter().position(|rates| rates[WHOLE].is_some());
        let had = self.place(self.before).map(|(layer, _)| layer).or(lowest);
        let takes = self.place(next).map(|(layer, _)| layer);
        if takes > had { self.holds.layers } else { self.holds.frames }
    }

    /// Takes the next step if it fits into what is left.
    fn step(&mut self, now: Time, left: &mut f64) -> bool {
        let Some(next) = self.next() else { return false };
        let more = self.rate(next) - self.rate(self.grant);
        let fresh = self.place(next) > self.place(self.before);
        if fresh && now < self.hold_of(next) {
            return false;
        }
        let room = if fresh { self.rate(next) * HEADROOM - self.rate(self.grant) } else { more };
        if room > *left {
            return false;
        }
        *left -= more;
        self.grant = next;
        true
    }
}

/// Who gets the lowest layer even where it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowest {
    /// Everybody: the estimate is still a guess.
    ForAll,
    /// What is shown stays shown: nothing says that the link drops packets.
    ForRunning,
    /// Nobody: the link drops packets.
    IfItFits,
}

/// Divides `bps`; returns what was given out.
pub fn allocate(now: Time, bps: f64, demands: &mut [Demand], lowest: Lowest) -> f64 {
    demands.sort_unstable_by_key(|d| (u8::MAX - d.priority, d.consumer));
    let mut left = bps;
    for demand in demands.iter_mut() {
        demand.grant = Grant::Paused;
        let anyway = match lowest {
            Lowest::ForAll => true,
            Lowest::ForRunning => demand.before != Grant::Paused,
            Lowest::IfItFits => false,
        };
        if !demand.step(now, &mut left)
            && anyway
            && let Some(lowest) = demand.next()
        {
            demand.grant = lowest;
            left -= demand.rate(demand.grant);
        }
    }
    let mut rest = demands;
    while let Some(first) = rest.first() {
        let priority = first.priority;
        let equals = rest.iter().take_while(|d| d.priority == priority).count();
        let (group, lower) = rest.split_at_mut(equals);
        // in turns, so that equals stay equal; each turn takes a layer or is the last
        while group
            .iter_mut()
            .filter(|d| d.grant != Grant::Paused)
            .fold(false, |any, d| d.step(now, &mut left) | any)
        {}
        rest = lower;
    }
    bps - left
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(60_000);

    fn demand(consumer: usize, priority: u8, rates: &[f64], before: Grant) -> Demand {
        let mut all = [[None; STEPS]; MAX_LAYERS];
        all.iter_mut().zip(rates).for_each(|(slot, rate)| slot[WHOLE] = (*rate > 0.0).then_some(*rate));
        Demand { consumer, priority, rates: all, before, holds: Holds::default(), grant: Grant::Paused }
    }

    fn grants(bps: f64, mut demands: Vec<Demand>) -> Vec<Grant> {
        allocate(NOW, bps, &mut demands, Lowest::IfItFits);
        demands.sort_by_key(|d| d.consumer);
        demands.iter().map(|d| d.grant).collect()
    }

    const CAMERA: [f64; 3] = [150e3, 500e3, 2e6];

    #[test]
    fn everybody_gets_one_layer_before_anybody_gets_two() {
        let all = |before| {
            vec![demand(0, 1, &CAMERA, before), demand(1, 9, &CAMERA, before), demand(2, 1, &CAMERA, before)]
        };
        let lowest = Grant::whole(0);
        assert_eq!(grants(460e3, all(lowest)), [lowest; 3]);
        assert_eq!(grants(900e3, all(lowest)), [lowest, Grant::whole(1), lowest]);
        assert_eq!(grants(3e6, all(lowest)), [Grant::whole(1), Grant::whole(2), lowest]);
        assert_eq!(grants(310e3, all(lowest)), [lowest, lowest, Grant::Paused]);
    }

    #[test]
    fn what_runs_stays_and_what_would_be_new_needs_room() {
        let one = |before| vec![demand(0, 1, &CAMERA, before)];
        assert_eq!(grants(510e3, one(Grant::whole(0))), [Grant::whole(0)]);
        assert_eq!(grants(510e3, one(Grant::whole(1))), [Grant::whole(1)]);
        assert_eq!(grants(580e3, one(Grant::whole(0))), [Grant::whole(1)]);
        assert_eq!(grants(160e3, one(Grant::Paused)), [Grant::Paused]);
    }

    #[test]
    fn a_layer_that_does_not_flow_is_passed_over_and_a_hold_is_kept() {
        assert_eq!(grants(1e6, vec![demand(0, 1, &[0.0, 500e3], Grant::whole(1))]), [Grant::whole(1)]);
        let mut held = demand(0, 1, &CAMERA, Grant::whole(0));
        held.holds.layers = NOW + HOLD;
        assert_eq!(grants(9e6, vec![held]), [Grant::whole(0)]);
        held.rates[0][0] = Some(60e3);
        held.before = Grant::UpTo { layer: 0, temporal: 0 };
        assert_eq!(
            grants(9e6, vec![held]),
            [Grant::whole(0)],
            "frames of the layer that it has are another matter"
        );
        held.holds.frames = NOW + SHORT_HOLD;
        assert_eq!(grants(9e6, vec![held]), [held.before]);
        held.before = Grant::Paused;
        assert_eq!(grants(9e6, vec![held]), [Grant::Paused]);
    }

    #[test]
    fn while_starting_nobody_is_paused() {
        let mut demands = vec![demand(0, 1, &CAMERA, Grant::Paused), demand(1, 1, &CAMERA, Grant::Paused)];
        allocate(NOW, 100e3, &mut demands, Lowest::ForAll);
        assert!(demands.iter().all(|d| d.grant == Grant::whole(0)));
    }

    #[test]
    fn a_low_estimate_alone_takes_no_picture_away_and_brings_none_back() {
        let mut demands = vec![demand(0, 1, &CAMERA, Grant::whole(2)), demand(1, 1, &CAMERA, Grant::Paused)];
        allocate(NOW, 100e3, &mut demands, Lowest::ForRunning);
        assert_eq!([demands[0].grant, demands[1].grant], [Grant::whole(0), Grant::Paused]);
    }

    #[test]
    fn frames_are_left_out_before_a_layer_is_and_a_layer_before_the_picture() {
        let mut camera = demand(0, 1, &[150e3, 500e3], Grant::Paused);
        // half of the bits in the lowest temporal layer, three quarters in the lower two
        camera.rates[0] = [Some(75e3), Some(112e3), None, Some(150e3)];
        camera.rates[1] = [Some(250e3), Some(375e3), None, Some(500e3)];
        camera.before = Grant::ALL;
        let step = |layer, temporal| Grant::UpTo { layer, temporal };
        let mut seen = Vec::new();
        for bps in [70e3, 80e3, 120e3, 160e3, 260e3, 380e3, 510e3] {
            seen.extend(grants(bps, vec![camera]));
        }
        let lowest = [Grant::Paused, step(0, 0), step(0, 1), Grant::whole(0)];
        assert_eq!(seen[..4], lowest);
        assert_eq!(
            seen[4..],
            [Grant::whole(0), step(1, 1), Grant::whole(1)],
            "never a large picture at a quarter"
        );
        // the source has fewer temporal layers than before
        camera.rates[0] = [None, None, None, Some(150e3)];
        camera.before = step(0, 1);
        assert_eq!(grants(155e3, vec![camera]), [Grant::whole(0)]);
    }
}
