//! What the caller asks of the workers: commands, their queue, and which worker owns which id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::formats::{ExtensionIds, PayloadSpec};
use crate::srtp::Profile;
use crate::tap::buffer::WriteEnd;

/// Sound or picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// One published source (`_dataplane.pyi`, `add_producer`).
#[derive(Clone, Debug)]
pub struct ProducerSpec {
    /// Sound or picture.
    pub kind: Kind,
    /// MID of its m-line in the publisher's session.
    pub mid: String,
    /// Simulcast layers from the lowest to the highest, empty for one layer.
    pub rids: Vec<String>,
    /// (media, RTX) SSRCs that the SDP signalled, by layer.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// Counts for active-speaker detection.
    pub speaker: bool,
}

/// One receiving m-line (`_dataplane.pyi`, `add_consumer`).
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// Sound or picture.
    pub kind: Kind,
    /// MID of its m-line in the subscriber's session.
    pub mid: String,
    /// SSRC for life.
    pub ssrc: u32,
    /// SSRC of its retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// CNAME of its SDES.
    pub cname: String,
}

/// A command; ids are the caller's.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // field by field the arguments of `_dataplane.pyi`
pub enum Command {
    AddRoom { room: u64, audio_last_n: usize },
    RemoveRoom { room: u64 },
    AddSession { session: u64, room: u64, ufrag: String, password: String },
    RestartIce { session: u64, ufrag: String, password: String },
    SetKeys { session: u64, profile: Profile, tx: Vec<u8>, rx: Vec<u8> },
    SetFormats { session: u64, payloads: Vec<PayloadSpec>, extensions: ExtensionIds },
    SendDtls { session: u64, datagram: Vec<u8> },
    RemoveSession { session: u64 },
    AddProducer { producer: u64, session: u64, spec: ProducerSpec },
    MuteProducer { producer: u64, muted: bool },
    RemoveProducer { producer: u64 },
    AddConsumer { consumer: u64, session: u64, spec: ConsumerSpec },
    BindConsumer { consumer: u64, producer: Option<u64> },
    SetConsumerLayer { consumer: u64, layer: u8, temporal: u8 },
    SetConsumerPriority { consumer: u64, priority: u8 },
    PauseConsumer { consumer: u64, paused: bool },
    RemoveConsumer { consumer: u64 },
    RequestKeyFrame { producer: u64 },
    OpenTap { tap: u64, producer: u64, max_layer: u8, end: Arc<WriteEnd> },
}

/// What an id of the caller stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Owned {
    Session(u64),
    Producer(u64),
    Consumer(u64),
}

/// Which worker owns which id, so that a command goes to one queue.
///
/// Kept on the caller's side, where a command naming an unknown id is found out without waking a worker.
#[derive(Default)]
pub struct Routes {
    rooms: HashMap<u64, usize>,
    owners: HashMap<Owned, (usize, Owner)>,
    children: HashMap<Owner, Vec<Owned>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Owner {
    Room(u64),
    Session(u64),
}

impl Routes {
    /// The worker for a new room.
    pub fn add_room(&mut self, room: u64, worker: usize) {
        self.rooms.insert(room, worker);
    }

    /// The worker that a command goes to, None when it names an id that is not known. Learns and forgets ids on the
    /// way.
    pub fn route(&mut self, command: &Command) -> Option<usize> {
        use Command as C;
        match *command {
            C::AddRoom { room, .. } => self.rooms.get(&room).copied(),
            C::RemoveRoom { room } => {
                let worker = self.rooms.remove(&room)?;
                for child in self.children.remove(&Owner::Room(room)).unwrap_or_default() {
                    self.forget(child);
                }
                Some(worker)
            }
            C::AddSession { session, room, .. } => {
                let worker = *self.rooms.get(&room)?;
                self.learn(Owned::Session(session), Owner::Room(room), worker)
            }
            C::AddProducer { producer, session, .. } => {
                let worker = self.worker(Owned::Session(session))?;
                self.learn(Owned::Producer(producer), Owner::Session(session), worker)
            }
            C::AddConsumer { consumer, session, .. } => {
                let worker = self.worker(Owned::Session(session))?;
                self.learn(Owned::Consumer(consumer), Owner::Session(session), worker)
            }
            C::RestartIce { session, .. }
            | C::SetKeys { session, .. }
            | C::SetFormats { session, .. }
            | C::SendDtls { session, .. } => self.worker(Owned::Session(session)),
            C::RemoveSession { session } => self.take(Owned::Session(session)),
            C::MuteProducer { producer, .. }
            | C::RequestKeyFrame { producer }
            | C::OpenTap { producer, .. } => self.worker(Owned::Producer(producer)),
            C::RemoveProducer { producer } => self.take(Owned::Producer(producer)),
            C::BindConsumer { consumer, .. }
            | C::SetConsumerLayer { consumer, .. }
            | C::SetConsumerPriority { consumer, .. }
            | C::PauseConsumer { consumer, .. } => self.worker(Owned::Consumer(consumer)),
            C::RemoveConsumer { consumer } => self.take(Owned::Consumer(consumer)),
        }
    }

    fn worker(&self, owned: Owned) -> Option<usize> {
        self.owners.get(&owned).map(|(worker, _)| *worker)
    }

    fn learn(&mut self, owned: Owned, owner: Owner, worker: usize) -> Option<usize> {
        self.owners.insert(owned, (worker, owner));
        self.children.entry(owner).or_default().push(owned);
        Some(worker)
    }

    fn take(&mut self, owned: Owned) -> Option<usize> {
        let (worker, owner) = *self.owners.get(&owned)?;
        if let Some(siblings) = self.children.get_mut(&owner) {
            siblings.retain(|o| *o != owned);
        }
        self.forget(owned);
        Some(worker)
    }

    fn forget(&mut self, owned: Owned) {
        self.owners.remove(&owned);
        if let Owned::Session(session) = owned {
            for child in self.children.remove(&Owner::Session(session)).unwrap_or_default() {
                self.owners.remove(&child);
            }
        }
    }

    /// Number of ids known, for the tests that look for leaks.
    pub fn len(&self) -> usize {
        self.rooms.len() + self.owners.len() + self.children.values().map(Vec::len).sum::<usize>()
    }

    /// True when no id is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(session: u64, room: u64) -> Command {
        Command::AddSession { session, room, ufrag: "u".into(), password: "p".into() }
    }

    #[test]
    fn a_room_takes_everything_in_it_along() {
        let mut routes = Routes::default();
        routes.add_room(1, 0);
        routes.add_room(2, 1);
        assert_eq!(routes.route(&Command::AddRoom { room: 2, audio_last_n: 0 }), Some(1));
        assert_eq!(routes.route(&session(10, 1)), Some(0));
        assert_eq!(routes.route(&session(11, 2)), Some(1));
        let spec =
            ConsumerSpec { kind: Kind::Audio, mid: "0".into(), ssrc: 1, rtx_ssrc: None, cname: "c".into() };
        assert_eq!(routes.route(&Command::AddConsumer { consumer: 5, session: 11, spec }), Some(1));
        assert_eq!(routes.route(&Command::PauseConsumer { consumer: 5, paused: true }), Some(1));
        assert_eq!(routes.route(&Command::RemoveRoom { room: 2 }), Some(1));
        assert_eq!(routes.route(&Command::PauseConsumer { consumer: 5, paused: true }), None);
        assert_eq!(routes.route(&session(12, 2)), None);
        assert_eq!(routes.route(&Command::RemoveSession { session: 10 }), Some(0));
        assert_eq!(routes.route(&Command::RemoveRoom { room: 1 }), Some(0));
        assert!(routes.is_empty());
    }
}
