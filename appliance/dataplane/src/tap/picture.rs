//! Which layer of a picture a tap follows: the best one that flows, changed at a key frame of the other.

use super::follower::{Follower, Source, Step};
use super::output::{Output, Written};
use super::record::{AFTER_LOSS, KEY, ROTATION_SHIFT};
use crate::codec::Codec;
use crate::units::Time;

/// A packet that came.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Of which layer.
    pub layer: u8,
    /// Of which numbering.
    pub generation: u32,
    /// Extended sequence number.
    pub seq: u64,
    /// A key frame begins with it.
    pub key: bool,
}

/// A layer whose key frame has begun.
struct Candidate {
    follower: Follower,
    first: u64,
    /// Where the last key frame began.
    newest: u64,
}

impl Candidate {
    fn is_of(&self, layer: u8, generation: u32) -> bool {
        (self.follower.layer, self.follower.generation) == (layer, generation)
    }
}

/// The state of one tapped picture.
#[derive(Default)]
pub struct Picture {
    /// Layer to follow.
    pub target: u8,
    current: Option<Follower>,
    candidate: Option<Candidate>,
    /// Frames were lost, and no key frame came since.
    broken: bool,
    /// Where a key frame began after that.
    key_coming: Option<u64>,
    codec: Option<Codec>,
}

impl Picture {
    /// The layer of which a key frame is needed.
    pub fn wish(&self) -> Option<u8> {
        match &self.current {
            Some(current) if current.layer == self.target => {
                (self.broken && self.key_coming.is_none()).then_some(current.layer)
            }
            _ => self.candidate.is_none().then_some(self.target),
        }
    }

    /// Follows nothing until a key frame comes.
    pub fn stop(&mut self) {
        *self = Self { target: self.target, ..Self::default() };
    }

    /// Takes a packet in, which is in its layer's cache. `source`: what is known of a layer.
    pub fn on_packet<'a>(
        &mut self,
        now: Time,
        packet: Arrived,
        source: impl Fn(u8) -> Option<Source<'a>>,
        output: &mut Output,
    ) {
        let Arrived { layer, generation, seq, key } = packet;
        if self.current.as_ref().is_some_and(|c| c.layer == layer && c.generation != generation) {
            self.forget_current(output);
        }
        let follows = self.current.as_ref().is_some_and(|current| current.layer == layer);
        if key && follows {
            self.key_coming = self.key_coming.max(Some(seq));
        } else if key && layer == self.target {
            match &mut self.candidate {
                Some(c) if c.first <= seq && c.is_of(layer, generation) => c.newest = c.newest.max(seq),
                candidate => {
                    let known = candidate.as_ref().filter(|c| c.is_of(layer, generation));
                    let newest = known.map_or(seq, |c| c.newest.max(seq));
                    let follower = Follower::new(layer, generation, seq, 0);
                    *candidate = Some(Candidate { follower, first: seq, newest });
                }
            }
        }
        let candidate = self.candidate.as_ref().is_some_and(|c| c.follower.layer == layer);
        if follows || candidate {
            self.advance(now, source, output);
        }
    }

    /// Writes what there is, and gives up what was waited for too long.
    pub fn advance<'a>(&mut self, now: Time, source: impl Fn(u8) -> Option<Source<'a>>, output: &mut Output) {
        if self.candidate.as_ref().is_some_and(|c| c.follower.layer != self.target) {
            self.candidate = None;
        }
        if let Some(mut current) = self.current.take()
            && let Some(source) = source(current.layer)
        {
            if source.generation == current.generation {
                self.follow(now, &mut current, &source, output);
                self.current = Some(current);
            } else {
                self.forget_current(output);
            }
        }
        if let Some(candidate) = self.candidate.take()
            && let Some(source) = source(candidate.follower.layer)
            && source.generation == candidate.follower.generation
        {
            self.try_candidate(now, candidate, &source, output);
        }
    }

    /// Its numbers mean other packets now.
    fn forget_current(&mut self, output: &mut Output) {
        (self.current, self.broken, self.key_coming) = (None, false, None);
        output.gap();
    }

    fn follow(&mut self, now: Time, follower: &mut Follower, source: &Source<'_>, output: &mut Output) {
        loop {
            match follower.poll(now, source) {
                Step::Waiting => return,
                Step::Lost(number) => {
                    output.gap();
                    self.broken = true;
                    self.key_coming = self.key_coming.filter(|key| *key > number);
                }
                Step::Frame(frame) => self.write(follower, frame, source, output),
            }
        }
    }

    /// Changes to the candidate when its key frame is complete.
    fn try_candidate(
        &mut self,
        now: Time,
        mut candidate: Candidate,
        source: &Source<'_>,
        output: &mut Output,
    ) {
        let (layer, generation) = (candidate.follower.layer, candidate.follower.generation);
        loop {
            match candidate.follower.poll(now, source) {
                Step::Waiting => {
                    self.candidate = Some(candidate);
                    return;
                }
                Step::Frame(frame) if frame.key => {
                    if let Some(before) = self.current.take()
                        && before.waits()
                    {
                        output.gap(); // what it waited for, and what is behind that
                    }
                    let mut follower = candidate.follower;
                    self.write(&follower, frame, source, output);
                    self.follow(now, &mut follower, source, output);
                    self.current = Some(follower);
                    return;
                }
                Step::Frame(_) | Step::Lost(_) if candidate.newest >= candidate.follower.next() => {
                    let first = candidate.newest;
                    let follower = Follower::new(layer, generation, first, candidate.follower.rotation());
                    candidate = Candidate { follower, first, newest: first };
                }
                Step::Frame(_) | Step::Lost(_) => return,
            }
        }
    }

    fn write(
        &mut self,
        follower: &Follower,
        frame: super::follower::Frame,
        source: &Source<'_>,
        output: &mut Output,
    ) {
        self.broken = !frame.key && (self.broken || self.codec.is_some_and(|codec| codec != frame.codec));
        self.codec = Some(frame.codec);
        self.key_coming = self.key_coming.filter(|key| *key >= follower.next());
        let flags = (u8::from(frame.key) * KEY)
            | (u8::from(self.broken) * AFTER_LOSS)
            | (frame.rotation << ROTATION_SHIFT);
        let (layer, generation) = (follower.layer, follower.generation);
        let rtp = output.unwrap(layer, generation, frame.timestamp);
        let written = output.frame(&Written {
            codec: frame.codec,
            flags,
            layer,
            generation,
            rtp,
            clock_rate: frame.clock_rate,
            at: frame.at,
            report: source.report,
            payload: follower.frame(),
        });
        self.broken |= !written;
    }
}
