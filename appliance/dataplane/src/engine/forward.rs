//! From one packet in the clear to one encrypted packet of a consumer: header written anew, payload encrypted out of
//! the shared plaintext, or copied once where it must differ.

use super::consumer::{Consumer, Output};
use super::formats::{ExtensionIds, MediaFormat};
use super::outbox::Outbox;
use super::producer::Layer;
use super::sequence::Source;
use super::session::Session;
use crate::codec::{Codec, FrameInfo, vp8};
use crate::rtp::{HeaderBuilder, RtpView};
use crate::units::Time;

/// One received media packet with what was found out about it.
pub struct Incoming<'a> {
    /// The packet in the clear.
    pub view: RtpView<'a>,
    /// Extended sequence number.
    pub seq: u64,
    /// Newest one of the layer when the packet arrived.
    pub highest: u64,
    /// Its format at the publisher.
    pub format: MediaFormat,
    /// What its payload says.
    pub frame: FrameInfo,
    /// Caller's id of the producer.
    pub producer: u64,
    /// Layer of it.
    pub layer: u8,
    /// SSRC generation of the layer.
    pub generation: u32,
    /// Header extensions of the publisher's session.
    pub extensions: ExtensionIds,
}

/// What became of an offered packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Of no use to the consumer, or left out.
    Ignored,
    /// Sent.
    Sent,
    /// Sent as the first packet of its layer.
    Started,
}

/// Room for header extensions and the SRTP tag beyond the packet that came: nine extensions of at most 16 bytes, or a
/// dependency descriptor of 255; what needs more is not sent.
const MARGIN: usize = 320;

/// Offers a packet to a consumer of its producer.
pub fn offer(
    now: Time,
    packet: &Incoming<'_>,
    layers: &[Layer],
    consumer: &mut Consumer,
    session: &mut Session,
    outbox: &mut Outbox,
) -> Offer {
    let renumbered = |s: &Source| (s.producer, s.generation) != (packet.producer, packet.generation);
    if consumer.current == Some(packet.layer) && consumer.map.source().is_some_and(renumbered) {
        consumer.stop(); // another SSRC on the same layer: its numbers mean other packets
    }
    if !consumer.wants(packet.layer, packet.frame.key_frame) {
        return Offer::Ignored;
    }
    let Some(format) = session.payloads.by_format(packet.format.format) else {
        if consumer.current == Some(packet.layer) {
            consumer.leave_out(packet, false);
        }
        return Offer::Ignored;
    };
    if session.keys.is_none() || session.paths.selected().is_none() {
        consumer.stop(); // nothing can be sent: begin anew at a key frame when it can
        return Offer::Ignored;
    }
    let starts = consumer.current != Some(packet.layer);
    let empty = packet.view.payload().is_empty();
    if starts {
        if empty {
            return Offer::Ignored;
        }
        consumer.start(now, packet, layers);
    }
    // A packet that is left out closes the gap behind it; if its number was given out already, an empty packet fills it
    let filtered = consumer.filters_out(packet);
    if (empty || filtered) && consumer.leave_out(packet, filtered) {
        return Offer::Ignored;
    }
    let Some((out, source)) = consumer.map.forward(packet.seq) else { return Offer::Ignored };
    let timestamp = packet.view.timestamp().wrapping_add(source.timestamp_offset);
    let write = Write {
        payload_type: format.payload_type,
        ssrc: consumer.spec.ssrc,
        sequence: out as u16,
        original: None,
        timestamp,
        marker: packet.view.marker() || (starts && packet.format.codec == Codec::Opus),
        hollow: filtered,
    };
    let Some(sent) = write.write(now, packet, &source, &consumer.spec.mid, session, outbox) else {
        return Offer::Ignored;
    };
    consumer.clock_rate = packet.format.clock_rate;
    consumer.packets += 1;
    consumer.payload_bytes += packet.view.payload().len() as u64;
    consumer.bytes += sent.bytes as u64;
    consumer.rate.add(sent.bytes);
    consumer.rtx.on_sent(sent.bytes);
    if out + 1 == consumer.map.next_out() {
        let picture = sent.picture.or(consumer.output.and_then(|o| o.picture));
        consumer.output = Some(Output { timestamp, at: now, picture });
    }
    if starts { Offer::Started } else { Offer::Sent }
}

/// The header fields of one packet to write.
pub struct Write {
    /// Payload type at the subscriber.
    pub payload_type: u8,
    /// SSRC at the subscriber.
    pub ssrc: u32,
    /// Sequence number at the subscriber.
    pub sequence: u16,
    /// Original sequence number, for a retransmission (RFC 4588 §4).
    pub original: Option<u16>,
    /// Timestamp at the subscriber.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Leave the payload out.
    pub hollow: bool,
}

/// A packet that was written.
pub struct Written {
    /// Bytes on the wire.
    pub bytes: usize,
    /// VP8 picture id and TL0PICIDX that it carries.
    pub picture: Option<(u16, u8)>,
}

impl Write {
    /// Writes and encrypts the packet into the outbox; None if the session cannot send or the packet does not fit.
    pub fn write(
        &self,
        now: Time,
        packet: &Incoming<'_>,
        source: &Source,
        mid: &str,
        session: &mut Session,
        outbox: &mut Outbox,
    ) -> Option<Written> {
        let path = session.paths.selected()?;
        let keys = session.keys.as_mut()?;
        let ours = &session.extensions;
        // abs-send-time: 6.18 fixed-point seconds
        let send_time = ((u128::from(now.0) << 18) / 1_000_000) as u32;
        let send_time = &send_time.to_be_bytes()[1..];
        let transport_seq = session.transport_seq.wrapping_add(1);
        let transport_bytes = transport_seq.to_be_bytes();
        let mut extensions: [(u8, &[u8]); 8] = [(0, &[]); 8];
        let mut count = 0;
        let mut add = |id: u8, data| {
            if id != 0 && count < extensions.len() {
                extensions[count] = (id, data);
                count += 1;
            }
        };
        add(ours.mid, mid.as_bytes());
        add(ours.abs_send_time, send_time);
        add(ours.transport_cc, &transport_bytes);
        for (id, data) in packet.view.extensions() {
            if let Some((_, our_id)) = packet.extensions.copied(ours).iter().find(|(theirs, _)| *theirs == id)
            {
                add(*our_id, data);
            }
        }
        let header = HeaderBuilder {
            payload_type: self.payload_type,
            marker: self.marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            padding: false,
            extensions: &extensions[..count],
        };
        let payload = if self.hollow { &[] } else { packet.view.payload() };
        let mut picture = None;
        // Picture ids are written anew only behind a switch of the source; until then, and for every other codec, the
        // payload is encrypted out of the shared plaintext
        let vp8 = packet.format.codec == Codec::Vp8;
        let shared =
            self.original.is_none() && (!vp8 || (source.picture_offset, source.tl0_offset) == (0, 0));
        let bytes = outbox.push_with(path, payload.len() + MARGIN, |buffer| {
            let mut len = header.write(buffer).ok()?;
            if shared {
                picture = vp8.then(|| picture_of(payload)).flatten();
                return keys.tx.protect_rtp_from(buffer, len, payload).ok();
            }
            if let Some(original) = self.original {
                buffer.get_mut(len..len + 2)?.copy_from_slice(&original.to_be_bytes());
                len += 2;
            }
            let body = buffer.get_mut(len..len + payload.len())?;
            body.copy_from_slice(payload);
            if vp8 {
                picture = rewrite_vp8(body, source);
            }
            keys.tx.protect_rtp(buffer, len + payload.len()).ok()
        })?;
        if ours.transport_cc != 0 {
            session.transport_seq = transport_seq;
            session.bandwidth.on_sent(now, transport_seq, bytes);
        }
        session.counters.packets_out += 1;
        session.counters.bytes_out += bytes as u64;
        Some(Written { bytes, picture })
    }
}

/// VP8 picture id and TL0PICIDX of a payload.
fn picture_of(payload: &[u8]) -> Option<(u16, u8)> {
    let descriptor = vp8::Descriptor::parse_untrusted(payload)?;
    Some((descriptor.picture_id?, descriptor.tl0_pic_idx.unwrap_or(0)))
}

fn rewrite_vp8(payload: &mut [u8], source: &Source) -> Option<(u16, u8)> {
    let descriptor = vp8::Descriptor::parse_untrusted(payload)?;
    let picture = descriptor.picture_id?.wrapping_add(source.picture_offset);
    let tl0 = descriptor.tl0_pic_idx.unwrap_or(0).wrapping_add(source.tl0_offset);
    descriptor.rewrite(payload, picture, tl0);
    Some((picture, tl0))
}
