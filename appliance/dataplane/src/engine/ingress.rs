//! Media in: whose it is (SSRC, or MID and RID while the SSRC is new), what it says, and off to the consumers.

use super::Engine;
use super::arena::Key;
use super::consumer::Consumer;
use super::formats::{ExtensionIds, MediaFormat, PayloadKind};
use super::forward::{self, Incoming};
use super::producer::Producer;
use super::session::{MAX_SSRCS, Session, SsrcUse};
use super::taps::Tapped;
use crate::codec;
use crate::command::Kind;
use crate::event::Event;
use crate::nack::Arrival;
use crate::rtp::{RtpView, split_rtx_untrusted};
use crate::transport_feedback::ArrivalLog;
use crate::units::Time;

/// A jump in sequence numbers further than this is another stream (the loss tracker's bound, MEDIA-NOTES §4).
const MAX_JUMP: u64 = 10_000;

impl Engine {
    /// One authenticated packet in the clear.
    pub(super) fn on_rtp(&mut self, now: Time, key: Key<Session>, packet: &mut [u8]) {
        let Ok(view) = RtpView::parse_untrusted(packet) else {
            self.counters.junk += 1;
            return;
        };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let ids = session.extensions;
        if ids.transport_cc != 0
            && let Some(&[high, low]) = view.extension(ids.transport_cc)
        {
            let log = session.arrivals.get_or_insert_with(|| Box::new(ArrivalLog::new()));
            if !log.has_pending() && now >= session.next_feedback {
                self.due.wake(key);
            }
            log.on_packet(now, u16::from_be_bytes([high, low]));
            session.feedback_ssrc = view.ssrc();
        }
        let Some(kind) = session.payloads.kind(view.payload_type()) else {
            self.counters.junk += 1;
            return;
        };
        let belongs = match session.ssrcs.get(&view.ssrc()) {
            Some(belongs) => *belongs,
            None => match self.latch(key, &view, &ids, kind) {
                Some(belongs) => belongs,
                None => {
                    self.counters.junk += 1;
                    return;
                }
            },
        };
        match kind {
            PayloadKind::Media(format) if !belongs.rtx => {
                self.on_media(now, key, packet, belongs, format, false)
            }
            PayloadKind::Rtx(media) if belongs.rtx => {
                let ssrc = self
                    .producers
                    .get(belongs.producer)
                    .and_then(|p| p.layers[usize::from(belongs.layer)].ssrc);
                let format = self.sessions.get(key).and_then(|s| s.payloads.media(media));
                // RTX before any media, or without payload, is padding that probes the link
                if let (Some(ssrc), Some(format)) = (ssrc, format)
                    && let Some(packet) = unwrap_rtx(packet, media, ssrc)
                {
                    self.on_media(now, key, packet, belongs, format, true);
                }
            }
            _ => self.counters.junk += 1,
        }
    }

    /// Finds out whose a new SSRC is, by MID and RID (RFC 8843 §9.2, RFC 8852).
    fn latch(
        &mut self,
        key: Key<Session>,
        view: &RtpView<'_>,
        ids: &ExtensionIds,
        kind: PayloadKind,
    ) -> Option<SsrcUse> {
        let text = |id: u8| {
            (id != 0).then(|| view.extension(id)).flatten().and_then(|t| std::str::from_utf8(t).ok())
        };
        let session = self.sessions.get_mut(key)?;
        let remembered = session.identities.get(&view.ssrc());
        let rtx = matches!(kind, PayloadKind::Rtx(_));
        let mid = text(ids.mid).or(remembered.map(|(mid, _)| mid.as_str()))?;
        let rid = rtx.then(|| text(ids.repaired_rid)).flatten().or_else(|| text(ids.rid));
        let rid = rid.or(remembered.map(|(_, rid)| rid.as_str()));
        let mut keys = session.producers.iter().copied();
        let producer_key = keys.find(|p| self.producers.get(*p).is_some_and(|p| p.mid == mid))?;
        let producer = self.producers.get_mut(producer_key)?;
        let layer = match rid {
            _ if producer.layers.len() == 1 => 0,
            rid => producer.layers.iter().position(|l| Some(l.rid.as_str()) == rid)?,
        };
        if remembered.is_none() && session.identities.len() < MAX_SSRCS {
            let identity = (mid.to_owned(), rid.unwrap_or("").to_owned());
            session.identities.insert(view.ssrc(), identity);
        }
        let belongs = SsrcUse { producer: producer_key, layer: layer as u8, rtx };
        let known = &mut producer.layers[layer];
        let former = if rtx { known.rtx_ssrc } else { known.ssrc };
        if let Some(former) = former {
            session.ssrcs.remove(&former);
        }
        if !session.latch(view.ssrc(), belongs) {
            return None;
        }
        if rtx {
            known.rtx_ssrc = Some(view.ssrc());
        } else {
            known.replace_ssrc(view.ssrc());
        }
        Some(belongs)
    }

    fn on_media(
        &mut self,
        now: Time,
        key: Key<Session>,
        packet: &[u8],
        belongs: SsrcUse,
        format: MediaFormat,
        repaired: bool,
    ) {
        let Ok(view) = RtpView::parse_untrusted(packet) else { return };
        let (Some(producer), Some(session)) =
            (self.producers.get_mut(belongs.producer), self.sessions.get_mut(key))
        else {
            return;
        };
        let extensions = session.extensions;
        let layer = &mut producer.layers[usize::from(belongs.layer)];
        if repaired && layer.last_packet.is_none() {
            return;
        }
        layer.set_format(format);
        let before = layer.highest;
        let (arrival, seq) = layer.losses.on_packet(now, view.sequence());
        if arrival == Arrival::Duplicate {
            return;
        }
        // where there is RTX, what comes by itself was overtaken, not asked for
        let answers = arrival == Arrival::Recovered && (repaired || format.rtx_payload_type.is_none());
        if let Some(took) = layer.losses.take_answered_in().filter(|_| answers) {
            session.round_trip.on_answer(now, took);
        }
        if before.is_some_and(|before| seq > before + MAX_JUMP) {
            layer.generation += 1;
            layer.cache.clear();
        }
        layer.highest = Some(before.map_or(seq, |before| before.max(seq)));
        if repaired {
            layer.recovered += 1;
        } else {
            layer.losses.on_timestamp(now, view.timestamp());
        }
        layer.packets += 1;
        layer.bytes += packet.len() as u64;
        let began = !layer.flowing(now, super::producer::LAYER_SILENT);
        if began {
            layer.rate.restart(now);
        }
        layer.rate.add(packet.len());
        layer.last_packet = Some(now);
        let Some(mut frame) = frame_of(&format, &view, &extensions) else {
            self.counters.junk += 1;
            return;
        };
        layer.describe(now, descriptor_of(&view, &extensions), &mut frame, packet.len());
        layer.parts.add(frame.temporal, packet.len());
        if began || layer.losses.has_requests() {
            self.due.wake(key);
        }
        if frame.key_frame && producer.kind == Kind::Video {
            layer.key_frames.satisfied();
            // not at a slice of H.264, whose parameter sets may be what is missing
            if codec::begins_for_sure(format.codec, view.payload()) {
                layer.losses.forget_before(seq);
            }
        }
        if producer.kind == Kind::Video {
            layer.cache.insert(now, seq, packet);
        }
        if !producer.started && !producer.muted {
            producer.started = true;
            self.events.push(Event::ProducerStarted { producer: producer.id });
        }
        let mut admitted = true;
        if producer.speaker
            && !producer.muted
            && let Some(room) = self.rooms.get_mut(session.room)
        {
            let level =
                (extensions.audio_level != 0).then(|| view.extension(extensions.audio_level)).flatten();
            // RFC 6464 §3: V flag, then the level in −dBov
            let level = level.and_then(<[u8]>::first).map(|level| level & 0x7f);
            admitted = room.hear(now, producer.id, level);
        }
        let before = std::mem::replace(&mut producer.admitted, admitted);
        if admitted && !before {
            // a talk spurt (RFC 3551 §4.1) goes on where the last one ended: what was left out took no numbers
            for consumer in &producer.consumers {
                if let Some(consumer) = self.consumers.get_mut(*consumer) {
                    consumer.stop();
                }
            }
        }
        let (generation, highest) = (layer.generation, layer.highest.unwrap_or(seq));
        let (id, kind, muted) = (producer.id, producer.kind, producer.muted);
        if !producer.taps.is_empty() {
            let packet = Tapped { layer: belongs.layer, generation, seq, key: frame.key_frame, view, format };
            if producer.feed_taps(now, &packet, &session.payloads, &extensions) {
                self.due.wake(key);
            }
        }
        if began {
            self.forward_all();
            self.divide_for(belongs.producer, now);
            self.choose_layers(now, belongs.producer, false); // the packet itself may be the key frame
        }
        if muted || !admitted {
            return;
        }
        let layer = belongs.layer;
        let packet =
            Incoming { view, seq, highest, format, frame, producer: id, layer, generation, extensions };
        self.held.push(now, belongs.producer, kind, &packet);
    }
}

/// The rest of a frame that was received before its first packet, which came as a repair.
pub(super) fn replay(
    now: Time,
    first: &Incoming<'_>,
    producer: &Producer,
    consumer: &mut Consumer,
    session: &mut Session,
    outbox: &mut super::outbox::Outbox,
) {
    let layer = &producer.layers[usize::from(first.layer)];
    for seq in first.seq + 1..=first.highest {
        let Some(view) = layer.cache.get(now, seq).and_then(|p| RtpView::parse_untrusted(p).ok()) else {
            continue;
        };
        let Some(frame) = frame_of(&first.format, &view, &first.extensions) else { continue };
        let packet = Incoming { view, seq, frame, ..*first };
        forward::offer(now, &packet, &producer.layers, consumer, session, outbox);
    }
}

/// What a packet says of its frame; one without payload says nothing.
pub(super) fn frame_of(
    format: &MediaFormat,
    view: &RtpView<'_>,
    extensions: &ExtensionIds,
) -> Option<codec::FrameInfo> {
    if view.payload().is_empty() {
        return Some(codec::FrameInfo::default());
    }
    codec::inspect_untrusted(format.codec, view.payload(), descriptor_of(view, extensions))
}

fn descriptor_of<'a>(view: &RtpView<'a>, extensions: &ExtensionIds) -> Option<&'a [u8]> {
    let id = extensions.dependency_descriptor;
    if id == 0 || view.payload().is_empty() { None } else { view.extension(id) }
}

/// Turns a retransmission into the packet it repeats (RFC 4588 §4), in place: the header moves over the original
/// sequence number. None without payload.
fn unwrap_rtx(packet: &mut [u8], payload_type: u8, ssrc: u32) -> Option<&mut [u8]> {
    let view = RtpView::parse_untrusted(packet).ok()?;
    if view.payload().is_empty() {
        return None;
    }
    let header = view.header_len();
    let (sequence, _) = split_rtx_untrusted(view.payload()).ok()?;
    packet.copy_within(..header, 2);
    let packet = &mut packet[2..];
    packet[1] = (packet[1] & 0x80) | payload_type;
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    Some(packet)
}
