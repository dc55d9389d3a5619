//! The frames of one layer of a picture, in order.
//!
//! Reads the layer's packet cache by extended sequence number, so that packets which come late, by repair or overtaken, are
//! in their place. One that is missing is waited for as long as the loss tracker has hope of it and the packets behind it
//! are kept. A frame ends with the marker bit, or before another timestamp.

use std::time::Duration;

use super::frame::{Depacketiser, Finished};
use crate::codec::{Codec, begins_for_sure};
use crate::engine::formats::PayloadTable;
use crate::engine::timeline::Report;
use crate::nack::LossTracker;
use crate::packet_cache::PacketCache;
use crate::rtp::RtpView;
use crate::units::Time;

/// The cache keeps a second; a look each 50 ms and the time until a gap is noticed must fit in behind this.
const PATIENCE: Duration = Duration::from_millis(850);

/// What is known of a layer.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// How often its numbering began anew.
    pub generation: u32,
    /// Newest extended sequence number.
    pub highest: u64,
    /// Its packets.
    pub cache: &'a PacketCache,
    /// What is missing of them.
    pub losses: &'a LossTracker,
    /// Its last sender report.
    pub report: Option<Report>,
    /// Payload types of its publisher.
    pub formats: &'a PayloadTable,
    /// Extension id of the video orientation, 0 for none.
    pub orientation: u8,
}

/// A frame; its bytes are in the follower until it is polled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its format.
    pub codec: Codec,
    /// A decoder can start here.
    pub key: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Hz of it.
    pub clock_rate: u32,
    /// When its first packet came.
    pub at: Time,
    /// Quarter turns clockwise that the picture needs.
    pub rotation: u8,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Waiting,
    /// A frame or more is lost, up to this number.
    Lost(u64),
    /// A frame.
    Frame(Frame),
}

#[derive(Clone, Copy)]
enum State {
    /// Between frames.
    Between,
    /// Behind a loss: the next packet may be in the middle of a frame.
    AfterLoss,
    /// In a frame that was lost.
    Skipping(u32),
    /// In a frame.
    Within(Frame),
}

/// Follows one layer.
pub struct Follower {
    /// Which.
    pub layer: u8,
    /// Of which numbering.
    pub generation: u32,
    next: u64,
    waits: bool,
    state: State,
    frames: Option<Depacketiser>,
    rotation: u8,
}

impl Follower {
    /// From the packet with this number on.
    pub fn new(layer: u8, generation: u32, first: u64, rotation: u8) -> Self {
        Self { layer, generation, next: first, waits: false, state: State::Between, frames: None, rotation }
    }

    /// Number of the packet that is read next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// A packet is missing before one that is here.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Rotation of the last picture.
    pub fn rotation(&self) -> u8 {
        self.rotation
    }

    /// Bytes of the frame that `poll` gave.
    pub fn frame(&self) -> &[u8] {
        self.frames.as_ref().map_or(&[], Depacketiser::frame)
    }

    /// The next thing that there is.
    pub fn poll(&mut self, now: Time, source: &Source<'_>) -> Step {
        while self.next <= source.highest {
            let Some((at, packet)) = source.cache.get_dated(now, self.next) else {
                let since = source.losses.awaited_since(self.next);
                self.waits = since.is_some_and(|since| now - since < PATIENCE);
                if self.waits {
                    return Step::Waiting;
                }
                self.skip_missing(now, source);
                self.state = State::AfterLoss;
                return Step::Lost(self.next - 1);
            };
            let step = match RtpView::parse_untrusted(packet) {
                Ok(view) => self.packet(at, &view, source),
                Err(_) => self.lose(State::AfterLoss),
            };
            self.waits = false;
            if let Some(step) = step {
                return step;
            }
        }
        Step::Waiting
    }

    /// Moves to the next packet that is there, or may still come.
    fn skip_missing(&mut self, now: Time, source: &Source<'_>) {
        self.next += 1;
        while self.next <= source.highest
            && source.cache.get(now, self.next).is_none()
            && source.losses.awaited_since(self.next).is_none()
        {
            self.next += 1;
        }
    }

    fn lose(&mut self, state: State) -> Option<Step> {
        self.state = state;
        self.next += 1;
        Some(Step::Lost(self.next - 1))
    }

    fn packet(&mut self, at: Time, view: &RtpView<'_>, source: &Source<'_>) -> Option<Step> {
        let (payload, timestamp) = (view.payload(), view.timestamp());
        if payload.is_empty() {
            self.next += 1; // padding
            return None;
        }
        if let State::Within(frame) = self.state
            && frame.timestamp != timestamp
        {
            return self.finish(frame, self.next - 1); // without a marker; the packet is looked at again
        }
        let Some(format) = source.formats.media(view.payload_type()) else {
            return self.lose(State::Skipping(timestamp));
        };
        if source.orientation != 0
            && let Some(&[turned]) = view.extension(source.orientation)
        {
            self.rotation = turned & 3;
        }
        let mut frame = match self.state {
            State::Skipping(skipped) if skipped == timestamp => {
                self.next += 1;
                return None;
            }
            State::AfterLoss if !begins_for_sure(format.codec, payload) => {
                self.state = State::Skipping(timestamp);
                self.next += 1;
                return None;
            }
            State::Within(frame) => frame,
            State::Between | State::AfterLoss | State::Skipping(_) => {
                let clock_rate = format.clock_rate;
                Frame { codec: format.codec, key: false, timestamp, clock_rate, at, rotation: 0 }
            }
        };
        if !matches!(self.state, State::Within(_)) {
            match &mut self.frames {
                Some(frames) if frames.codec() == format.codec => frames.begin(),
                frames => *frames = Depacketiser::new(format.codec),
            }
        }
        let Some(frames) = self.frames.as_mut().filter(|frames| frames.codec() == format.codec) else {
            return self.lose(State::Skipping(timestamp));
        };
        if frames.push_untrusted(payload).is_err() {
            return self.lose(State::Skipping(timestamp));
        }
        frame.at = frame.at.min(at);
        self.state = State::Within(frame);
        self.next += 1;
        if view.marker() { self.finish(frame, self.next - 1) } else { None }
    }

    /// A frame ended with packet `last`.
    fn finish(&mut self, frame: Frame, last: u64) -> Option<Step> {
        self.state = State::Between;
        match self.frames.as_mut()?.finish() {
            Ok(Finished::Nothing) => None,
            Ok(finished) => {
                let key = finished == Finished::Key;
                Some(Step::Frame(Frame { key, rotation: self.rotation, ..frame }))
            }
            Err(_) => Some(Step::Lost(last)),
        }
    }
}
