//! Dividing a session's estimate among its pictures: one layer to everybody first, then upgrades by priority.
//!
//! Pure. Rates are measured; sound is taken off before this is asked.

use std::time::Duration;

use crate::units::Time;

/// Layers of one source that are told apart: three (`_dataplane.pyi`), and room for one more codec's habit.
pub const MAX_LAYERS: usize = 8;
/// No upgrade for so long after a downgrade that the estimate forced (MEDIA-NOTES §4).
pub const HOLD: Duration = Duration::from_secs(10);
/// A picture that was paused may come back sooner: a missing one is worse than a small one.
pub const PAUSE_HOLD: Duration = Duration::from_secs(3);
/// Room that must be left for more than is sent now, so that a rate that breathes does not switch back and forth; a
/// re-run comes with 15 % of change (MEDIA-NOTES §4).
pub const HEADROOM: f64 = 1.15;

/// What a picture may be sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Nothing fits.
    Paused,
    /// Layers up to this one; `u8::MAX` without a limit.
    UpTo(u8),
}

/// One picture that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Index of the consumer in its session.
    pub consumer: usize,
    /// Higher goes first.
    pub priority: u8,
    /// Rate of each layer up to the wanted one, in bits per second; None where nothing flows.
    pub rates: [Option<f64>; MAX_LAYERS],
    /// What it had before.
    pub before: Grant,
    /// Takes no more than before until then.
    pub hold_until: Time,
    /// What it gets.
    pub grant: Grant,
}

impl Demand {
    /// The best wanted layer that flows, with its rate.
    pub fn best(&self) -> Option<(u8, f64)> {
        (0..MAX_LAYERS as u8).rev().find_map(|layer| Some((layer, self.rates[usize::from(layer)]?)))
    }

    fn rate(&self, grant: Grant) -> f64 {
        match grant {
            Grant::Paused => 0.0,
            Grant::UpTo(layer) => self.rates.get(usize::from(layer)).copied().flatten().unwrap_or(0.0),
        }
    }

    /// The next layer above what is granted.
    fn next(&self) -> Option<u8> {
        let from = match self.grant {
            Grant::Paused => 0,
            Grant::UpTo(layer) => usize::from(layer) + 1,
        };
        (from..MAX_LAYERS).find(|layer| self.rates[*layer].is_some()).map(|layer| layer as u8)
    }

    fn is_more_than_before(&self, layer: u8) -> bool {
        match self.before {
            Grant::Paused => true,
            Grant::UpTo(before) => layer > before,
        }
    }

    /// Takes the next layer if it fits into what is left.
    fn step(&mut self, now: Time, left: &mut f64) -> bool {
        let Some(layer) = self.next() else { return false };
        let more = self.rate(Grant::UpTo(layer)) - self.rate(self.grant);
        let fresh = self.is_more_than_before(layer);
        if fresh && now < self.hold_until {
            return false;
        }
        let room =
            if fresh { self.rate(Grant::UpTo(layer)) * HEADROOM - self.rate(self.grant) } else { more };
        if room > *left {
            return false;
        }
        *left -= more;
        self.grant = Grant::UpTo(layer);
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
            && let Some(layer) = demand.next()
        {
            demand.grant = Grant::UpTo(layer);
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
        let mut all = [None; MAX_LAYERS];
        all.iter_mut().zip(rates).for_each(|(slot, rate)| *slot = (*rate > 0.0).then_some(*rate));
        Demand { consumer, priority, rates: all, before, hold_until: Time(0), grant: Grant::Paused }
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
        let lowest = Grant::UpTo(0);
        assert_eq!(grants(460e3, all(lowest)), [lowest; 3]);
        assert_eq!(grants(900e3, all(lowest)), [lowest, Grant::UpTo(1), lowest]);
        assert_eq!(grants(3e6, all(lowest)), [Grant::UpTo(1), Grant::UpTo(2), lowest]);
        assert_eq!(grants(310e3, all(lowest)), [lowest, lowest, Grant::Paused]);
    }

    #[test]
    fn what_runs_stays_and_what_would_be_new_needs_room() {
        let one = |before| vec![demand(0, 1, &CAMERA, before)];
        assert_eq!(grants(510e3, one(Grant::UpTo(0))), [Grant::UpTo(0)]);
        assert_eq!(grants(510e3, one(Grant::UpTo(1))), [Grant::UpTo(1)]);
        assert_eq!(grants(580e3, one(Grant::UpTo(0))), [Grant::UpTo(1)]);
        assert_eq!(grants(160e3, one(Grant::Paused)), [Grant::Paused]);
    }

    #[test]
    fn a_layer_that_does_not_flow_is_passed_over_and_a_hold_is_kept() {
        assert_eq!(grants(1e6, vec![demand(0, 1, &[0.0, 500e3], Grant::UpTo(1))]), [Grant::UpTo(1)]);
        let mut held = demand(0, 1, &CAMERA, Grant::UpTo(0));
        held.hold_until = NOW + HOLD;
        assert_eq!(grants(9e6, vec![held]), [Grant::UpTo(0)]);
    }

    #[test]
    fn while_starting_nobody_is_paused() {
        let mut demands = vec![demand(0, 1, &CAMERA, Grant::Paused), demand(1, 1, &CAMERA, Grant::Paused)];
        allocate(NOW, 100e3, &mut demands, Lowest::ForAll);
        assert!(demands.iter().all(|d| d.grant == Grant::UpTo(0)));
    }

    #[test]
    fn a_low_estimate_alone_takes_no_picture_away_and_brings_none_back() {
        let mut demands = vec![demand(0, 1, &CAMERA, Grant::UpTo(2)), demand(1, 1, &CAMERA, Grant::Paused)];
        allocate(NOW, 100e3, &mut demands, Lowest::ForRunning);
        assert_eq!([demands[0].grant, demands[1].grant], [Grant::UpTo(0), Grant::Paused]);
    }
}
