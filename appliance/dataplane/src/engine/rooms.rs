//! Rooms: who is in, who speaks.

use std::time::Duration;

use super::Engine;
use super::arena::Key;
use super::session::Session;
use crate::event::Event;
use crate::last_n::LastN;
use crate::speaker::DominantSpeaker;
use crate::units::Time;

/// `_dataplane.pyi`, `Speakers`: at most each 200 ms.
const SPEAKERS: Duration = Duration::from_millis(200);
/// Steps between silence and full level that count as a change: finer ones nobody sees in a meter.
const STEPS: f32 = 20.0;

/// One room.
pub struct Room {
    /// Caller's id.
    pub id: u64,
    /// Who is in.
    pub sessions: Vec<Key<Session>>,
    /// Levels of its speakers.
    pub speakers: DominantSpeaker,
    /// Which of them are forwarded.
    pub last_n: LastN,
    told: Vec<(u64, u8)>,
    told_dominant: Option<u64>,
    next_speakers: Time,
    scratch: Vec<(u64, f32)>,
}

impl Room {
    /// An empty room; `audio_last_n`: so many microphones are forwarded when it is big, 0 for all.
    pub fn new(id: u64, audio_last_n: usize) -> Self {
        Self {
            id,
            sessions: Vec::new(),
            speakers: DominantSpeaker::default(),
            last_n: LastN::new(audio_last_n),
            told: Vec::new(),
            told_dominant: None,
            next_speakers: Time(0),
            scratch: Vec::new(),
        }
    }

    /// A packet of a microphone, with its level in −dBov if its client tells one (RFC 6464): whether it is forwarded.
    pub fn hear(&mut self, now: Time, producer: u64, level: Option<u8>) -> bool {
        let loudness = level.map(|level| self.speakers.on_level(now, producer, level));
        let dominant = self.speakers.dominant() == Some(producer);
        self.last_n.admit(now, producer, loudness, dominant)
    }

    /// Lets silence fall; returns what to tell, if that changed.
    fn tick(&mut self, now: Time) -> Option<Event> {
        self.speakers.tick(now);
        if now < self.next_speakers {
            return None;
        }
        self.speakers.levels(&mut self.scratch);
        let dominant = self.speakers.dominant();
        let steps = self.scratch.iter().map(|(id, level)| (*id, (level * STEPS) as u8));
        if dominant == self.told_dominant && steps.clone().eq(self.told.iter().copied()) {
            return None;
        }
        self.next_speakers = now + SPEAKERS;
        self.told_dominant = dominant;
        self.told.clear();
        self.told.extend(steps);
        let levels = self.scratch.iter().map(|(id, level)| (*id, f64::from(*level))).collect();
        Some(Event::Speakers { room: self.id, levels, dominant })
    }
}

impl Engine {
    pub(super) fn tick_rooms(&mut self, now: Time) {
        for slot in 0..self.rooms.slots() {
            let Some(room) = self.rooms.key_at(slot).and_then(|key| self.rooms.get_mut(key)) else {
                continue;
            };
            self.events.extend(room.tick(now));
        }
    }
}
