//! What waits for a session's budget, and leaves when there is some: repairs before pictures, pictures in turns.
//!
//! A packet that waits is read again when it leaves, its descriptor with it; to which spatial layers its frame belongs is
//! remembered by its producer. A new structure of them, which comes with a key frame, ends that: what waits before it and
//! was not begun is left out. Where spatial layers lie in one SSRC there is no lower one to give way to: the queue drains.

use super::Engine;
use super::arena::Key;
use super::bandwidth::allocation::{Grant, HOLD};
use super::consumer::Consumer;
use super::forward::Incoming;
use super::held::deliver;
use super::ingress::frame_of;
use super::pacer::{GIVE_UP, TURN, Waiting};
use super::session::Session;
use crate::rtp::RtpView;
use crate::units::Time;

/// The sessions for which something waits.
#[derive(Default)]
pub(super) struct Paced {
    sessions: Vec<Key<Session>>,
    next: Time,
}

impl Paced {
    /// Makes room for as many sessions as there are: none is made on the packet path.
    pub(super) fn reserve(&mut self, sessions: usize) {
        self.sessions.reserve(sessions.saturating_sub(self.sessions.len()));
    }

    /// Something waits for a session from now on.
    pub(super) fn add(&mut self, now: Time, key: Key<Session>, session: &mut Session) {
        if session.pacer.waits {
            return;
        }
        session.pacer.waits = true;
        if self.sessions.is_empty() {
            self.next = now + TURN;
        }
        self.sessions.push(key);
    }

    /// When it is to be looked after.
    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.sessions.is_empty()).then_some(self.next)
    }
}

/// Whether a packet waits, and if it does, puts it where it waits. Only packets that may be of use do.
pub(super) fn waits(
    at: Time,
    packet: &Incoming<'_>,
    consumer: &mut Consumer,
    session: &mut Session,
    paced: &mut Paced,
) -> bool {
    if consumer.is_audio() || !consumer.may_want(packet.layer) || !session.pacer.holds(at) {
        return false;
    }
    let switches =
        packet.frame.key_frame && packet.layer == consumer.target && consumer.current != Some(packet.layer);
    if !consumer.queue.push(at, packet, switches) {
        consumer.stop(); // more than a screen's key frame: its next one will do
    }
    paced.add(at, consumer.session, session);
    true
}

impl Engine {
    /// Sends what waits and may leave, if it is time.
    pub(super) fn send_waiting(&mut self, now: Time) {
        if self.paced.deadline().is_none_or(|due| now < due) {
            return;
        }
        self.paced.next = now + TURN;
        for index in (0..self.paced.sessions.len()).rev() {
            let key = self.paced.sessions[index];
            if !self.send_waiting_of(now, key) {
                self.paced.sessions.swap_remove(index);
            }
        }
    }

    /// The same for one session, in place of padding; how many bytes left.
    pub(super) fn send_in_place_of_padding(&mut self, now: Time, key: Key<Session>, bytes: usize) -> usize {
        let Some(session) = self.sessions.get_mut(key).filter(|s| s.pacer.waits) else { return 0 };
        session.pacer.add(bytes);
        let on_link = |s: &Session| s.counters.bytes_out + s.counters.packets_out * s.overhead() as u64;
        let before = on_link(session);
        self.leave(now, key);
        self.sessions.get(key).map_or(0, |s| (on_link(s) - before) as usize)
    }

    /// False once nothing waits.
    fn send_waiting_of(&mut self, now: Time, key: Key<Session>) -> bool {
        let (mut bytes, mut since) = (0, now);
        for index in 0.. {
            let Some(session) = self.sessions.get(key) else { return false };
            let overhead = session.overhead();
            let Some(consumer_key) = session.consumers.get(index).copied() else { break };
            let Some(oldest) = self.consumers.get(consumer_key).and_then(|c| c.queue.since()) else {
                continue;
            };
            if now - oldest <= GIVE_UP || self.step_down(now, consumer_key) {
                continue;
            }
            // nothing lower: it leaves faster
            bytes += self.consumers.get(consumer_key).map_or(0, |c| c.queue.bytes_on_link(overhead));
            since = since.min(oldest);
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.pacer.hurry(now, bytes, since);
        }
        self.leave(now, key)
    }

    /// Lets leave what may; false, and the session rests, once nothing waits.
    fn leave(&mut self, now: Time, key: Key<Session>) -> bool {
        let mut idle = 0;
        while let Some(session) = self.sessions.get_mut(key) {
            if idle >= session.consumers.len() && !session.pacer.has_repairs() {
                session.pacer.rest();
                return false;
            }
            if !session.pacer.admits(now) {
                return true;
            }
            if let Some((consumer, number)) = session.pacer.pop_repair() {
                self.send_repair(now, consumer, number);
                continue;
            }
            let turn = session.pacer.turn % session.consumers.len();
            session.pacer.turn = turn + 1;
            let consumer_key = session.consumers[turn];
            match self.consumers.get_mut(consumer_key).and_then(|consumer| consumer.queue.pop()) {
                Some(waiting) => {
                    idle = 0;
                    self.send_one(now, consumer_key, waiting);
                }
                None => idle += 1,
            }
        }
        false
    }

    /// Offers a packet that waited to its consumer, as if it came now. One that is gone from the cache, or of another
    /// source than the consumer's, is nothing.
    fn send_one(&mut self, now: Time, key: Key<Consumer>, waiting: Waiting) -> Option<()> {
        let Self { producers, consumers, sessions, outbox, events, due, .. } = self;
        let consumer = consumers.get_mut(key)?;
        let producer = producers.get(consumer.producer?)?;
        let layer = producer.layers.get(usize::from(waiting.layer))?;
        if layer.generation != waiting.generation {
            return None;
        }
        let view = RtpView::parse_untrusted(layer.cache.get(now, waiting.seq)?).ok()?;
        let publisher = sessions.get(producer.session)?;
        let (format, extensions) = (publisher.payloads.media(view.payload_type())?, publisher.extensions);
        let mut frame = frame_of(&format, &view, &extensions)?;
        let known = layer.inner().and_then(|inner| inner.frame(&frame));
        if let Some(known) = known {
            (frame.spatial, frame.temporal) = (Some(known.spatial), Some(known.temporal));
        }
        let packet = Incoming {
            view,
            seq: waiting.seq,
            highest: waiting.seq + u64::from(waiting.behind),
            format,
            frame,
            producer: producer.id,
            layer: waiting.layer,
            generation: waiting.generation,
            extensions,
        };
        if let (Some(number), Some(_), None) = (frame.number, layer.inner(), known)
            && consumer.current == Some(waiting.layer)
            && !consumer.selection.was_sent(number)
        {
            // a key frame with other layers came meanwhile, behind which this one is of no use
            consumer.selection.leave_out(number);
            consumer.leave_out(&packet, false);
            return None;
        }
        let session = sessions.get_mut(consumer.session)?;
        if deliver(now, &packet, producer, consumer, session, outbox, events) {
            due.wake(consumer.session); // a sender report
        }
        Some(())
    }

    /// Gives up what waits for a consumer and lets it take a lower layer. False where there is none.
    fn step_down(&mut self, now: Time, key: Key<Consumer>) -> bool {
        let Some(consumer) = self.consumers.get_mut(key) else { return false };
        let Some((producer_key, producer)) =
            consumer.producer.and_then(|p| Some((p, self.producers.get(p)?)))
        else {
            return false;
        };
        let (target, current) = (consumer.target, consumer.current.unwrap_or(0));
        // what waits may be of a layer that is to be left already
        let lower = if current > target {
            target
        } else {
            target.checked_sub(1).map_or(target, |below| producer.choose_layer(now, below))
        };
        if lower >= target.max(current) {
            return false;
        }
        consumer.stop();
        (consumer.grant, consumer.holds.layers) = (Grant::whole(lower), now + HOLD);
        self.choose_layers(now, producer_key, true);
        true
    }
}
