//! One receiving m-line: what it is bound to, what it wants, and the unbroken stream that it has been sent so far.

use std::time::Duration;

use super::arena::Key;
use super::bandwidth::allocation::Grant;
use super::forward::Incoming;
use super::producer::{Layer, Producer, Rate};
use super::retransmit::Retransmissions;
use super::sequence::{SequenceMap, Source};
use super::session::Session;
use super::timeline::translate;
use crate::codec::{Codec, vp8};
use crate::command::{ConsumerSpec, Kind};
use crate::units::Time;

/// Newest packet that went out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// Its timestamp.
    pub timestamp: u32,
    /// When it went out.
    pub at: Time,
    /// VP8 picture id and TL0PICIDX of it, if it was VP8.
    pub picture: Option<(u16, u8)>,
}

/// One receiving m-line.
pub struct Consumer {
    /// Caller's id.
    pub id: u64,
    /// Whose it is.
    pub session: Key<Session>,
    /// What it is: SSRCs, MID, CNAME.
    pub spec: ConsumerSpec,
    /// What it is bound to.
    pub producer: Option<Key<Producer>>,
    /// Gets nothing for now.
    pub paused: bool,
    /// Who gets more of the session's estimate first: higher goes first.
    pub priority: u8,
    /// What the session's estimate allows.
    pub grant: Grant,
    /// It allows no more until then.
    pub hold_until: Time,
    /// Highest layer wanted.
    pub wanted_layer: u8,
    /// Highest temporal layer wanted.
    pub wanted_temporal: u8,
    /// Highest temporal layer sent; rises only where the stream allows it.
    pub temporal: u8,
    /// Layer that is being sent; None waits for a start.
    pub current: Option<u8>,
    /// Layer that it should be.
    pub target: u8,
    /// `ConsumerStarted` is due with the next start.
    pub announce: bool,
    /// Sequence numbers and offsets.
    pub map: SequenceMap,
    /// Newest packet sent.
    pub output: Option<Output>,
    /// Timestamp of the frame that the temporal filter left out last.
    pub left_out: Option<u32>,
    /// Answers to NACKs.
    pub rtx: Retransmissions,
    /// RTP clock of the last packet.
    pub clock_rate: u32,
    /// Media packets sent, for sender reports and `stats`.
    pub packets: u64,
    /// How many of them the receiver has reported on.
    reported: u64,
    /// Payload bytes of them (RFC 3550 §6.4.1).
    pub payload_bytes: u64,
    /// Bytes on the wire, retransmissions included.
    pub bytes: u64,
    /// Current rate on the wire.
    pub rate: Rate,
    /// When the next sender report is due.
    pub next_report: Time,
}

/// Of a camera that nobody looks at in particular (MEDIA-NOTES §4: screen share 255, video 1).
pub const DEFAULT_PRIORITY: u8 = 1;

/// How a start is placed on the timeline: no further from the clock than this, else the reports are not believed.
const PLAUSIBLE: Duration = Duration::from_secs(3);

impl Consumer {
    /// An unbound one.
    pub fn new(id: u64, session: Key<Session>, spec: ConsumerSpec) -> Self {
        // RFC 3711 §3.3.1: below 2¹⁵, so that losing the first packets does not make the receiver guess a roll-over
        let first = (spec.ssrc.wrapping_mul(0x9E37_79B1) >> 17) as u16 & 0x7fff;
        Self {
            id,
            session,
            spec,
            producer: None,
            paused: false,
            priority: DEFAULT_PRIORITY,
            grant: Grant::UpTo(u8::MAX),
            hold_until: Time(0),
            wanted_layer: u8::MAX,
            wanted_temporal: 7,
            temporal: 7,
            current: None,
            target: 0,
            announce: false,
            map: SequenceMap::new(first),
            output: None,
            left_out: None,
            rtx: Retransmissions::default(),
            clock_rate: 90_000,
            packets: 0,
            reported: 0,
            payload_bytes: 0,
            bytes: 0,
            rate: Rate::default(),
            next_report: Time(0),
        }
    }

    /// Whether a packet of `layer` is of any use now; `key_frame`: a decoder can start at it.
    pub fn wants(&self, layer: u8, key_frame: bool) -> bool {
        self.is_on()
            && (self.current == Some(layer) || (self.target == layer && (key_frame || self.is_audio())))
    }

    /// Neither the caller nor the estimate has paused it.
    pub fn is_on(&self) -> bool {
        !self.paused && self.grant != Grant::Paused
    }

    /// Highest layer that is wanted and allowed.
    pub fn allowed_layer(&self) -> u8 {
        match self.grant {
            Grant::Paused => 0,
            Grant::UpTo(layer) => layer.min(self.wanted_layer),
        }
    }

    fn is_audio(&self) -> bool {
        self.spec.kind == Kind::Audio
    }

    /// Whether the consumer waits for a key frame of its target layer.
    pub fn waits(&self) -> bool {
        self.is_on() && self.producer.is_some() && self.current != Some(self.target)
    }

    /// Packets sent since the last call, which comes with a receiver report.
    pub fn packets_since_report(&mut self) -> u64 {
        let since = self.packets - self.reported;
        self.reported = self.packets;
        since
    }

    /// Stops sending until a packet that a decoder can start at.
    pub fn stop(&mut self) {
        self.current = None;
    }

    /// Begins to send a source at `packet`: sequence numbers, time and picture ids go on where they were.
    pub fn start(&mut self, now: Time, packet: &Incoming<'_>, layers: &[Layer]) {
        let source = Source {
            producer: packet.producer,
            layer: packet.layer,
            generation: packet.generation,
            timestamp_offset: self.timestamp_offset(now, packet, layers),
            ..self.picture_offsets(packet)
        };
        self.map.start(packet.seq, source);
        self.current = Some(packet.layer);
        self.temporal = self.wanted_temporal;
        self.left_out = None;
        self.next_report = now; // the receiver's idea of lip-sync is about the old source
    }

    fn timestamp_offset(&self, now: Time, packet: &Incoming<'_>, layers: &[Layer]) -> u32 {
        let rtp = packet.view.timestamp();
        let Some(last) = self.output else { return 0 };
        let clock_rate = packet.format.clock_rate;
        let ticks = |span: Duration| (span.as_micros() * u128::from(clock_rate) / 1_000_000) as u32;
        let by_clock = last.timestamp.wrapping_add(ticks((now - last.at).max(Duration::from_millis(1))));
        let by_stream = self.map.source().filter(|s| s.producer == packet.producer).and_then(|before| {
            if (before.layer, before.generation) == (packet.layer, packet.generation) {
                return Some(rtp.wrapping_add(before.timestamp_offset));
            }
            let (old, new) = (layers.get(usize::from(before.layer))?, layers.get(usize::from(packet.layer))?);
            if old.generation != before.generation {
                return None;
            }
            let there = translate(rtp, new.report.as_ref()?, old.report.as_ref()?, clock_rate);
            Some(there.wrapping_add(before.timestamp_offset))
        });
        let out = by_stream
            .filter(|out| {
                let ahead = out.wrapping_sub(last.timestamp) as i32;
                let off = (out.wrapping_sub(by_clock) as i32).unsigned_abs();
                ahead > 0 && off < ticks(PLAUSIBLE)
            })
            .unwrap_or(by_clock);
        out.wrapping_sub(rtp)
    }

    fn picture_offsets(&self, packet: &Incoming<'_>) -> Source {
        let none = Source::default();
        if packet.format.codec != Codec::Vp8 {
            return none;
        }
        let (Some((picture, tl0)), Some(first)) =
            (self.output.and_then(|o| o.picture), vp8::Descriptor::parse_untrusted(packet.view.payload()))
        else {
            return none;
        };
        Source {
            picture_offset: first.picture_id.map_or(0, |p| picture.wrapping_add(1).wrapping_sub(p)),
            tl0_offset: first.tl0_pic_idx.map_or(0, |t| tl0.wrapping_add(1).wrapping_sub(t)),
            ..none
        }
    }

    /// Whether the temporal filter leaves a packet out. It falls at once and rises where the stream allows it.
    pub fn filters_out(&mut self, packet: &Incoming<'_>) -> bool {
        if packet.format.codec != Codec::Vp8 {
            return false;
        }
        self.temporal = self.temporal.min(self.wanted_temporal);
        let Some(temporal) = packet.frame.temporal else { return false };
        if packet.frame.key_frame {
            self.temporal = self.wanted_temporal;
        } else if temporal > self.temporal && temporal <= self.wanted_temporal && packet.frame.switching_point
        {
            self.temporal = temporal;
        }
        temporal > self.temporal
    }

    /// Leaves a packet out of the stream. True if it takes no number, false if a number waits for it.
    pub fn leave_out(&mut self, packet: &Incoming<'_>, filtered: bool) -> bool {
        let in_order = self.map.skip(packet.seq);
        if in_order && filtered && self.left_out != Some(packet.view.timestamp()) {
            self.left_out = Some(packet.view.timestamp());
            self.map.skip_picture();
        }
        in_order
    }
}
