//! One published source and its layers: what is known of each, and when a key frame is asked for.

use std::time::Duration;

use super::arena::Key;
use super::consumer::Consumer;
use super::formats::MediaFormat;
use super::session::Session;
use super::timeline::Report;
use crate::command::{Kind, ProducerSpec};
use crate::nack::LossTracker;
use crate::packet_cache::PacketCache;
use crate::units::Time;

/// At most one PLI per layer in this time (MEDIA-NOTES §4).
const PLI_INTERVAL: Duration = Duration::from_millis(500);
/// A PLI that no key frame followed is repeated after this time (MEDIA-NOTES §4).
const PLI_RETRY: Duration = Duration::from_millis(1000);
/// `_dataplane.pyi`, `ProducerStalled`: no packet for 2 s.
pub const STALLED: Duration = Duration::from_millis(2000);
/// A simulcast layer without packets for so long is not flowing: cameras send at 5 fps or more.
pub const LAYER_SILENT: Duration = Duration::from_millis(1000);

/// Packets kept per layer: 1 s (MEDIA-NOTES §4) of 10 Mbit/s in 1200-byte packets, 1.5 MB.
const CACHED_PACKETS: usize = 1024;

/// Requests for a key frame of one layer, merged.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyFrameRequests {
    wanted: bool,
    asked_again: bool,
    last_sent: Option<Time>,
}

impl KeyFrameRequests {
    /// Somebody needs a key frame.
    pub fn ask(&mut self) {
        self.wanted = true;
        self.asked_again = true;
    }

    /// Somebody waits for a key frame and has asked before.
    pub fn want(&mut self) {
        self.asked_again |= !self.wanted;
        self.wanted = true;
    }

    /// A key frame began.
    pub fn satisfied(&mut self) {
        (self.wanted, self.asked_again) = (false, false);
    }

    /// Whether a PLI goes out now; counts as sent.
    pub fn due(&mut self, now: Time) -> bool {
        let pause = if self.asked_again { PLI_INTERVAL } else { PLI_RETRY };
        let due = self.wanted && self.last_sent.is_none_or(|last| now - last >= pause);
        if due {
            self.last_sent = Some(now);
            self.asked_again = false;
        }
        due
    }
}

/// Bytes a second, over windows of a second or more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    since: Time,
    bytes: u64,
    bps: u64,
    before: u64,
}

impl Rate {
    /// Counts bytes.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The rate of the last whole window, in bits per second.
    pub fn bps(&mut self, now: Time) -> u64 {
        let span = now - self.since;
        if span >= Duration::from_secs(1) {
            self.before = self.bps;
            self.bps = (self.bytes as f64 * 8.0 / span.as_secs_f64()) as u64;
            (self.since, self.bytes) = (now, 0);
        }
        self.bps
    }

    /// Begins anew: the stream does.
    pub fn restart(&mut self, now: Time) {
        *self = Self { since: now, ..Self::default() };
    }

    /// What to reserve for it, in bits per second: the higher of the last two windows. None before there is one.
    pub fn cost_bps(&mut self, now: Time) -> Option<f64> {
        let bps = self.bps(now).max(self.before);
        (bps > 0).then_some(bps as f64)
    }
}

/// One encoding of a source.
pub struct Layer {
    /// RID, empty without simulcast.
    pub rid: String,
    /// Media SSRC once known.
    pub ssrc: Option<u32>,
    /// RTX SSRC once known.
    pub rtx_ssrc: Option<u32>,
    /// How often the media SSRC changed.
    pub generation: u32,
    /// Format of the last packet.
    pub format: Option<MediaFormat>,
    /// Newest extended sequence number.
    pub highest: Option<u64>,
    /// Losses on the way to us.
    pub losses: LossTracker,
    /// Packets to repair and to start from.
    pub cache: PacketCache,
    /// Key frames asked for.
    pub key_frames: KeyFrameRequests,
    /// Last sender report.
    pub report: Option<Report>,
    /// When the last media packet came.
    pub last_packet: Option<Time>,
    /// Packets that came by retransmission.
    pub recovered: u64,
    /// Packets, repairs included.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Current rate.
    pub rate: Rate,
}

impl Layer {
    fn new(rid: String) -> Self {
        Self {
            rid,
            ssrc: None,
            rtx_ssrc: None,
            generation: 0,
            format: None,
            highest: None,
            losses: LossTracker::new(90_000, false),
            cache: PacketCache::with_capacity(CACHED_PACKETS),
            key_frames: KeyFrameRequests::default(),
            report: None,
            last_packet: None,
            recovered: 0,
            packets: 0,
            bytes: 0,
            rate: Rate::default(),
        }
    }

    /// Takes another media SSRC: sequence numbers, clock and losses begin anew.
    pub fn replace_ssrc(&mut self, ssrc: u32) {
        if self.ssrc.is_some() {
            self.generation += 1;
        }
        self.ssrc = Some(ssrc);
        self.highest = None;
        self.report = None;
        self.cache.clear();
    }

    /// Takes the format of a packet in; the first one of an SSRC says what its losses are measured against.
    pub fn set_format(&mut self, format: MediaFormat) {
        if self.highest.is_none() {
            self.losses = LossTracker::new(format.clock_rate, format.rtx_payload_type.is_some());
        }
        self.format = Some(format);
    }

    /// Whether packets come.
    pub fn flowing(&self, now: Time, silent: Duration) -> bool {
        self.last_packet.is_some_and(|last| now - last < silent)
    }
}

/// One published source.
pub struct Producer {
    /// Caller's id.
    pub id: u64,
    /// Whose it is.
    pub session: Key<Session>,
    /// Sound or picture.
    pub kind: Kind,
    /// MID at the publisher.
    pub mid: String,
    /// Encodings from the lowest to the highest.
    pub layers: Vec<Layer>,
    /// Received and not forwarded.
    pub muted: bool,
    /// Counts for active-speaker detection.
    pub speaker: bool,
    /// Who gets it.
    pub consumers: Vec<Key<Consumer>>,
    /// `ProducerStarted` was told and `ProducerStalled` not since.
    pub started: bool,
}

impl Producer {
    /// A source without packets.
    pub fn new(id: u64, session: Key<Session>, spec: ProducerSpec) -> Self {
        let layers = if spec.rids.is_empty() {
            vec![Layer::new(String::new())]
        } else {
            spec.rids.into_iter().map(Layer::new).collect()
        };
        Self {
            id,
            session,
            kind: spec.kind,
            mid: spec.mid,
            layers,
            muted: false,
            speaker: spec.speaker,
            consumers: Vec::new(),
            started: false,
        }
    }

    /// The layer to send to somebody who wants at most `wanted`: the best flowing one not above it, else the lowest
    /// flowing one, else as wanted.
    pub fn choose_layer(&self, now: Time, wanted: u8) -> u8 {
        let top = (self.layers.len() - 1).min(usize::from(wanted));
        let flows = |i: &usize| self.layers[*i].flowing(now, LAYER_SILENT);
        (0..=top).rev().find(flows).or_else(|| (top + 1..self.layers.len()).find(flows)).unwrap_or(top) as u8
    }

    /// When the last packet of any layer came.
    pub fn last_packet(&self) -> Option<Time> {
        self.layers.iter().filter_map(|l| l.last_packet).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frame_requests_merge_and_repeat() {
        let (mut requests, mut sent) = (KeyFrameRequests::default(), Vec::new());
        for ms in 0..4000 {
            if ms < 1200 && ms % 7 == 0 {
                requests.ask();
            }
            if requests.due(Time::from_millis(ms)) {
                sent.push(ms);
            }
            if ms == 3100 {
                requests.satisfied();
            }
        }
        assert_eq!(sent, [0, 500, 1000, 1500, 2500]);
    }

    #[test]
    fn the_best_flowing_layer_not_above_the_wanted_one() {
        let mut arena = super::super::arena::Arena::<Session>::default();
        let room = super::super::arena::Arena::default().insert(1, super::super::Room::new(1)).unwrap();
        let credentials =
            super::super::session::Credentials { ufrag: String::new(), password: String::new() };
        let session = arena.insert(1, Session::new(1, room, credentials)).unwrap();
        let rids = ["q", "h", "f"].map(String::from).to_vec();
        let spec = ProducerSpec { kind: Kind::Video, mid: "1".into(), rids, ssrcs: vec![], speaker: false };
        let mut producer = Producer::new(1, session, spec);
        let now = Time::from_millis(10_000);
        let mut flow = |set: &[usize]| {
            for (i, layer) in producer.layers.iter_mut().enumerate() {
                layer.last_packet = set.contains(&i).then_some(now);
            }
            [0, 1, 2, 7].map(|wanted| producer.choose_layer(now, wanted))
        };
        assert_eq!(flow(&[]), [0, 1, 2, 2]);
        assert_eq!(flow(&[0]), [0, 0, 0, 0]);
        assert_eq!(flow(&[0, 2]), [0, 0, 2, 2]);
        assert_eq!(flow(&[1, 2]), [1, 1, 2, 2]);
    }
}
