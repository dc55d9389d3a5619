//! From one packet in the clear to one encrypted packet of a consumer: header written anew, payload encrypted out of
//! the shared plaintext, or copied once where it must differ.

use super::consumer::{Consumer, Output};
use super::formats::{ExtensionIds, MediaFormat};
use super::outbox::Outbox;
use super::producer::Layer;
use super::selection::Verdict;
use super::sequence::Source;
use super::session::Session;
use crate::codec::dependency_descriptor::{Head, MAX_LENGTH, rewrite};
use crate::codec::red::Headers;
use crate::codec::{self, Codec, FrameInfo};
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
        consumer.current = None; // another SSRC on the same layer: its numbers mean other packets
    }
    if !consumer.wants(packet.layer, packet.frame.key_frame) {
        return Offer::Ignored;
    }
    let Some((payload_type, blocks)) = carrier(&packet.format, session) else {
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
    let inner = layers.get(usize::from(packet.layer)).and_then(Layer::inner);
    let verdict = consumer.judge(packet, inner);
    let filtered = verdict == Verdict::LeaveOut;
    if (empty || filtered) && consumer.leave_out(packet, filtered) {
        return Offer::Ignored;
    }
    let Some((out, source)) = consumer.map.forward(packet.seq) else { return Offer::Ignored };
    let timestamp = packet.view.timestamp().wrapping_add(source.timestamp_offset);
    let write = Write {
        payload_type,
        ssrc: consumer.spec.ssrc,
        sequence: out as u16,
        original: None,
        timestamp,
        marker: packet.view.marker()
            || verdict == Verdict::Forward(true)
            || (starts && packet.format.codec.is_sound()),
        hollow: filtered,
        blocks,
        sent_targets: consumer.selection.sent_targets(inner),
    };
    let Some(sent) = write.write(now, packet, &source, &consumer.spec.mid, session, outbox) else {
        return Offer::Ignored;
    };
    consumer.clock_rate = packet.format.clock_rate;
    consumer.packets += 1;
    consumer.payload_bytes += sent.payload as u64;
    consumer.bytes += sent.bytes as u64;
    consumer.rate.add(sent.bytes);
    consumer.rtx.on_sent(sent.bytes);
    if out + 1 == consumer.map.next_out() {
        let before = consumer.output.unwrap_or_default();
        let number = packet.frame.number.map(|number| number.wrapping_add(source.frame_offset));
        consumer.output = Some(Output {
            timestamp,
            at: now,
            picture: sent.picture.or(before.picture),
            frame_number: before.newer_frame(number),
        });
    }
    if starts { Offer::Started } else { Offer::Sent }
}

/// What becomes of the blocks of RED (RFC 2198).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// There are none.
    #[default]
    None,
    /// All of them go, under this payload type.
    Named(u8),
    /// The primary one goes alone.
    Primary,
}

/// The payload type under which a session takes a publisher's format, RED without its redundancy if need be.
fn carrier(format: &MediaFormat, session: &Session) -> Option<(u8, Blocks)> {
    let payloads = &session.payloads;
    let same = payloads.by_format(format.format);
    let Some(blocks) = format.blocks else { return Some((same?.payload_type, Blocks::None)) };
    let plain = payloads.by_format(blocks)?.payload_type;
    let same = same.filter(|_| !session.division.bare_sound);
    Some(same.map_or((plain, Blocks::Primary), |same| (same.payload_type, Blocks::Named(plain))))
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
    /// What becomes of RED.
    pub blocks: Blocks,
    /// Decode targets that the receiver can decode, as bits, and how many there are.
    pub sent_targets: Option<(u32, u8)>,
}

/// A packet that was written.
pub struct Written {
    /// Bytes on the wire.
    pub bytes: usize,
    /// Of them payload.
    pub payload: usize,
    /// Picture id and TL0PICIDX that it carries.
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
        let mut descriptor = None;
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
        let theirs = packet.extensions.dependency_descriptor;
        if theirs != 0
            && ours.dependency_descriptor != 0
            && !self.hollow
            && let Some(rewritten) = packet.view.extension(theirs).and_then(|d| self.descriptor(d, source))
        {
            let (bytes, length) = descriptor.insert(rewritten);
            add(ours.dependency_descriptor, &bytes[..*length]);
        }
        for (id, data) in packet.view.extensions() {
            if id == packet.extensions.playout_delay && holds_back(data) {
                continue;
            }
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
        let mut payload = if self.hollow { &[] } else { packet.view.payload() };
        let mut rename = None;
        if self.blocks != Blocks::None && !payload.is_empty() {
            let headers = Headers::parse_untrusted(payload)?;
            match self.blocks {
                Blocks::Primary => payload = &payload[headers.primary..],
                Blocks::Named(own) if own != headers.payload_type => rename = Some((headers, own)),
                _ => {}
            }
        }
        let mut picture = None;
        // Picture ids are written anew only behind a switch of the source; until then, and for codecs without, the payload
        // is encrypted out of the shared plaintext
        let codec = packet.format.codec;
        let counted = matches!(codec, Codec::Vp8 | Codec::Vp9);
        let shared = self.original.is_none()
            && rename.is_none()
            && (!counted || (source.picture_offset, source.tl0_offset) == (0, 0));
        let bytes = outbox.push_with(path, payload.len() + MARGIN, |buffer| {
            let mut len = header.write(buffer).ok()?;
            if shared {
                picture = codec::counters(codec, payload);
                return keys.tx.protect_rtp_from(buffer, len, payload).ok();
            }
            if let Some(original) = self.original {
                buffer.get_mut(len..len + 2)?.copy_from_slice(&original.to_be_bytes());
                len += 2;
            }
            let body = buffer.get_mut(len..len + payload.len())?;
            body.copy_from_slice(payload);
            picture = codec::shift_counters(codec, body, source.picture_offset, source.tl0_offset);
            if let Some((headers, own)) = rename {
                headers.rename(body, own);
            }
            keys.tx.protect_rtp(buffer, len + payload.len()).ok()
        })?;
        if ours.transport_cc != 0 {
            session.transport_seq = transport_seq;
            session.bandwidth.on_sent(now, transport_seq, bytes + path.overhead());
        }
        session.pacer.on_sent(bytes + path.overhead());
        session.counters.packets_out += 1;
        session.counters.bytes_out += bytes as u64;
        Some(Written { bytes, payload: payload.len(), picture })
    }

    /// The dependency descriptor of the packet, with its frame's number in the receiver's stream; on the first packet of a
    /// frame it also says what is sent. That takes two bytes and no memory of what was said and may be lost.
    fn descriptor(&self, data: &[u8], source: &Source) -> Option<([u8; MAX_LENGTH], usize)> {
        let head = Head::parse_untrusted(data)?;
        let number = head.frame_number.wrapping_add(source.frame_offset);
        let targets = self.sent_targets.filter(|_| head.start_of_frame);
        let mut bytes = [0; MAX_LENGTH];
        let length =
            rewrite(data, number, targets, &mut bytes).or_else(|| rewrite(data, number, None, &mut bytes))?;
        Some((bytes, length))
    }
}

/// Longest delay that a publisher may ask every viewer for, in units of 10 ms: ITU-T G.114 calls more than 400 ms one way
/// unacceptable for talk.
const LONGEST_DELAY: u16 = 40;

/// Whether a playout-delay extension (12 bits of least delay, 12 of most, in 10 ms) is of no use to people who talk; then
/// their own jitter buffers decide. The server asks for no delay by itself: it knows nothing that they do not.
fn holds_back(data: &[u8]) -> bool {
    let &[high, middle, _] = data else { return true };
    (u16::from(high) << 4 | u16::from(middle) >> 4) > LONGEST_DELAY
}
