//! The workers' snapshots, joined into the JSON that the caller reads.

use std::sync::{Mutex, PoisonError};

use crate::engine::snapshot::Snapshot;

/// One slot per worker, replaced each second.
pub struct StatsBoard(Vec<Mutex<Snapshot>>);

impl StatsBoard {
    /// Empty slots.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    /// Puts a worker's newest snapshot up.
    pub fn post(&self, worker: usize, snapshot: Snapshot) {
        // a reader that panicked cannot have left half a snapshot: slots are only ever replaced
        *self.0[worker].lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// All of them as JSON; `unknown_ids` are those that no worker ever saw, counted with the first one.
    pub fn json(&self, unknown_ids: u64) -> Vec<u8> {
        let mut all = Snapshot::default();
        for slot in &self.0 {
            let mut one = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
            all.workers.append(&mut one.workers);
            all.sessions.append(&mut one.sessions);
            all.producers.append(&mut one.producers);
            all.consumers.append(&mut one.consumers);
            all.taps.append(&mut one.taps);
        }
        if let Some(first) = all.workers.first_mut() {
            first.unknown_ids += unknown_ids;
        }
        // plain numbers and strings: there is nothing in it that JSON cannot say
        serde_json::to_vec(&all).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::engine::snapshot::WorkerNumbers;
    use crate::units::Time;

    #[test]
    fn workers_are_joined() {
        let board = StatsBoard::new(2);
        for worker in 0..2 {
            let numbers = WorkerNumbers { worker, port: 8801 + worker as u16, ..WorkerNumbers::default() };
            board.post(worker as usize, Engine::new(0, 1).snapshot(Time(0), numbers));
        }
        let json: serde_json::Value = serde_json::from_slice(&board.json(3)).unwrap();
        assert_eq!(json["workers"][1]["port"], 8802);
        assert_eq!(json["workers"][0]["unknown_ids"], 3);
        assert_eq!(json["sessions"], serde_json::json!([]));
    }
}
