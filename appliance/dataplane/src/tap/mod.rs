//! Taps: the frames of one producer, de-packetised and in order, as journal records in a bounded buffer.
//!
//! ```text
//! packet ─ engine ─┬─ sound ──────────────────────── Received ───┐
//!                  └─ picture ─ cache ─ Follower ─ Depacketiser ─┴─ Output ─ WriteEnd ║ ReadEnd ─ the recorder's thread
//! ```
//!
//! A tap hears every microphone, also those that its room does not forward (last-N), and sees the best layer that flows,
//! which it counts as a viewer of. It hears and sees nothing of a muted producer. Sans-IO: the engine tells it of packets
//! that came and of time that passes; it says which layer it needs a key frame of. Nothing here waits for the reader: a
//! record that finds no room is dropped and counted. Refuses to know of files, participants and recordings.
//!
//! Rejected: a tap as a consumer of its own. Consumers get packets as they come, with holes; the cache has them in order,
//! repaired, for a copy less.

pub mod av1;
pub mod buffer;
pub mod follower;
pub mod frame;
pub mod h264;
pub mod output;
pub mod picture;
pub mod record;
pub mod sound;
pub mod vp8;
pub mod vp9;

use std::sync::Arc;

use crate::codec::Codec;
use crate::command::Kind;
use crate::engine::formats::MediaFormat;
use crate::engine::timeline::{NtpClock, Report};
use crate::rtp::RtpView;
use crate::units::Time;
use buffer::WriteEnd;
use follower::Source;
use output::{Output, Written};
use picture::{Arrived, Picture};
use record::KEY;
use sound::Received;

enum Content {
    Sound { received: Box<Received>, generation: u32 },
    Picture(Box<Picture>),
}

/// One packet of sound.
pub struct SoundPacket<'a> {
    /// The packet.
    pub view: RtpView<'a>,
    /// Its format.
    pub format: MediaFormat,
    /// Payload type of the blocks, if it is RED.
    pub opus: Option<u8>,
    /// Of which numbering.
    pub generation: u32,
    /// Last report of its sender.
    pub report: Option<Report>,
}

/// A tap on one producer.
pub struct Tap {
    /// Caller's id.
    pub id: u64,
    /// What was written.
    pub output: Output,
    content: Content,
    muted: bool,
    /// Highest layer of a picture that it wants.
    pub max_layer: u8,
}

impl Tap {
    /// A tap that has seen nothing; says so if the producer is muted.
    pub fn new(now: Time, id: u64, kind: Kind, muted: bool, end: Arc<WriteEnd>, clock: NtpClock) -> Self {
        let mut output = Output::new(end, clock);
        if muted {
            output.muted(now, true);
        }
        let content = match kind {
            Kind::Audio => Content::Sound { received: Box::default(), generation: 0 },
            Kind::Video => Content::Picture(Box::default()),
        };
        Self { id, output, content, muted, max_layer: u8::MAX }
    }

    /// The same that follows no layer above this one, where a lower one flows.
    pub fn up_to(mut self, max_layer: u8) -> Self {
        self.max_layer = max_layer;
        self
    }

    /// The producer is muted, or is not any more.
    pub fn mute(&mut self, now: Time, muted: bool) {
        if self.muted == muted {
            return;
        }
        self.muted = muted;
        self.output.muted(now, muted);
        match &mut self.content {
            Content::Sound { received, .. } => **received = Received::default(),
            Content::Picture(picture) => picture.stop(),
        }
    }

    /// The layer of which a key frame is needed.
    pub fn wish(&self) -> Option<u8> {
        match &self.content {
            // without room a key frame would be dropped too
            Content::Picture(picture) if !self.muted && !self.output.is_full() => picture.wish(),
            _ => None,
        }
    }

    /// Takes a packet of sound in, in whatever order.
    pub fn on_sound(&mut self, now: Time, packet: &SoundPacket<'_>) {
        let Content::Sound { received, generation } = &mut self.content else { return };
        if self.muted {
            return;
        }
        if *generation != packet.generation {
            (**received, *generation) = (Received::default(), packet.generation);
        }
        let (output, payload) = (&mut self.output, packet.view.payload());
        let codec = packet.format.codec;
        if payload.is_empty() || !codec.is_sound() {
            return;
        }
        let rtp = output.unwrap(0, packet.generation, packet.view.timestamp());
        let write = |rtp, payload: &[u8]| {
            output.frame(&Written {
                codec: Codec::Opus,
                flags: KEY,
                layer: 0,
                generation: packet.generation,
                rtp,
                clock_rate: packet.format.clock_rate,
                at: now,
                report: packet.report,
                payload,
            });
        };
        match packet.opus {
            Some(opus) => {
                if !received.on_red_untrusted(rtp, payload, opus, write) {
                    output.gap();
                }
            }
            None => received.on_opus(rtp, payload, write),
        }
    }

    /// Takes a packet of a picture in, which is in its layer's cache.
    pub fn on_picture<'a>(&mut self, now: Time, packet: Arrived, source: impl Fn(u8) -> Option<Source<'a>>) {
        if let Content::Picture(picture) = &mut self.content
            && !self.muted
        {
            picture.on_packet(now, packet, source, &mut self.output);
        }
    }

    /// The best layer that flows.
    pub fn aim(&mut self, layer: u8) {
        if let Content::Picture(picture) = &mut self.content {
            picture.target = layer;
        }
    }

    /// Gives up what was waited for too long.
    pub fn tick<'a>(&mut self, now: Time, source: impl Fn(u8) -> Option<Source<'a>>) {
        if let Content::Picture(picture) = &mut self.content
            && !self.muted
        {
            picture.advance(now, source, &mut self.output);
        }
    }
}
