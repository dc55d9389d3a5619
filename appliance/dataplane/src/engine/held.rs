//! Media packets in the clear, held until the rest of their frame is here, then forwarded subscriber by subscriber.
//!
//! A frame comes as a burst. Forwarded packet by packet it visits every subscriber once a packet, and leaves as many
//! datagrams as there are packets; forwarded whole, a subscriber's keys and state are fetched once, and its packets lie
//! one behind the other, as one message for the kernel. Sound is not held, and a picture only until its marker bit, or
//! [`HOLD`], or until there is no more room.
//!
//! Whatever could change what a packet means (commands, timers, a layer that begins) forwards everything held first, so
//! that to everybody else packets are forwarded when they arrive.

use std::time::Duration;

use super::Engine;
use super::arena::Key;
use super::consumer::Consumer;
use super::formats::{ExtensionIds, MediaFormat};
use super::forward::{self, Incoming, Offer};
use super::ingress::replay;
use super::outbox::Outbox;
use super::pacing::waits;
use super::producer::Producer;
use super::session::Session;
use crate::codec::FrameInfo;
use crate::command::Kind;
use crate::event::Event;
use crate::rtp::RtpView;
use crate::units::Time;

/// Longest time that a packet is held: a share of the 5 ms that a packet may take at all.
pub const HOLD: Duration = Duration::from_millis(1);
/// Packets held: four batches of the socket.
const MAX_HELD: usize = 256;
/// Bytes in which they lie: twice what they have, so that those that are gone are seldom moved over.
const MAX_BYTES: usize = 2 * MAX_HELD * crate::io::DATAGRAM;
/// Packets of one producer forwarded in one go: a frame of 38 kB, more than one at 9 Mbit/s and 30 fps.
const GROUP: usize = 32;

/// One packet held: the fields of [`Incoming`], with the bytes elsewhere.
struct HeldPacket {
    start: usize,
    end: usize,
    at: Time,
    key: Key<Producer>,
    due: bool,
    seq: u64,
    highest: u64,
    format: MediaFormat,
    frame: FrameInfo,
    producer: u64,
    layer: u8,
    generation: u32,
    extensions: ExtensionIds,
}

impl HeldPacket {
    /// None for what is no RTP, which is never held.
    fn incoming<'a>(&self, bytes: &'a [u8]) -> Option<Incoming<'a>> {
        Some(Incoming {
            view: RtpView::parse_untrusted(&bytes[self.start..self.end]).ok()?,
            seq: self.seq,
            highest: self.highest,
            format: self.format,
            frame: self.frame,
            producer: self.producer,
            layer: self.layer,
            generation: self.generation,
            extensions: self.extensions,
        })
    }
}

/// The packets held.
#[derive(Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    packets: Vec<HeldPacket>,
    /// Consumers of the first due producer that have got theirs.
    served: usize,
    /// Packets are due at once.
    pub(super) eager: bool,
}

impl Held {
    /// Holds a packet of `kind`, whose sender is `key`.
    pub(super) fn push(&mut self, at: Time, key: Key<Producer>, kind: Kind, packet: &Incoming<'_>) {
        if self.bytes.len() + packet.view.packet().len() > MAX_BYTES {
            self.compact();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet.view.packet());
        let mut due = self.eager || kind == Kind::Audio || packet.view.marker();
        due |= self.packets.iter().filter(|p| p.key == key).count() + 1 >= GROUP;
        due |= self.packets.len() + 1 >= MAX_HELD;
        self.packets.push(HeldPacket {
            start,
            end: self.bytes.len(),
            at,
            key,
            due,
            seq: packet.seq,
            highest: packet.highest,
            format: packet.format,
            frame: packet.frame,
            producer: packet.producer,
            layer: packet.layer,
            generation: packet.generation,
            extensions: packet.extensions,
        });
    }

    /// Moves the packets over the bytes of those that are gone.
    fn compact(&mut self) {
        let mut end = 0;
        for packet in &mut self.packets {
            self.bytes.copy_within(packet.start..packet.end, end);
            (packet.start, packet.end) = (end, end + packet.end - packet.start);
            end = packet.end;
        }
        self.bytes.truncate(end);
    }

    /// When the oldest packet is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.packets.first().map(|oldest| oldest.at + HOLD)
    }

    /// The producer whose packets are to go first.
    fn next(&self, now: Time) -> Option<Key<Producer>> {
        let full = self.packets.len() >= MAX_HELD;
        let due = |p: &&HeldPacket| p.due || full || p.at + HOLD <= now;
        self.packets.iter().find(due).map(|p| p.key)
    }

    /// Forgets the first packets of a producer.
    fn remove(&mut self, key: Key<Producer>, mut count: usize) {
        self.served = 0;
        self.packets.retain(|p| {
            let taken = p.key == key && count > 0;
            count -= usize::from(taken);
            !taken
        });
        if self.packets.is_empty() {
            self.bytes.clear();
        }
    }
}

/// Offers a packet to a consumer. True, and the caller is told, if its layer begins with it.
pub(super) fn deliver(
    now: Time,
    packet: &Incoming<'_>,
    producer: &Producer,
    consumer: &mut Consumer,
    session: &mut Session,
    outbox: &mut Outbox,
    events: &mut Vec<Event>,
) -> bool {
    if forward::offer(now, packet, &producer.layers, consumer, session, outbox) != Offer::Started {
        return false;
    }
    if std::mem::take(&mut consumer.announce) {
        let layer = consumer.current_layer(Some(producer)).unwrap_or(packet.layer);
        let producer = producer.id;
        events.push(Event::ConsumerStarted { consumer: consumer.id, producer, layer });
    }
    replay(now, packet, producer, consumer, session, outbox);
    true
}

impl Engine {
    /// Forwards held packets that are due at `now`, until the outbox has `room` bytes or more; true while others are
    /// due. Nothing but this and reading the outbox may happen before it returned false.
    pub fn forward_due(&mut self, now: Time, room: usize) -> bool {
        while let Some(key) = self.held.next(now) {
            if !self.forward_group(key, room) {
                return true;
            }
        }
        false
    }

    /// Forwards everything held.
    pub(super) fn forward_all(&mut self) {
        self.forward_due(Time(u64::MAX), usize::MAX);
    }

    /// Forwards the first packets of a producer to its consumers. False if the outbox was full before the last of them.
    fn forward_group(&mut self, key: Key<Producer>, room: usize) -> bool {
        let Self { held, producers, consumers, sessions, outbox, events, due, paced, .. } = self;
        let mut group: [Option<(Time, Incoming<'_>)>; GROUP] = [const { None }; GROUP];
        let mut count = 0;
        for packet in held.packets.iter().filter(|p| p.key == key).take(GROUP) {
            group[count] = packet.incoming(&held.bytes).map(|incoming| (packet.at, incoming));
            count += 1;
        }
        let producer = producers.get(key);
        let served = held.served;
        for (index, consumer_key) in producer.iter().flat_map(|p| &p.consumers).enumerate().skip(served) {
            if outbox.bytes() >= room {
                held.served = index;
                return false;
            }
            let (Some(producer), Some(consumer)) = (producer, consumers.get_mut(*consumer_key)) else {
                continue;
            };
            let Some(session) = sessions.get_mut(consumer.session) else { continue };
            for (at, packet) in group[..count].iter().flatten() {
                if !waits(*at, packet, consumer, session, paced)
                    && deliver(*at, packet, producer, consumer, session, outbox, events)
                {
                    due.wake(consumer.session); // a sender report
                }
            }
        }
        held.remove(key, count);
        true
    }
}
