//! How fast a session's packets may leave, and what waits until they may.
//!
//! Pure. A bucket of bytes fills at a multiple of the estimate and holds what the link carries in a little more than a
//! frame's time: as long as it is not empty packets leave at once, frame by frame, and nothing here is touched. Behind a
//! key frame, or a frame larger than the link, it is, and what is left of the picture waits. Sound never does. What waits
//! is named, not copied: the packets lie in their layer's cache. They get their number when they leave, so that what is
//! given up leaves no gap. The engine gives an estimate only of a link that has shown its limit
//! (`Bandwidth::has_shown_its_limit`).
//!
//! Rejected: one queue for a session. Behind one picture's key frame all others would wait, and what one gives up would
//! have to be searched for.

use std::collections::VecDeque;
use std::time::Duration;

use super::arena::Key;
use super::bandwidth::Room;
use super::consumer::Consumer;
use super::forward::Incoming;
use crate::units::Time;

/// The bucket fills at this multiple of an estimate that is as much as was ever asked of the link (libwebrtc,
/// GoogCcNetworkController: kDefaultPaceMultiplier).
const FACTOR: f64 = 2.5;
/// And at this one of an estimate that is what the link carries, of which a probe leaves the twentieth part: what leaves
/// faster waits there instead of here, sound behind it (measured: two key frames of 16 kB on 1 Mbit/s delay it by 144 ms
/// at 2.5), and its growing delay is taken for over-use (at 1.25 a layer's first key frame cost a third of the estimate).
const FULL_FACTOR: f64 = 1.10;
/// While a queue stands in front of the link nothing is to be added to it: the estimate less what drains 60 ms of it in
/// half a second.
const QUEUE_FACTOR: f64 = 0.9;
/// It holds what the estimate carries in so long: a frame at 30 fps, and a fifth for those that are larger than others.
const BURST_S: f64 = 0.040;
/// And of a full link half of that: the step in delay that it makes is not to look like a growing queue.
const FULL_BURST_S: f64 = 0.020;
/// How often what waits is looked after (libwebrtc, TaskQueuePacedSender: 5 ms).
pub const TURN: Duration = Duration::from_millis(5);
/// Where there is a lower layer, a picture that waited so long takes that one: with the way itself less than the 400 ms
/// that make a call clumsy (ITU-T G.114 §4), and more than a key frame of the layer that the link carries takes.
pub const GIVE_UP: Duration = Duration::from_millis(300);
/// Where there is none, it leaves so much faster that it does not wait longer (libwebrtc, PacingController:
/// drain_large_queues; there 2 s, while our cache remembers one).
const LONGEST: Duration = Duration::from_millis(500);
/// Packets of one picture that may wait: 600 kB, a 4K screen's key frame.
const MAX_WAITING: usize = 512;
/// Repairs that may wait; what does not find room is asked for again.
const MAX_REPAIRS: usize = 128;

/// A packet that waits: where it lies in its producer.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Extended sequence number.
    pub seq: u64,
    /// When it arrived.
    pub at: Time,
    /// SSRC generation of its layer.
    pub generation: u32,
    timestamp: u32,
    bytes: u16,
    /// How many numbers the newest packet of the layer was ahead of it when it arrived.
    pub behind: u16,
    /// Its layer.
    pub layer: u8,
}

/// What waits for one consumer, in order.
#[derive(Debug, Default)]
pub struct Queue {
    packets: VecDeque<Waiting>,
    bytes: usize,
    /// Layer of the last key frame among them.
    starts: Option<u8>,
}

impl Queue {
    /// Puts a packet behind the others; false if there is no room. `switches`: the consumer is to begin with it, and
    /// what waits of the former layer would only delay it.
    pub fn push(&mut self, at: Time, packet: &Incoming<'_>, switches: bool) -> bool {
        if self.packets.capacity() == 0 {
            self.packets.reserve_exact(MAX_WAITING);
        }
        if switches && self.starts != Some(packet.layer) {
            // a frame that was begun is ended
            let frame = self.packets.front().map(|first| first.timestamp);
            self.packets.retain(|waiting| Some(waiting.timestamp) == frame);
            self.bytes = self.packets.iter().map(|waiting| usize::from(waiting.bytes)).sum();
            self.starts = Some(packet.layer);
        }
        if self.packets.len() >= MAX_WAITING {
            return false;
        }
        let bytes = packet.view.packet().len().min(usize::from(u16::MAX));
        self.bytes += bytes;
        self.packets.push_back(Waiting {
            seq: packet.seq,
            at,
            generation: packet.generation,
            timestamp: packet.view.timestamp(),
            bytes: bytes as u16,
            behind: (packet.highest.saturating_sub(packet.seq)).min(u64::from(u16::MAX)) as u16,
            layer: packet.layer,
        });
        true
    }

    /// Takes the oldest packet out.
    pub fn pop(&mut self) -> Option<Waiting> {
        let packet = self.packets.pop_front()?;
        self.bytes -= usize::from(packet.bytes);
        if self.packets.is_empty() {
            self.starts = None;
        }
        Some(packet)
    }

    /// When the oldest packet came.
    pub fn since(&self) -> Option<Time> {
        self.packets.front().map(|packet| packet.at)
    }

    /// Bytes that wait, each packet with so much overhead.
    pub fn bytes_on_link(&self, overhead: usize) -> usize {
        self.bytes + self.packets.len() * overhead
    }

    /// Whether a key frame of a layer waits.
    pub fn starts(&self, layer: u8) -> bool {
        self.starts == Some(layer)
    }

    /// Gives everything up.
    pub fn clear(&mut self) {
        self.packets.clear();
        (self.bytes, self.starts) = (0, None);
    }
}

/// The bucket of one session.
#[derive(Debug, Default)]
pub struct Pacer {
    /// What the link carries, in bytes per second; zero without a limit.
    link: f64,
    /// What may leave, in bytes per second.
    rate: f64,
    /// What may leave at once, in bytes.
    most: f64,
    /// The same while what waits must leave sooner.
    hurry: f64,
    budget: f64,
    refilled: Time,
    /// Something waits.
    pub waits: bool,
    /// Whose turn it is, among the session's consumers.
    pub turn: usize,
    /// Repairs that wait: whose, and the number asked for.
    repairs: VecDeque<(Key<Consumer>, u64)>,
}

impl Pacer {
    /// What the link carries, in bits per second; None without a limit. `room`: what it can take beside.
    pub fn set_estimate(&mut self, now: Time, bps: Option<f64>, room: Room) {
        let link = bps.unwrap_or(0.0) / 8.0;
        if self.link == 0.0 {
            (self.refilled, self.budget) = (now, link * BURST_S);
        }
        self.link = link;
        (self.rate, self.most) = match room {
            Room::Unknown => (link * FACTOR, link * BURST_S),
            Room::Full => (link * FULL_FACTOR, link * FULL_BURST_S),
            Room::Queue => (link * QUEUE_FACTOR, link * FULL_BURST_S),
        };
    }

    /// What the link carries, in bits per second.
    pub fn estimate(&self) -> Option<f64> {
        (self.link > 0.0).then_some(self.link * 8.0)
    }

    /// What waits must be gone soon enough: so many bytes of pictures, the oldest of which came at `since`.
    pub fn hurry(&mut self, now: Time, bytes: usize, since: Time) {
        let left = LONGEST.saturating_sub(now - since).max(TURN);
        self.hurry = bytes as f64 / left.as_secs_f64();
    }

    /// Whether a packet that is not sound may leave now.
    pub fn admits(&mut self, now: Time) -> bool {
        if self.rate == 0.0 {
            return true;
        }
        let gained = self.rate.max(self.hurry) * (now - self.refilled).as_secs_f64();
        // a turn of hurry may be more than the bucket holds
        self.budget = (self.budget + gained).min(self.most.max(self.hurry * TURN.as_secs_f64()));
        self.refilled = self.refilled.max(now);
        self.budget > 0.0
    }

    /// Whether a packet that is not sound has to wait: it may not leave, or others came before.
    pub fn holds(&mut self, now: Time) -> bool {
        self.rate > 0.0 && (self.waits || !self.admits(now))
    }

    /// A packet left.
    pub fn on_sent(&mut self, bytes: usize) {
        if self.rate > 0.0 {
            // sound and what was in hand may overdraw it, by no more than it holds
            self.budget = (self.budget - bytes as f64).max(-self.most.max(bytes as f64));
        }
    }

    /// More may leave, in place of padding.
    pub fn add(&mut self, bytes: usize) {
        self.budget = self.budget.max(0.0) + bytes as f64;
    }

    /// A repair waits, unless too many do.
    pub fn push_repair(&mut self, consumer: Key<Consumer>, number: u64) {
        if self.repairs.capacity() == 0 {
            self.repairs.reserve_exact(MAX_REPAIRS);
        }
        if self.repairs.len() < MAX_REPAIRS {
            self.repairs.push_back((consumer, number));
        }
    }

    /// The repair that waited longest.
    pub fn pop_repair(&mut self) -> Option<(Key<Consumer>, u64)> {
        self.repairs.pop_front()
    }

    /// Whether a repair waits.
    pub fn has_repairs(&self) -> bool {
        !self.repairs.is_empty()
    }

    /// Nothing waits any more.
    pub fn rest(&mut self) {
        (self.waits, self.hurry) = (false, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `packets` of 1000 bytes leaves, all offered at once, and sound of 100 bytes each 20 ms beside.
    fn leave(bps: f64, packets: usize) -> Vec<u64> {
        let (mut pacer, mut left) = (Pacer::default(), Vec::new());
        pacer.set_estimate(Time::from_millis(1000), Some(bps), Room::Unknown);
        for ms in (0..).step_by(5).take_while(|ms| *ms < 10_000) {
            let now = Time::from_millis(1000 + ms);
            if ms % 20 == 0 {
                pacer.on_sent(100);
            }
            while left.len() < packets && pacer.admits(now) {
                pacer.on_sent(1000);
                left.push(ms);
            }
        }
        left
    }

    #[test]
    fn what_a_link_carries_in_a_frame_leaves_at_once_and_the_rest_at_two_and_a_half_times_the_estimate() {
        for bps in [300e3, 1e6, 5e6] {
            let bytes = bps / 8.0 * 0.5;
            let left = leave(bps, (bytes / 1000.0) as usize);
            let at_once = left.iter().filter(|ms| **ms == 0).count() as f64 * 1000.0;
            assert!((at_once - bps / 8.0 * BURST_S).abs() <= 1100.0, "{at_once}");
            let last = *left.last().unwrap() as f64;
            let paced = (bytes - at_once) * 8.0 / (FACTOR * bps - 40e3) * 1000.0;
            assert!((last - paced).abs() <= 8000.0 / bps * 1000.0 + 5.0, "{last} {paced}");
        }
    }

    #[test]
    fn without_an_estimate_nothing_waits_and_an_overdraft_is_bounded() {
        let mut pacer = Pacer::default();
        for _ in 0..1000 {
            pacer.on_sent(1000);
        }
        assert!(!pacer.holds(Time(1)));
        pacer.set_estimate(Time::from_millis(1), Some(800e3), Room::Unknown);
        for _ in 0..1000 {
            pacer.on_sent(1000);
        }
        assert!(pacer.holds(Time::from_millis(2)));
        assert!(!pacer.holds(Time::from_millis(19)), "16 ms fill what 40 ms of the link empty");
        pacer.set_estimate(Time::from_millis(20), None, Room::Unknown);
        assert!(!pacer.holds(Time::from_millis(20)));
    }

    #[test]
    fn what_waits_long_leaves_faster() {
        let mut pacer = Pacer::default();
        let at = Time::from_millis;
        pacer.set_estimate(at(1000), Some(100e3), Room::Full);
        let (mut queued, mut ms) = (100_000usize, 1000);
        while queued > 0 {
            pacer.hurry(at(ms), queued, at(1000));
            while queued > 0 && pacer.admits(at(ms)) {
                pacer.on_sent(1000);
                queued -= 1000;
            }
            ms += 5;
        }
        assert!((1450..=1520).contains(&ms), "{ms}");
        pacer.rest();
        assert!(pacer.holds(at(ms)));
    }
}
