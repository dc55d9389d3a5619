//! Commands: the only place where rooms, sessions, producers and consumers come, go and are tied to each other.

use super::arena::Key;
use super::consumer::Consumer;
use super::formats::PayloadTable;
use super::producer::Producer;
use super::session::{Credentials, Keys, Session, SsrcUse};
use super::{Engine, Room};
use crate::command::{Command, ConsumerSpec, ProducerSpec};
use crate::srtp;
use crate::units::Time;

impl Engine {
    /// Applies one command. One that names an unknown id, or an id that is taken, changes nothing and is counted.
    pub fn handle_command(&mut self, now: Time, command: Command) {
        self.forward_all(); // what arrived before it is not touched by it
        self.due.wake_all(); // a command may make anything due for anybody
        if self.try_command(now, command).is_none() {
            self.counters.unknown_ids += 1;
        }
    }

    fn try_command(&mut self, now: Time, command: Command) -> Option<()> {
        match command {
            Command::AddRoom { room, audio_last_n } => {
                self.rooms.insert(room, Room::new(room, audio_last_n)).map(drop)
            }
            Command::RemoveRoom { room } => {
                let (_, room) = self.rooms.remove(room)?;
                for session in room.sessions {
                    let id = self.sessions.get(session)?.id;
                    self.remove_session(id);
                }
                Some(())
            }
            Command::AddSession { session, room, ufrag, password } => {
                self.add_session(session, room, Credentials { ufrag, password })
            }
            Command::RestartIce { session, ufrag, password } => {
                self.restart_ice(session, Credentials { ufrag, password })
            }
            Command::SetKeys { session, profile, tx, rx } => {
                let key = self.sessions.key(session)?;
                let same = |keys: &Keys| keys.tx.is_from(profile, &tx) && keys.rx.is_from(profile, &rx);
                if self.sessions.get(key)?.keys.as_ref().is_some_and(same) {
                    return Some(()); // said twice: new contexts would use the nonces of the old ones again
                }
                let keys = Keys {
                    tx: srtp::Context::new(profile, &tx).ok()?,
                    rx: srtp::Context::new(profile, &rx).ok()?,
                };
                self.sessions.get_mut(key)?.keys = Some(keys);
                self.restart_consumers(key);
                Some(())
            }
            Command::SetFormats { session, payloads, extensions } => {
                let session = self.sessions.get_mut(self.sessions.key(session)?)?;
                session.payloads = PayloadTable::new(&payloads, &mut self.formats);
                session.extensions = extensions;
                Some(())
            }
            Command::SendDtls { session, datagram } => {
                let session = self.sessions.get(self.sessions.key(session)?)?;
                // without a path it is lost, as datagrams are; DTLS repeats it
                if let Some(path) = session.paths.selected() {
                    self.outbox.push(path, &datagram);
                }
                Some(())
            }
            Command::RemoveSession { session } => self.remove_session(session),
            Command::AddProducer { producer, session, spec } => self.add_producer(producer, session, spec),
            Command::MuteProducer { producer, muted } => self.mute_producer(now, producer, muted),
            Command::RemoveProducer { producer } => self.remove_producer(producer),
            Command::AddConsumer { consumer, session, spec } => self.add_consumer(consumer, session, spec),
            Command::BindConsumer { consumer, producer } => self.bind_consumer(now, consumer, producer),
            Command::SetConsumerLayer { consumer, layer, temporal } => {
                let consumer = self.consumers.get_mut(self.consumers.key(consumer)?)?;
                (consumer.wanted_layer, consumer.wanted_temporal) = (layer, temporal);
                let (producer, session) = (consumer.producer, consumer.session);
                self.divide(now, session);
                self.rechoose(now, producer)
            }
            Command::SetConsumerPriority { consumer, priority } => {
                let consumer = self.consumers.get_mut(self.consumers.key(consumer)?)?;
                consumer.priority = priority;
                let session = consumer.session;
                self.divide(now, session);
                Some(())
            }
            Command::PauseConsumer { consumer, paused } => {
                let consumer = self.consumers.get_mut(self.consumers.key(consumer)?)?;
                if consumer.paused != paused {
                    consumer.paused = paused;
                    consumer.announce = true;
                    consumer.stop();
                }
                let (producer, session) = (consumer.producer, consumer.session);
                self.divide(now, session);
                self.rechoose(now, producer)
            }
            Command::RemoveConsumer { consumer } => self.remove_consumer(consumer),
            Command::RequestKeyFrame { producer } => {
                let producer = self.producers.get_mut(self.producers.key(producer)?)?;
                producer.layers.iter_mut().for_each(|layer| layer.key_frames.ask());
                Some(())
            }
            Command::OpenTap { tap, producer, max_layer, end } => {
                self.open_tap(now, tap, producer, max_layer, end)
            }
        }
    }

    fn rechoose(&mut self, now: Time, producer: Option<Key<Producer>>) -> Option<()> {
        if let Some(producer) = producer {
            self.choose_layers(now, producer, true);
        }
        Some(())
    }

    fn add_session(&mut self, id: u64, room: u64, credentials: Credentials) -> Option<()> {
        if self.sessions.len() >= self.max_sessions || self.ufrags.contains_key(&credentials.ufrag) {
            return None;
        }
        let room_key = self.rooms.key(room)?;
        let ufrag = credentials.ufrag.clone();
        let key = self.sessions.insert(id, Session::new(id, room_key, credentials))?;
        self.paced.reserve(self.sessions.len());
        self.ufrags.insert(ufrag, key);
        self.due.wake(key);
        self.rooms.get_mut(room_key)?.sessions.push(key);
        Some(())
    }

    fn restart_ice(&mut self, id: u64, credentials: Credentials) -> Option<()> {
        if self.ufrags.contains_key(&credentials.ufrag) {
            return None;
        }
        let key = self.sessions.key(id)?;
        let session = self.sessions.get_mut(key)?;
        self.ufrags.insert(credentials.ufrag.clone(), key);
        let current = std::mem::replace(&mut session.credentials, credentials);
        // two restarts in a row: the credentials in between were never used or are used no more
        if let Some(older) = session.previous.replace(current) {
            self.ufrags.remove(&older.ufrag);
        }
        Some(())
    }

    fn remove_session(&mut self, id: u64) -> Option<()> {
        let key = self.sessions.key(id)?;
        let session = self.sessions.get_mut(key)?;
        let producers = std::mem::take(&mut session.producers);
        let consumers = std::mem::take(&mut session.consumers);
        for producer in producers {
            let id = self.producers.get(producer).map(|p| p.id);
            id.and_then(|id| self.remove_producer(id));
        }
        for consumer in consumers {
            let id = self.consumers.get(consumer).map(|c| c.id);
            id.and_then(|id| self.remove_consumer(id));
        }
        let (key, mut session) = self.sessions.remove(id)?;
        for path in session.paths.clear() {
            self.paths.remove(&path);
        }
        for credentials in [Some(session.credentials), session.previous].into_iter().flatten() {
            self.ufrags.remove(&credentials.ufrag);
        }
        if let Some(room) = self.rooms.get_mut(session.room) {
            room.sessions.retain(|s| *s != key);
        }
        Some(())
    }

    fn add_producer(&mut self, id: u64, session: u64, spec: ProducerSpec) -> Option<()> {
        let session_key = self.sessions.key(session)?;
        let ssrcs = spec.ssrcs.clone();
        let key = self.producers.insert(id, Producer::new(id, session_key, spec))?;
        let (producer, session) = (self.producers.get_mut(key)?, self.sessions.get_mut(session_key)?);
        session.producers.push(key);
        if producer.speaker
            && let Some(room) = self.rooms.get_mut(session.room)
        {
            room.last_n.set_present(id, true);
        }
        for (index, (ssrc, rtx_ssrc)) in ssrcs.into_iter().enumerate().take(producer.layers.len()) {
            let layer = &mut producer.layers[index];
            let belongs = |rtx| SsrcUse { producer: key, layer: index as u8, rtx };
            if session.latch(ssrc, belongs(false)) {
                layer.replace_ssrc(ssrc);
            }
            if let Some(rtx_ssrc) = rtx_ssrc
                && session.latch(rtx_ssrc, belongs(true))
            {
                layer.rtx_ssrc = Some(rtx_ssrc);
            }
        }
        Some(())
    }

    fn mute_producer(&mut self, now: Time, id: u64, muted: bool) -> Option<()> {
        let key = self.producers.key(id)?;
        let producer = self.producers.get_mut(key)?;
        if producer.muted == muted {
            return Some(());
        }
        producer.muted = muted;
        producer.taps.iter_mut().for_each(|tap| tap.mute(now, muted));
        producer.ask_wishes_anew(now);
        for consumer in &producer.consumers {
            if let Some(consumer) = self.consumers.get_mut(*consumer) {
                consumer.stop();
            }
        }
        if let Some(room) = self.sessions.get(producer.session).and_then(|s| self.rooms.get_mut(s.room)) {
            room.speakers.set_muted(id, muted);
            if producer.speaker {
                room.last_n.set_present(id, !muted);
            }
        }
        self.choose_layers(now, key, true);
        Some(())
    }

    fn remove_producer(&mut self, id: u64) -> Option<()> {
        let (key, producer) = self.producers.remove(id)?;
        for consumer in &producer.consumers {
            if let Some(consumer) = self.consumers.get_mut(*consumer) {
                consumer.producer = None;
                consumer.stop();
            }
        }
        if let Some(session) = self.sessions.get_mut(producer.session) {
            session.producers.retain(|p| *p != key);
            session.ssrcs.retain(|_, belongs| belongs.producer != key);
            if let Some(room) = self.rooms.get_mut(session.room) {
                room.speakers.remove(id);
                room.last_n.set_present(id, false);
            }
        }
        Some(())
    }

    fn add_consumer(&mut self, id: u64, session: u64, spec: ConsumerSpec) -> Option<()> {
        let session_key = self.sessions.key(session)?;
        let key = self.consumers.insert(id, Consumer::new(id, session_key, spec))?;
        self.sessions.get_mut(session_key)?.consumers.push(key);
        Some(())
    }

    fn bind_consumer(&mut self, now: Time, id: u64, producer: Option<u64>) -> Option<()> {
        let key = self.consumers.key(id)?;
        // a producer that is gone already leaves the consumer empty, and is counted
        let producer_key = producer.and_then(|p| self.producers.key(p));
        let consumer = self.consumers.get_mut(key)?;
        let (kind, session) = (consumer.spec.kind, consumer.session);
        let room = |key| self.sessions.get(key).map(|s| s.room);
        let fits = |p: &Key<Producer>| {
            self.producers.get(*p).is_some_and(|p| p.kind == kind && room(p.session) == room(session))
        };
        let bound = producer_key.filter(fits);
        if bound.is_some() && consumer.producer == bound {
            return Some(());
        }
        if let Some(former) =
            std::mem::replace(&mut consumer.producer, bound).and_then(|p| self.producers.get_mut(p))
        {
            former.consumers.retain(|c| *c != key);
        }
        consumer.stop();
        consumer.announce = true;
        let receiver = consumer.session;
        if let Some(bound) = bound {
            self.producers.get_mut(bound)?.consumers.push(key);
        }
        self.divide(now, receiver);
        if let Some(bound) = bound {
            self.choose_layers(now, bound, true);
        }
        (producer.is_none() || bound.is_some()).then_some(())
    }

    fn remove_consumer(&mut self, id: u64) -> Option<()> {
        let (key, consumer) = self.consumers.remove(id)?;
        if let Some(producer) = consumer.producer.and_then(|p| self.producers.get_mut(p)) {
            producer.consumers.retain(|c| *c != key);
        }
        if let Some(session) = self.sessions.get_mut(consumer.session) {
            session.consumers.retain(|c| *c != key);
        }
        Some(())
    }

    /// A session can be sent to again, or under new keys: its video begins at key frames.
    pub(super) fn restart_consumers(&mut self, key: Key<Session>) {
        let Some(session) = self.sessions.get(key) else { return };
        for consumer in &session.consumers {
            if let Some(consumer) = self.consumers.get_mut(*consumer) {
                consumer.stop();
            }
        }
    }
}
