//! Which microphones of a big room are worth forwarding: the loudest, and the dominant speaker's.
//!
//! Owns who is let through, of one room. Knows no packets and no clock: loudness and `now` come from the caller.
//!
//! A microphone among the loudest is let through with the very packet that makes it so, and stays for a while after, so
//! that no word loses its beginning or its end. While many talk at once the ones that were loud a moment ago stay beside
//! those that are now, up to twice the number. What its own packets say decides whether a microphone opens; nothing
//! needs a timer. (Rejected: forward the dominant speaker alone and switch. It cuts every interjection.)

use std::time::Duration;

use crate::speaker::AUDIBLE;
use crate::units::Time;

/// Rooms with so many open microphones or more choose. Below, sound of everybody is at most nine streams of speech of
/// about 40 kbit/s, less than one small picture, and silent ones cost a packet each 400 ms (Opus DTX).
pub const FROM: usize = 10;
/// A microphone stays open so long after it was last among the loudest: a pause within a sentence is shorter.
pub const STAYS: Duration = Duration::from_secs(2);
/// A microphone without packets for so long has left the competition: Opus DTX sends one each 400 ms.
const ABSENT: Duration = Duration::from_secs(1);

struct Microphone {
    id: u64,
    /// With its newest packet; None while its client tells no levels.
    loudness: Option<f32>,
    /// Highest since it was let through.
    peak: f32,
    heard: Time,
    open_until: Time,
}

impl Microphone {
    /// Whether this one goes before another: the louder of two with levels, else the one that is open.
    fn beats(&self, other: Option<f32>, now: Time) -> bool {
        let open = self.open_until > now;
        match (self.loudness, other) {
            (Some(mine), Some(other)) => mine > other || (mine == other && open),
            (None, None) => open,
            _ => false,
        }
    }
}

/// The microphones of one room.
pub struct LastN {
    /// How many are let through; 0: all.
    limit: usize,
    microphones: Vec<Microphone>,
}

impl LastN {
    /// A room without microphones.
    pub fn new(limit: usize) -> Self {
        Self { limit, microphones: Vec::new() }
    }

    /// A microphone is there and unmuted, or not any more.
    pub fn set_present(&mut self, id: u64, present: bool) {
        self.microphones.retain(|m| m.id != id);
        if present {
            let never = Time(0);
            let new = Microphone { id, loudness: None, peak: 0.0, heard: never, open_until: never };
            self.microphones.push(new);
        }
    }

    /// Whether a packet of `id` goes on. `loudness`: of the microphone with this packet in it (`DominantSpeaker`), None
    /// where its client tells no levels. Such microphones compete among themselves: `limit` of them are let through,
    /// those that sent first, for as long as they send.
    pub fn admit(&mut self, now: Time, id: u64, loudness: Option<f32>, dominant: bool) -> bool {
        if self.limit == 0 || self.microphones.len() < FROM {
            return true;
        }
        let Some(at) = self.microphones.iter().position(|m| m.id == id) else { return true };
        let louder = |m: &&Microphone| m.id != id && now.since(m.heard) < ABSENT && m.beats(loudness, now);
        let heard = loudness.is_none_or(|loudness| loudness >= AUDIBLE);
        let mut chosen = dominant || (heard && self.microphones.iter().filter(louder).count() < self.limit);
        if chosen && self.microphones[at].open_until <= now {
            self.microphones[at].peak = 0.0;
            chosen = self.make_room(now, if dominant { f32::MAX } else { loudness.unwrap_or(f32::MAX) });
        }
        let microphone = &mut self.microphones[at];
        (microphone.loudness, microphone.heard) = (loudness, now);
        microphone.peak = microphone.peak.max(loudness.unwrap_or(f32::MAX));
        if chosen {
            microphone.open_until = now + STAYS;
        }
        now < microphone.open_until
    }

    /// Closes the one that was never as loud as the others, if one more would be too many. False if that was louder than
    /// the one which is to come in: murmurs take no turns.
    fn make_room(&mut self, now: Time, loudness: f32) -> bool {
        let open = |m: &&mut Microphone| m.open_until > now;
        if self.microphones.iter_mut().filter(open).count() < 2 * self.limit {
            return true;
        }
        let quietest = self.microphones.iter_mut().filter(open).min_by(|a, b| a.peak.total_cmp(&b.peak));
        let Some(quietest) = quietest.filter(|quietest| quietest.peak < loudness) else { return false };
        quietest.open_until = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEECH: f32 = 105.0;
    const NOISE: f32 = 70.0;

    /// A room of so many microphones with this limit, and its clock.
    fn room(limit: usize, microphones: u64) -> (LastN, Time) {
        let mut room = LastN::new(limit);
        (0..microphones).for_each(|id| room.set_present(id, true));
        (room, Time::from_millis(1000))
    }

    /// 20 ms packets of everybody for `ms`; how many packets of each went on.
    fn run(
        room: &mut LastN,
        now: &mut Time,
        ms: u64,
        count: u64,
        loudness: impl Fn(u64) -> Option<f32>,
    ) -> Vec<u64> {
        let mut passed = vec![0; count as usize];
        for _ in 0..ms / 20 {
            for id in 0..count {
                passed[id as usize] += u64::from(room.admit(*now, id, loudness(id), false));
            }
            *now += Duration::from_millis(20);
        }
        passed
    }

    #[test]
    fn a_small_room_and_a_limit_of_none_let_everybody_through() {
        for (limit, count) in [(3, FROM as u64 - 1), (0, 40)] {
            let (mut room, mut now) = room(limit, count);
            assert!(run(&mut room, &mut now, 200, count, |_| Some(0.0)).iter().all(|passed| *passed == 10));
        }
    }

    #[test]
    fn the_loudest_are_let_through_at_once_and_stay_through_a_pause() {
        let (mut room, mut now) = room(3, 20);
        let talk = |who: std::ops::Range<u64>| {
            move |id| Some(if who.contains(&id) { SPEECH + id as f32 / 10.0 } else { NOISE - id as f32 })
        };
        let passed = run(&mut room, &mut now, 1000, 20, talk(5..8));
        assert_eq!(passed[5..8], [50, 50, 50], "with their first packet");
        let passed = run(&mut room, &mut now, 1800, 20, |_| Some(0.0));
        assert_eq!(passed[5..8], [90, 90, 90], "a pause of 1.8 s cuts nothing");
        let passed = run(&mut room, &mut now, 1000, 20, |_| Some(0.0));
        assert!(passed.iter().all(|passed| *passed <= 12), "silence is not forwarded: {passed:?}");
    }

    #[test]
    fn noise_that_takes_turns_does_not_close_a_speaker_in_a_pause() {
        let (mut room, mut now) = room(3, 30);
        run(&mut room, &mut now, 500, 30, |id| Some(if id == 4 { SPEECH } else { 0.0 }));
        let mut all = 0;
        for _ in 0..90 {
            let turn = now.as_millis() / 20 % 29 + 1;
            let noisy = |id| if id == 4 { 0.0 } else { NOISE + ((id * 7 + turn) % 13) as f32 };
            let passed = run(&mut room, &mut now, 20, 30, |id| Some(noisy(id)));
            assert_eq!(passed[4], 1);
            all += passed.iter().sum::<u64>();
        }
        assert!(all <= 90 * 6 + 30, "twice the number, and who comes in on the way there: {all}");
    }

    #[test]
    fn the_dominant_speaker_is_always_let_through() {
        let (mut room, mut now) = room(1, 12);
        for _ in 0..200 {
            assert!(room.admit(now, 0, Some(0.0), true));
            room.admit(now, 1, Some(SPEECH), false);
            room.admit(now, 2, Some(SPEECH + 1.0), false);
            now += Duration::from_millis(20);
        }
    }

    #[test]
    fn microphones_without_levels_are_let_through_up_to_the_number() {
        let (mut room, mut now) = room(3, 15);
        let passed = run(&mut room, &mut now, 1000, 15, |id| (id < 4).then_some(SPEECH));
        assert_eq!(passed[..4].iter().filter(|passed| **passed > 0).count(), 3);
        assert_eq!(passed[4..].iter().filter(|passed| **passed == 50).count(), 3);
        // one of them is muted: another one takes the place
        room.set_present(4, false);
        let passed = run(&mut room, &mut now, 1000, 15, |id| (id < 4).then_some(SPEECH));
        assert!(passed[7] > 45, "{passed:?}");
    }
}
