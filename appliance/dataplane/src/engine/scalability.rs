//! The layers inside one SSRC, as its dependency descriptors or VP9 payload descriptors tell them.
//!
//! Owns the newest template structure, what was told of the last frames, and what each spatial layer costs whoever gets
//! it. Refuses to know subscribers: `selection` decides for them. One spatial layer of one SSRC counts like one SSRC of
//! simulcast to those who divide a link.

use std::time::Duration;

use super::rate::{Parts, Rate};
use crate::codec::FrameInfo;
use crate::codec::dependency_descriptor::{self, Frame, MAX_SPATIAL, Structure};
use crate::units::Time;

/// Frames remembered: a second of three spatial layers at 30 fps, and what a repair of them takes.
const FRAMES: usize = 128;

/// One spatial layer.
#[derive(Clone, Copy, Debug, Default)]
struct SpatialLayer {
    last_frame: Option<Time>,
    /// Of everything that its receivers get, the layers below included where they need them.
    rate: Rate,
    /// Temporal layers of that.
    parts: Parts,
}

/// What is known of one SSRC's layers.
pub struct Scalability {
    structure: Structure,
    /// Decode targets that the sender makes, as bits.
    active: u32,
    frames: [Option<Frame>; FRAMES],
    spatial: [SpatialLayer; MAX_SPATIAL],
    count: u8,
}

impl Default for Scalability {
    fn default() -> Self {
        Self {
            structure: Structure::default(),
            active: 0,
            frames: [None; FRAMES],
            spatial: [SpatialLayer::default(); MAX_SPATIAL],
            count: 0,
        }
    }
}

impl Scalability {
    /// Takes the descriptor of a packet in, and completes with its template what the packet says of its frame.
    pub fn on_descriptor(&mut self, descriptor: &[u8], info: &mut FrameInfo) {
        let Some(head) = dependency_descriptor::Head::parse_untrusted(descriptor) else { return };
        let slot = usize::from(head.frame_number) % FRAMES;
        let known = self.frames[slot].filter(|f| f.number == head.frame_number && !head.has_structure);
        let frame = match known {
            Some(frame) => frame,
            None => {
                let Some(read) = dependency_descriptor::parse_untrusted(descriptor, &mut self.structure)
                else {
                    return;
                };
                if head.has_structure {
                    self.frames = [None; FRAMES];
                    self.active = self.structure.all_targets();
                }
                self.active = read.active_targets.unwrap_or(self.active);
                self.frames[slot] = Some(read.frame);
                read.frame
            }
        };
        (info.spatial, info.temporal) = (Some(frame.spatial), Some(frame.temporal));
    }

    /// Counts a packet of so many bytes for the spatial layers that need it.
    pub fn count(&mut self, now: Time, info: &FrameInfo, bytes: usize) {
        let spatial = info.spatial.unwrap_or(0);
        let Some(layer) = self.spatial.get_mut(usize::from(spatial)) else { return };
        if layer.last_frame.is_none_or(|last| now - last >= super::producer::LAYER_SILENT) {
            layer.rate.restart(now);
        }
        layer.last_frame = Some(now);
        self.count = match info.number {
            Some(_) => self.structure.spatial_count(),
            None => self.count.max(spatial + 1),
        };
        let frame = self.frame(info).copied();
        for upper in 0..self.count {
            let needed = match &frame {
                Some(frame) => self
                    .structure
                    .best_target(upper, u8::MAX, self.structure.all_targets())
                    .is_some_and(|target| frame.present & 1 << target != 0),
                None => needed_for(info, upper),
            };
            if needed {
                let upper = &mut self.spatial[usize::from(upper)];
                upper.rate.add(bytes);
                upper.parts.add(info.temporal, bytes);
            }
        }
    }

    /// The newest structure.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// Decode targets that the sender makes, as bits.
    pub fn active_targets(&self) -> u32 {
        self.active
    }

    /// What the descriptor of a packet's frame said, while it is remembered.
    pub fn frame(&self, info: &FrameInfo) -> Option<&Frame> {
        let number = info.number?;
        self.frames[usize::from(number) % FRAMES].as_ref().filter(|frame| frame.number == number)
    }

    /// Number of spatial layers.
    pub fn spatial_count(&self) -> u8 {
        self.count
    }

    /// Whether frames of a spatial layer come.
    pub fn flowing(&self, now: Time, spatial: usize, silent: Duration) -> bool {
        self.spatial.get(spatial).is_some_and(|l| l.last_frame.is_some_and(|last| now - last < silent))
    }

    /// What to reserve for a spatial layer, with all that it needs, in bits per second (None in its first second), and which
    /// part of that its temporal layers have.
    pub fn cost(&mut self, now: Time, spatial: usize, overhead: usize) -> Option<(Option<f64>, &Parts)> {
        let layer = self.spatial.get_mut(spatial)?;
        layer.parts.roll(now);
        Some((layer.rate.cost_bps(now, overhead), &layer.parts))
    }

    /// Another SSRC: nothing of this is true any more.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Whether a receiver of a spatial layer needs a frame, by its VP9 payload descriptor (RFC 9628 §4.2, Z).
pub fn needed_for(info: &FrameInfo, spatial: u8) -> bool {
    match info.spatial.unwrap_or(0) {
        own if own == spatial => true,
        own => own < spatial && !info.not_for_upper,
    }
}
