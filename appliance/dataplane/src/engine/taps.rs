//! Taps of producers: opened, fed with what arrives, told of time, taken away when nobody reads them.

use std::sync::Arc;

use super::Engine;
use super::arena::Key;
use super::formats::{ExtensionIds, MediaFormat, PayloadTable};
use super::producer::{Layer, Producer};
use super::snapshot::TapNumbers;
use crate::command::Kind;
use crate::rtp::RtpView;
use crate::tap::buffer::WriteEnd;
use crate::tap::follower::Source;
use crate::tap::picture::Arrived;
use crate::tap::{SoundPacket, Tap};
use crate::units::Time;

/// A packet that came.
pub(super) struct Tapped<'a> {
    /// Which layer.
    pub layer: u8,
    /// Of which numbering.
    pub generation: u32,
    /// Extended sequence number.
    pub seq: u64,
    /// A key frame begins with it.
    pub key: bool,
    /// The packet; of a picture it is in the layer's cache.
    pub view: RtpView<'a>,
    /// Its format.
    pub format: MediaFormat,
}

/// What a tap may know of a layer; None before its first packet.
fn source<'a>(layer: &'a Layer, formats: &'a PayloadTable, orientation: u8) -> Option<Source<'a>> {
    Some(Source {
        generation: layer.generation,
        highest: layer.highest?,
        cache: &layer.cache,
        losses: &layer.losses,
        report: layer.report,
        formats,
        orientation,
    })
}

impl Producer {
    /// Gives a packet to the taps. True if a key frame is asked for.
    pub(super) fn feed_taps(
        &mut self,
        now: Time,
        packet: &Tapped<'_>,
        formats: &PayloadTable,
        extensions: &ExtensionIds,
    ) -> bool {
        if self.kind == Kind::Audio {
            let opus = packet.format.blocks.and_then(|blocks| formats.by_format(blocks));
            let sound = SoundPacket {
                view: packet.view,
                format: packet.format,
                opus: opus.map(|opus| opus.payload_type),
                generation: packet.generation,
                report: self.layers.get(usize::from(packet.layer)).and_then(|layer| layer.report),
            };
            self.taps.iter_mut().for_each(|tap| tap.on_sound(now, &sound));
            return false;
        }
        if packet.key {
            self.aim_taps(now);
        }
        let Tapped { layer, generation, seq, key, .. } = *packet;
        let Self { layers, taps, .. } = self;
        for tap in taps {
            tap.on_picture(now, Arrived { layer, generation, seq, key }, |layer| {
                source(layers.get(usize::from(layer))?, formats, extensions.video_orientation)
            });
        }
        self.ask_for_taps()
    }

    /// Has each tap follow the best layer that flows and that it wants.
    fn aim_taps(&mut self, now: Time) {
        let mut taps = std::mem::take(&mut self.taps);
        for tap in &mut taps {
            let (layer, _) = self.place_of(self.choose_layer(now, tap.max_layer));
            tap.aim(layer);
        }
        self.taps = taps;
    }

    /// Asks for the key frames that taps need; whether there are any.
    fn ask_for_taps(&mut self) -> bool {
        let Self { layers, taps, .. } = self;
        let wishes = taps.iter().filter_map(Tap::wish);
        let mut asked = false;
        for wish in wishes {
            if let Some(layer) = layers.get_mut(usize::from(wish)) {
                layer.key_frames.want();
                asked = true;
            }
        }
        asked
    }

    /// The highest layer that a tap wants to see.
    pub(super) fn tap_wish(&self) -> Option<u8> {
        self.taps.iter().map(|tap| tap.max_layer).max()
    }

    /// What its taps have done.
    pub(super) fn tap_numbers(&self) -> impl Iterator<Item = TapNumbers> {
        let producer = self.id;
        self.taps.iter().map(move |tap| {
            let (frames, bytes, dropped) = (tap.output.frames, tap.output.bytes, tap.output.dropped);
            TapNumbers { tap: tap.id, producer, frames, bytes, dropped }
        })
    }
}

impl Engine {
    /// Taps a producer. It ends with it, or when its reader closes it.
    pub(super) fn open_tap(
        &mut self,
        now: Time,
        id: u64,
        producer: u64,
        max_layer: u8,
        end: Arc<WriteEnd>,
    ) -> Option<()> {
        let key = self.producers.key(producer)?;
        let producer = self.producers.get_mut(key)?;
        let tap = Tap::new(now, id, producer.kind, producer.muted, end, self.clock);
        producer.taps.push(tap.up_to(max_layer));
        self.choose_layers(now, key, true); // it may want layers that nobody wanted
        self.tick_taps(now, key);
        Some(())
    }

    /// Takes closed taps away, and has the others give up what they waited for too long.
    pub(super) fn tick_taps(&mut self, now: Time, key: Key<Producer>) {
        let Some(producer) = self.producers.get_mut(key).filter(|p| !p.taps.is_empty()) else { return };
        producer.taps.retain(|tap| !tap.output.is_closed());
        let Some(session) = self.sessions.get(producer.session) else { return };
        if producer.kind == Kind::Audio {
            return;
        }
        producer.aim_taps(now);
        let Producer { layers, taps, .. } = producer;
        for tap in taps {
            tap.tick(now, |layer| {
                let layer = layers.get(usize::from(layer))?;
                source(layer, &session.payloads, session.extensions.video_orientation)
            });
        }
        if producer.ask_for_taps() {
            self.due.wake(producer.session);
        }
    }
}
