//! Which frames of one SSRC a consumer gets: the spatial and temporal layers that it is to have, and nothing that they do
//! not need.
//!
//! By the dependency descriptor where there is one, whatever the codec: a *decode target* is followed, and left for
//! another only at a frame that says so ("switch") and refers to nothing that was left out before. Without one, by the
//! payload descriptors of VP8 and VP9. Frames that were lost on their way to us do not count as left out: they may still
//! come, and whoever misses one asks.

use super::scalability::{Scalability, needed_for};
use crate::codec::dependency_descriptor::{Frame, Structure};
use crate::codec::{Codec, FrameInfo};

/// Frames whose fate is remembered, a power of two: references reach back far less.
const WINDOW: u16 = 128;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent; true sets the marker bit, since no higher spatial layer of the picture follows.
    Forward(bool),
    /// It is not.
    LeaveOut,
}

/// The fate of the last frames, by frame number: bit i is the i-th before the newest.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    newest: u16,
    sent: u128,
    left_out: u128,
}

impl Window {
    /// A stream begins with a frame; what came before it was left out.
    fn begin(number: u16) -> Self {
        Self { newest: number, sent: 0, left_out: !1 }
    }

    /// How far a frame lies behind the newest one, which it may become. None if it is too old.
    fn place(&mut self, number: u16) -> Option<u16> {
        let ahead = number.wrapping_sub(self.newest);
        if ahead == 0 {
            return Some(0);
        }
        if ahead < 1 << 15 {
            let shift = |bits: u128| bits.checked_shl(u32::from(ahead)).unwrap_or(0);
            (self.sent, self.left_out, self.newest) = (shift(self.sent), shift(self.left_out), number);
            return Some(0);
        }
        let behind = self.newest.wrapping_sub(number);
        (behind < WINDOW).then_some(behind)
    }

    fn was_left_out(&self, behind: u16) -> bool {
        behind >= WINDOW || self.left_out >> behind & 1 == 1
    }

    fn decide(&mut self, behind: u16, sent: bool) {
        let bits = if sent { &mut self.sent } else { &mut self.left_out };
        *bits |= 1 << behind;
    }

    fn decided(&self, behind: u16) -> Option<bool> {
        match (self.sent >> behind & 1, self.left_out >> behind & 1) {
            (0, 0) => None,
            (sent, _) => Some(sent == 1),
        }
    }
}

/// What one consumer is to have of an SSRC, and has.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    /// Highest spatial layer wanted.
    pub wanted_spatial: u8,
    /// Highest temporal layer wanted.
    pub wanted_temporal: u8,
    /// Decode target that is followed, where descriptors are.
    target: Option<u8>,
    window: Window,
    /// A frame that the target needs was left out: nothing can be decoded until it is begun anew.
    broken: bool,
    /// Spatial layer that is sent at most.
    spatial: u8,
    /// Temporal layer that is sent at most.
    temporal: u8,
    /// Timestamp of the picture that was looked at last, without descriptors.
    picture: Option<u32>,
    /// Whether the frames of `wanted_spatial` are all among those that are sent, without descriptors.
    contains_wanted: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            wanted_spatial: u8::MAX,
            wanted_temporal: u8::MAX,
            target: None,
            window: Window::default(),
            broken: false,
            spatial: u8::MAX,
            temporal: u8::MAX,
            picture: None,
            contains_wanted: true,
        }
    }
}

impl Selection {
    /// A source begins, at a key frame.
    pub fn restart(&mut self) {
        *self = Self {
            wanted_spatial: self.wanted_spatial,
            wanted_temporal: self.wanted_temporal,
            spatial: self.wanted_spatial,
            temporal: self.wanted_temporal,
            ..Self::default()
        };
    }

    /// Spatial layer that is sent, if that is a choice.
    pub fn spatial(&self) -> u8 {
        self.spatial
    }

    /// Decides about a packet of the source that is sent.
    pub fn judge(
        &mut self,
        codec: Codec,
        info: &FrameInfo,
        timestamp: u32,
        layers: Option<&Scalability>,
    ) -> Verdict {
        match (info.number, layers) {
            (Some(number), Some(layers)) => self.judge_by_descriptor(number, info, layers),
            _ => self.judge_by_payload(codec, info, timestamp, layers),
        }
    }

    /// Whether a packet of the frame with this number was sent.
    pub fn was_sent(&self, number: u16) -> bool {
        let behind = self.window.newest.wrapping_sub(number);
        self.target.is_some() && behind < WINDOW && self.window.decided(behind) == Some(true)
    }

    /// A frame is left out, whatever it is.
    pub fn leave_out(&mut self, number: u16) {
        if self.target.is_some()
            && let Some(behind) = self.window.place(number)
        {
            self.window.decide(behind, false);
        }
    }

    fn judge_by_descriptor(&mut self, number: u16, info: &FrameInfo, layers: &Scalability) -> Verdict {
        let Some(frame) = layers.frame(info) else {
            if self.was_sent(number) {
                return Verdict::Forward(self.ends_picture(info, Some(layers)));
            }
            // its structure was in a packet that is still missing: whoever gets that one can read this one too
            return Verdict::Forward(false);
        };
        if self.target.is_none() {
            self.window = Window::begin(number);
        }
        let structure = layers.structure();
        let behind = match self.window.place(number) {
            Some(behind) => behind,
            None if !info.key_frame => return Verdict::LeaveOut,
            None => {
                self.window = Window::begin(number); // an encoder that counts anew
                0
            }
        };
        let sent = match self.window.decided(behind) {
            Some(sent) => sent,
            None => {
                if behind == 0 {
                    self.switch(frame, structure, layers.active_targets());
                }
                let sent = self.target.is_some_and(|target| self.takes(frame, structure, target, behind));
                self.window.decide(behind, sent);
                sent
            }
        };
        if sent { Verdict::Forward(self.ends_picture(info, Some(layers))) } else { Verdict::LeaveOut }
    }

    /// Whether a frame of the target is sent: not if the chain before it is broken, by our own doing.
    fn takes(&mut self, frame: &Frame, structure: &Structure, target: u8, behind: u16) -> bool {
        if frame.present & 1 << target == 0 {
            return false;
        }
        let whole = self.chain_is_whole(frame, structure, target, behind);
        self.broken |= !whole && behind == 0;
        whole && !self.broken
    }

    fn chain_is_whole(&self, frame: &Frame, structure: &Structure, target: u8, behind: u16) -> bool {
        structure.chain(target).is_none_or(|chain| match frame.chains[usize::from(chain)] {
            0 => true,
            fdiff => !self.window.was_left_out(behind + u16::from(fdiff)),
        })
    }

    /// Takes the best decode target up that is wanted and can be begun with the newest frame.
    fn switch(&mut self, frame: &Frame, structure: &Structure, active: u32) {
        let Some(wanted) = structure.best_target(self.wanted_spatial, self.wanted_temporal, active) else {
            return;
        };
        if self.target == Some(wanted) && !self.broken {
            return;
        }
        let decodable = frame.fdiffs.iter().all(|fdiff| !self.window.was_left_out(fdiff));
        let mut begins = frame.switches;
        for target in 0..structure.target_count() {
            if !decodable || !self.chain_is_whole(frame, structure, target, 0) {
                begins &= !(1 << target);
            }
        }
        if let Some(now) = self.target.filter(|_| !self.broken) {
            begins &= self.worth_it(structure, now, wanted);
        }
        let best = structure.fitting_target(self.wanted_spatial, self.wanted_temporal, begins);
        // a source begins with what there is
        let Some(target) = best.or(self.target.is_none().then_some(wanted)) else { return };
        (self.target, self.broken) = (Some(target), false);
        (self.spatial, self.temporal) = structure.layers(target);
    }

    /// Decode targets that lie between what is followed and what is wanted, as bits.
    fn worth_it(&self, structure: &Structure, now: u8, wanted: u8) -> u32 {
        let (from, to) = (structure.layers(now), structure.layers(wanted));
        (0..structure.target_count())
            .filter(|target| {
                let layers = structure.layers(*target);
                if to >= from { layers > from && layers <= to } else { layers >= to && layers < from }
            })
            .fold(0, |bits, target| bits | 1 << target)
    }

    fn judge_by_payload(
        &mut self,
        codec: Codec,
        info: &FrameInfo,
        timestamp: u32,
        layers: Option<&Scalability>,
    ) -> Verdict {
        self.temporal = self.temporal.min(self.wanted_temporal);
        if info.key_frame {
            self.temporal = self.wanted_temporal;
        } else if let Some(temporal) = info.temporal
            && temporal > self.temporal
            && temporal <= self.wanted_temporal
            && info.switching_point
        {
            self.temporal = temporal;
        }
        if info.temporal.is_some_and(|temporal| temporal > self.temporal) {
            return Verdict::LeaveOut;
        }
        let Some(top) = layers.and_then(|layers| layers.spatial_count().checked_sub(1)) else {
            return Verdict::Forward(false);
        };
        if codec != Codec::Vp9 || top == 0 {
            return Verdict::Forward(false);
        }
        self.choose_spatial(info, timestamp, top);
        if !needed_for(info, self.spatial.min(top)) {
            return Verdict::LeaveOut;
        }
        Verdict::Forward(self.ends_picture(info, layers))
    }

    /// VP9 spatial layers: any at a key frame; a higher one at a frame of it that refers to no picture before; a lower one
    /// with the next picture if its frames were all sent.
    fn choose_spatial(&mut self, info: &FrameInfo, timestamp: u32, top: u8) {
        let own = info.spatial.unwrap_or(0);
        if info.key_frame {
            self.spatial = self.wanted_spatial;
        } else if info.starts_frame && self.picture != Some(timestamp) {
            if self.wanted_spatial < self.spatial && self.contains_wanted {
                self.spatial = self.wanted_spatial;
            }
            self.contains_wanted = true;
        } else if own == self.spatial.saturating_add(1) && own <= self.wanted_spatial && !info.inter_picture {
            self.spatial = own;
        }
        if info.starts_frame {
            self.picture = Some(timestamp);
        }
        let skipped = info.not_for_upper && info.inter_picture && own < self.spatial.min(top);
        if skipped && own <= self.wanted_spatial {
            self.contains_wanted = false;
        }
    }

    /// Whether a packet is the last one that is sent of its picture, though the sender has more layers of it (RFC 9628
    /// §4.1, AV1 payload format §4.2: the marker bit is on the last packet of the picture that is sent).
    pub fn ends_picture(&self, info: &FrameInfo, layers: Option<&Scalability>) -> bool {
        let higher = layers.is_some_and(|layers| self.spatial.saturating_add(1) < layers.spatial_count());
        info.ends_frame && higher && info.spatial == Some(self.spatial)
    }

    /// Decode targets that can be decoded from what is sent, as bits, and how many there are; None where one is all.
    pub fn sent_targets(&self, layers: Option<&Scalability>) -> Option<(u32, u8)> {
        let layers = layers.filter(|layers| layers.structure().target_count() > 1)?;
        let mask = layers.structure().within(self.target?) & layers.active_targets();
        Some((mask, layers.structure().target_count()))
    }

    /// Whether only a key frame leads to what is wanted.
    pub fn needs_key_frame(&self, layers: Option<&Scalability>) -> bool {
        let Some(layers) = layers.filter(|layers| layers.spatial_count() > 1 || self.broken) else {
            return false;
        };
        let structure = layers.structure();
        let Some(target) = self.target else {
            let top = layers.spatial_count().saturating_sub(1);
            let (wanted, sent) = (self.wanted_spatial.min(top), self.spatial.min(top));
            return wanted > sent || (wanted < sent && !self.contains_wanted);
        };
        let Some(wanted) =
            structure.best_target(self.wanted_spatial, self.wanted_temporal, layers.active_targets())
        else {
            return false;
        };
        let other = structure.layers(wanted).0 != structure.layers(target).0;
        self.broken || (other && structure.within(target) & 1 << wanted == 0)
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
