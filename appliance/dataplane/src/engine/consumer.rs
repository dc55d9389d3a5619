//! One receiving m-line: what it is bound to, what it wants, and the unbroken stream that it has been sent so far.

use std::time::Duration;

use super::arena::Key;
use super::bandwidth::allocation::{Grant, Holds};
use super::forward::Incoming;
use super::pacer::Queue;
use super::producer::{Layer, Producer};
use super::rate::Rate;
use super::retransmit::Retransmissions;
use super::scalability::Scalability;
use super::selection::{Selection, Verdict};
use super::sequence::{SequenceMap, Source};
use super::session::Session;
use super::timeline::translate;
use crate::codec::{self, Codec};
use crate::command::{ConsumerSpec, Kind};
use crate::units::Time;

/// Newest packet that went out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// Its timestamp.
    pub timestamp: u32,
    /// When it went out.
    pub at: Time,
    /// Newest picture id and TL0PICIDX, if there was VP8 or VP9.
    pub picture: Option<(u16, u8)>,
    /// Newest frame number of a dependency descriptor, if there was one.
    pub frame_number: Option<u16>,
}

impl Output {
    /// Newest frame number, with one that was sent.
    pub fn newer_frame(&self, sent: Option<u16>) -> Option<u16> {
        match (self.frame_number, sent) {
            (Some(before), Some(sent)) if (sent.wrapping_sub(before) as i16) < 0 => Some(before),
            (before, sent) => sent.or(before),
        }
    }
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
    pub holds: Holds,
    /// Highest layer wanted.
    pub wanted_layer: u8,
    /// Highest temporal layer wanted.
    pub wanted_temporal: u8,
    /// SSRC that is being sent, by its index in the producer's layers; None waits for a start.
    pub current: Option<u8>,
    /// SSRC that it should be.
    pub target: u8,
    /// The layers within it.
    pub selection: Selection,
    /// `ConsumerStarted` is due with the next start.
    pub announce: bool,
    /// Sequence numbers and offsets.
    pub map: SequenceMap,
    /// Newest packet sent.
    pub output: Option<Output>,
    /// Timestamp of the frame that the temporal filter left out last.
    pub left_out: Option<u32>,
    /// What waits for the session's budget.
    pub queue: Queue,
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
            grant: Grant::ALL,
            holds: Holds::default(),
            wanted_layer: u8::MAX,
            wanted_temporal: 7,
            current: None,
            target: 0,
            selection: Selection::default(),
            announce: false,
            map: SequenceMap::new(first),
            output: None,
            left_out: None,
            queue: Queue::default(),
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

    /// Layer that is being sent, as the producer's layers are counted for the caller: SSRCs of simulcast, or spatial layers
    /// of the only SSRC.
    pub fn current_layer(&self, producer: Option<&Producer>) -> Option<u8> {
        let current = self.current?;
        let within = producer.and_then(Producer::svc).is_some_and(|(ssrc, _)| ssrc == current);
        Some(if within { self.selection.spatial() } else { current })
    }

    /// Whether a packet of the SSRC `layer` is of any use now; `key_frame`: a decoder can start at it.
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
            Grant::UpTo { layer, .. } => layer.min(self.wanted_layer),
        }
    }

    /// Highest temporal layer that is wanted and allowed. A layer that the link does not carry goes on with its fewest
    /// frames until the lower one's key frame is here: with all of them, which the lower one may have, half a second of
    /// twice what the link carries makes a queue of 200 ms.
    pub fn allowed_temporal(&self) -> u8 {
        match self.grant {
            Grant::Paused => 0,
            Grant::UpTo { layer, .. } if layer < self.wanted_layer && self.current > Some(layer) => 0,
            Grant::UpTo { temporal, .. } => temporal.min(self.wanted_temporal),
        }
    }

    /// Highest layer that somebody wants to see here, whatever the link carries.
    pub fn wish(&self) -> Option<u8> {
        (!self.paused).then_some(self.wanted_layer)
    }

    /// Whether it is sound.
    pub fn is_audio(&self) -> bool {
        self.spec.kind == Kind::Audio
    }

    /// Whether the consumer waits for a key frame of its target, whose inner layers are these.
    pub fn waits(&self, layers: Option<&Scalability>) -> bool {
        let starts = self.current == Some(self.target) || self.queue.starts(self.target);
        self.is_on() && self.producer.is_some() && (!starts || self.selection.needs_key_frame(layers))
    }

    /// Packets sent since the last call, which comes with a receiver report.
    pub fn packets_since_report(&mut self) -> u64 {
        let since = self.packets - self.reported;
        self.reported = self.packets;
        since
    }

    /// Whether a packet of `layer` may be of use once what waits before it has been sent.
    pub fn may_want(&self, layer: u8) -> bool {
        self.is_on() && (self.current == Some(layer) || self.target == layer)
    }

    /// Stops sending until a packet that a decoder can start at; what waits is given up.
    pub fn stop(&mut self) {
        self.current = None;
        self.queue.clear();
    }

    /// Begins to send a source at `packet`: sequence numbers, time and picture ids go on where they were.
    pub fn start(&mut self, now: Time, packet: &Incoming<'_>, layers: &[Layer]) {
        let source = Source {
            producer: packet.producer,
            layer: packet.layer,
            generation: packet.generation,
            timestamp_offset: self.timestamp_offset(now, packet, layers),
            frame_offset: self.frame_offset(packet),
            ..self.picture_offsets(packet)
        };
        self.map.start(packet.seq, source);
        self.current = Some(packet.layer);
        self.selection.wanted_temporal = self.allowed_temporal();
        self.selection.restart();
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
        let first = codec::counters(packet.format.codec, packet.view.payload());
        let (Some((picture, tl0)), Some((first, first_tl0))) = (self.output.and_then(|o| o.picture), first)
        else {
            return Source::default();
        };
        Source {
            picture_offset: picture.wrapping_add(1).wrapping_sub(first),
            tl0_offset: tl0.wrapping_add(1).wrapping_sub(first_tl0),
            ..Source::default()
        }
    }

    fn frame_offset(&self, packet: &Incoming<'_>) -> u16 {
        match (self.output.and_then(|o| o.frame_number), packet.frame.number) {
            (Some(before), Some(first)) => before.wrapping_add(1).wrapping_sub(first),
            _ => 0,
        }
    }

    /// Whether the layer filter lets a packet through.
    pub fn judge(&mut self, packet: &Incoming<'_>, layers: Option<&Scalability>) -> Verdict {
        self.selection.wanted_temporal = self.allowed_temporal();
        self.selection.judge(packet.format.codec, &packet.frame, packet.view.timestamp(), layers)
    }

    /// Leaves a packet out of the stream. True if it takes no number, false if a number waits for it.
    pub fn leave_out(&mut self, packet: &Incoming<'_>, filtered: bool) -> bool {
        let in_order = self.map.skip(packet.seq);
        // Picture ids of VP9 keep their gaps: pictures refer to each other by them (RFC 9628 §4.2, P_DIFF)
        let vp8 = packet.format.codec == Codec::Vp8;
        if in_order && filtered && vp8 && self.left_out != Some(packet.view.timestamp()) {
            self.left_out = Some(packet.view.timestamp());
            self.map.skip_picture();
        }
        in_order
    }
}
