//! Who is the dominant speaker: Volfin & Cohen, "Dominant speaker identification for multipoint videoconferencing"
//! (2012), with the constants of the Jitsi implementation (MEDIA-NOTES §4), on RFC 6464 audio levels.
//!
//! Owns the level histories of one room. Knows no packets and no clock: levels and `now` come from the caller.

use crate::units::Time;
use std::time::Duration;

/// Immediate, medium and long window: levels per immediate score, immediates per medium, mediums per long.
const N1: u8 = 13;
const N2: usize = 5;
const N3: usize = 10;
/// A competitor must exceed these relative activities (immediate, medium; the long one needs more than 0).
const C1: f64 = 3.0;
const C2: f64 = 2.0;
const C3: f64 = 0.0;
/// Immediates above this make a medium, mediums above this make the long score.
const MEDIUM_THRESHOLD: u8 = 7;
const LONG_THRESHOLD: u8 = 4;
/// A track that sent nothing for so long is silent.
const LEVEL_IDLE: Duration = Duration::from_millis(40);
/// The dominant speaker is decided this often.
const DECISION_INTERVAL: Duration = Duration::from_millis(300);
/// The promise to the eye: no two changes within a second (UI.md).
const MIN_HOLD: Duration = Duration::from_secs(1);
/// The noise floor is learnt over so many levels (15 s of 20 ms).
const FLOOR_WINDOW: u32 = 750;
/// Smoothed levels below this are silence (of 0..=127 above digital silence).
pub const AUDIBLE: f32 = 60.0;
/// ln of the smallest activity score, so that ratios stay finite.
const MIN_SCORE: f64 = 1.0e-10;

struct Speaker {
    id: u64,
    /// 127 − RFC 6464 level, newest first.
    levels: [u8; N2 * N3],
    last_level: Time,
    floor: u8,
    next_floor: u8,
    floor_count: u32,
    smoothed: f32,
    muted: bool,
}

impl Speaker {
    fn new(id: u64, now: Time) -> Speaker {
        Speaker {
            id,
            levels: [0; N2 * N3],
            last_level: now,
            floor: 0,
            next_floor: 0,
            floor_count: 0,
            smoothed: 0.0,
            muted: false,
        }
    }

    fn push(&mut self, level: u8) {
        self.levels.copy_within(0..N2 * N3 - 1, 1);
        self.levels[0] = level;
        // Rises in about 60 ms, falls in about 200 ms: follows syllables without flicker.
        let weight = if f32::from(level) > self.smoothed { 0.5 } else { 0.15 };
        self.smoothed += (f32::from(level) - self.smoothed) * weight;
        self.learn_floor(level);
    }

    fn learn_floor(&mut self, level: u8) {
        if level == 0 {
            return;
        }
        if self.floor == 0 || level < self.floor {
            (self.floor, self.next_floor, self.floor_count) = (level, 0, 0);
            return;
        }
        if self.next_floor == 0 || level < self.next_floor {
            self.next_floor = level;
        }
        self.floor_count += 1;
        if self.floor_count >= FLOOR_WINDOW {
            let mean = (f64::from(self.floor) * f64::from(self.next_floor)).sqrt();
            self.floor = (mean as u8).min(127);
            (self.next_floor, self.floor_count) = (0, 0);
        }
    }

    /// ln of the activity over the immediate, medium and long windows.
    fn scores(&self) -> [f64; 3] {
        let audible_from = self.floor.saturating_add(N1);
        let mut immediates = [0u8; N2 * N3];
        for (immediate, &level) in immediates.iter_mut().zip(&self.levels) {
            *immediate = if level < audible_from { 0 } else { level / N1 };
        }
        let mut mediums = [0u8; N3];
        for (medium, chunk) in mediums.iter_mut().zip(immediates.chunks_exact(N2)) {
            *medium = chunk.iter().filter(|&&i| i > MEDIUM_THRESHOLD).count() as u8;
        }
        let long = mediums.iter().filter(|&&m| m > LONG_THRESHOLD).count() as u8;
        [
            activity(immediates[0], u32::from(N1), 0.78),
            activity(mediums[0], N2 as u32, 24.0),
            activity(long, N3 as u32, 47.0),
        ]
    }

    fn audible(&self) -> bool {
        !self.muted && self.smoothed >= AUDIBLE
    }
}

/// Log-likelihood ratio of speech for `active` of `n` sub-windows; binomial with p = 0.5 against exponential with `lambda`.
fn activity(active: u8, n: u32, lambda: f64) -> f64 {
    let active = u32::from(active).min(n);
    let mut ln_binomial = 0.0;
    for i in 0..active {
        ln_binomial += f64::from(n - i).ln() - f64::from(i + 1).ln();
    }
    let score = ln_binomial + f64::from(n) * 0.5f64.ln() - lambda.ln() + lambda * f64::from(active);
    score.max(MIN_SCORE)
}

/// The speakers of one room.
pub struct DominantSpeaker {
    speakers: Vec<Speaker>,
    dominant: Option<u64>,
    last_decision: Time,
    last_change: Option<Time>,
}

impl Default for DominantSpeaker {
    fn default() -> DominantSpeaker {
        DominantSpeaker::new()
    }
}

impl DominantSpeaker {
    /// A room without speakers.
    pub fn new() -> DominantSpeaker {
        DominantSpeaker { speakers: Vec::new(), dominant: None, last_decision: Time(0), last_change: None }
    }

    /// A level of `producer` arrived: `level` in −dBov, 0 (loudest) to 127 (silence), as RFC 6464 sends it. Returns how
    /// loud it is now, 0 to 127: what rises counts at once, what falls a little later.
    pub fn on_level(&mut self, now: Time, producer: u64, level: u8) -> f32 {
        let speaker = match self.speakers.iter().position(|s| s.id == producer) {
            Some(index) => &mut self.speakers[index],
            None => {
                self.speakers.push(Speaker::new(producer, now));
                self.speakers.last_mut().expect("just pushed")
            }
        };
        if !speaker.muted {
            speaker.last_level = now;
            speaker.push(127 - level.min(127));
        }
        speaker.smoothed.max(f32::from(speaker.levels[0]))
    }

    /// A muted track is silent at once.
    pub fn set_muted(&mut self, producer: u64, muted: bool) {
        if let Some(speaker) = self.speakers.iter_mut().find(|s| s.id == producer) {
            speaker.muted = muted;
            if muted {
                speaker.levels = [0; N2 * N3];
                speaker.smoothed = 0.0;
            }
        }
    }

    /// The track is gone; a dominant one leaves the place empty.
    pub fn remove(&mut self, producer: u64) {
        self.speakers.retain(|s| s.id != producer);
        if self.dominant == Some(producer) {
            self.dominant = None;
        }
    }

    /// Let silence fall and decide; call every 20 to 100 ms. Returns the new dominant producer when it changed.
    pub fn tick(&mut self, now: Time) -> Option<u64> {
        for speaker in &mut self.speakers {
            if now.since(speaker.last_level) > LEVEL_IDLE {
                speaker.push(0);
            }
        }
        if now.since(self.last_decision) < DECISION_INTERVAL {
            return None;
        }
        self.last_decision = now;
        if self.last_change.is_some_and(|at| now.since(at) < MIN_HOLD) && self.dominant.is_some() {
            return None;
        }
        let winner = self.competitor()?;
        self.dominant = Some(winner);
        self.last_change = Some(now);
        Some(winner)
    }

    fn competitor(&self) -> Option<u64> {
        let Some(holder) = self.dominant.and_then(|id| self.speakers.iter().find(|s| s.id == id)) else {
            // Nobody to compete with: the loudest who is heard.
            let loudest = self.speakers.iter().filter(|s| s.audible());
            return loudest.max_by(|a, b| a.smoothed.total_cmp(&b.smoothed)).map(|s| s.id);
        };
        let held = holder.scores();
        let mut best: Option<(f64, u64)> = None;
        for speaker in self.speakers.iter().filter(|s| s.id != holder.id && s.audible()) {
            let own = speaker.scores();
            let relative = [0, 1, 2].map(|i| (own[i] / held[i]).ln());
            if relative[0] > C1
                && relative[1] > C2
                && relative[2] > C3
                && best.is_none_or(|(m, _)| relative[1] > m)
            {
                best = Some((relative[1], speaker.id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// The dominant producer; it stays while everybody is silent.
    pub fn dominant(&self) -> Option<u64> {
        self.dominant
    }

    /// Who is heard now with levels from 0 to 1, into `out`, loudest first.
    pub fn levels(&self, out: &mut Vec<(u64, f32)>) {
        out.clear();
        out.extend(self.speakers.iter().filter(|s| s.audible()).map(|s| (s.id, s.smoothed / 127.0)));
        out.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEECH: u8 = 18; // −18 dBov
    const NOISE: u8 = 80;

    /// `ms` of 20 ms levels; returns the changes.
    fn run(room: &mut DominantSpeaker, now: &mut Time, ms: u64, levels: &[(u64, u8)]) -> Vec<u64> {
        let mut changes = Vec::new();
        for _ in 0..ms / 20 {
            for &(id, level) in levels {
                room.on_level(*now, id, level);
            }
            changes.extend(room.tick(*now));
            *now += Duration::from_millis(20);
        }
        changes
    }

    #[test]
    fn the_one_who_talks_becomes_dominant_and_stays_through_silence() {
        let (mut room, mut now) = (DominantSpeaker::new(), Time::from_millis(1000));
        assert_eq!(run(&mut room, &mut now, 1000, &[(1, NOISE), (2, SPEECH)]), [2]);
        assert_eq!(run(&mut room, &mut now, 5000, &[(1, NOISE), (2, NOISE)]), [] as [u64; 0]);
        assert_eq!(room.dominant(), Some(2));
        let changes = run(&mut room, &mut now, 3000, &[(1, SPEECH), (2, NOISE)]);
        assert_eq!(changes, [1]);
    }

    #[test]
    fn a_cough_does_not_take_the_floor() {
        let (mut room, mut now) = (DominantSpeaker::new(), Time::from_millis(1000));
        run(&mut room, &mut now, 2000, &[(1, SPEECH), (2, NOISE)]);
        assert!(run(&mut room, &mut now, 100, &[(1, SPEECH), (2, 5)]).is_empty());
        assert!(run(&mut room, &mut now, 3000, &[(1, SPEECH), (2, NOISE)]).is_empty());
    }

    #[test]
    fn changes_are_a_second_apart_however_wild_the_levels() {
        let (mut room, mut now) = (DominantSpeaker::new(), Time::from_millis(1000));
        let mut seed = 7u64;
        let mut last: Option<Time> = None;
        for _ in 0..6000 {
            for id in 1..=4 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let talks = (now.as_millis() / 700) % 4 + 1 == id;
                let level = if talks { 15 + (seed >> 60) as u8 } else { 60 + (seed >> 58) as u8 };
                room.on_level(now, id, level);
            }
            if room.tick(now).is_some() {
                if let Some(before) = last {
                    assert!(now.since(before) >= MIN_HOLD);
                }
                last = Some(now);
            }
            now += Duration::from_millis(20);
        }
        assert!(last.is_some());
    }

    #[test]
    fn levels_fall_to_silence_when_packets_stop_or_the_track_is_muted() {
        let (mut room, mut now) = (DominantSpeaker::new(), Time::from_millis(1000));
        let mut heard = Vec::new();
        run(&mut room, &mut now, 1000, &[(1, SPEECH), (2, 30)]);
        room.levels(&mut heard);
        assert_eq!(heard.iter().map(|l| l.0).collect::<Vec<_>>(), [1, 2]);
        room.set_muted(1, true);
        run(&mut room, &mut now, 400, &[(1, SPEECH)]);
        room.levels(&mut heard);
        assert!(heard.is_empty());
        room.set_muted(1, false);
        run(&mut room, &mut now, 400, &[(1, SPEECH)]);
        room.levels(&mut heard);
        assert_eq!(heard.len(), 1);
        room.remove(1);
        assert_eq!(room.dominant(), None);
    }
}
