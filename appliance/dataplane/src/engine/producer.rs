//! One published source and its layers: what is known of each, and when a key frame is asked for.

use std::time::Duration;

use super::arena::Key;
use super::consumer::Consumer;
use super::dynacast::Wanting;
use super::formats::MediaFormat;
use super::rate::{Parts, Rate};
use super::scalability::Scalability;
use super::session::Session;
use super::timeline::Report;
use crate::codec::FrameInfo;
use crate::command::{Kind, ProducerSpec};
use crate::nack::LossTracker;
use crate::packet_cache::PacketCache;
use crate::tap::Tap;
use crate::units::Time;

/// At most one PLI per layer in this time (MEDIA-NOTES §4).
const PLI_INTERVAL: Duration = Duration::from_millis(500);
/// A PLI that no key frame followed is repeated after this time (MEDIA-NOTES §4).
const PLI_RETRY: Duration = Duration::from_millis(1000);
/// `_dataplane.pyi`, `ProducerStalled`: no packet for 2 s.
pub const STALLED: Duration = Duration::from_millis(2000);
/// A simulcast layer without packets for so long is not flowing: cameras send at 5 fps or more.
pub const LAYER_SILENT: Duration = Duration::from_millis(1000);

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

    /// Whether `due` wants to be asked with each tick.
    pub fn is_wanted(&self) -> bool {
        self.wanted
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
    /// Its temporal layers.
    pub parts: Parts,
    /// Whether anybody wants it.
    pub wanting: Wanting,
    /// Layers within it; None while nothing tells of any.
    inner: Option<Box<Scalability>>,
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
            cache: PacketCache::new(),
            key_frames: KeyFrameRequests::default(),
            report: None,
            last_packet: None,
            recovered: 0,
            packets: 0,
            bytes: 0,
            rate: Rate::default(),
            parts: Parts::default(),
            wanting: Wanting::default(),
            inner: None,
        }
    }

    /// Takes in what a packet says of the layers within; completes it by the templates of the descriptor.
    pub fn describe(&mut self, now: Time, descriptor: Option<&[u8]>, frame: &mut FrameInfo, bytes: usize) {
        if self.inner.is_none() && frame.number.is_none() && frame.spatial.unwrap_or(0) == 0 {
            return;
        }
        let inner = self.inner.get_or_insert_default();
        if let Some(descriptor) = descriptor {
            inner.on_descriptor(descriptor, frame);
        }
        inner.count(now, frame, bytes);
    }

    /// Layers within it.
    pub fn inner(&self) -> Option<&Scalability> {
        self.inner.as_deref()
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
        if let Some(inner) = &mut self.inner {
            inner.forget();
        }
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
    /// Its room forwards it: always, but for microphones of a big one.
    pub admitted: bool,
    /// Who gets it.
    pub consumers: Vec<Key<Consumer>>,
    /// Who takes its frames.
    pub taps: Vec<Tap>,
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
            admitted: true,
            consumers: Vec::new(),
            taps: Vec::new(),
            started: false,
        }
    }

    /// The only SSRC that ever sent, and how many spatial layers are in it, if there are several: they are the producer's
    /// layers then.
    pub fn svc(&self) -> Option<(u8, usize)> {
        let mut sent = self.layers.iter().enumerate().filter(|(_, layer)| layer.highest.is_some());
        let (index, layer) = sent.next()?;
        let count = usize::from(layer.inner()?.spatial_count());
        (count > 1 && sent.next().is_none()).then_some((index as u8, count))
    }

    /// How many layers a consumer can choose from: SSRCs of simulcast, or spatial layers of one SSRC.
    pub fn layer_count(&self) -> usize {
        self.svc().map_or(self.layers.len(), |(_, count)| count)
    }

    /// Whether a layer comes.
    pub fn layer_flows(&self, now: Time, layer: usize) -> bool {
        match self.svc() {
            Some((ssrc, _)) => {
                self.layers[usize::from(ssrc)].inner().is_some_and(|i| i.flowing(now, layer, LAYER_SILENT))
            }
            None => self.layers.get(layer).is_some_and(|l| l.flowing(now, LAYER_SILENT)),
        }
    }

    /// What to reserve for a layer, with those below that it needs, in bits per second, and which part of that its temporal
    /// layers have. No rate in its first second. `overhead`: of each packet on the link ([`super::path::Path::overhead`]).
    pub fn layer_cost(&mut self, now: Time, layer: usize, overhead: usize) -> Option<(Option<f64>, &Parts)> {
        let Some((ssrc, _)) = self.svc() else {
            let layer = self.layers.get_mut(layer)?;
            layer.parts.roll(now);
            return Some((layer.rate.cost_bps(now, overhead), &layer.parts));
        };
        self.layers[usize::from(ssrc)].inner.as_mut()?.cost(now, layer, overhead)
    }

    /// SSRC (index) and spatial layer within it of a layer.
    pub fn place_of(&self, layer: u8) -> (u8, u8) {
        self.svc().map_or((layer, u8::MAX), |(ssrc, _)| (ssrc, layer))
    }

    /// The layer to send to somebody who wants at most `wanted`: the best flowing one not above it, else the lowest
    /// flowing one, else as wanted.
    pub fn choose_layer(&self, now: Time, wanted: u8) -> u8 {
        let count = self.layer_count();
        let top = (count - 1).min(usize::from(wanted));
        let flows = |i: &usize| self.layer_flows(now, *i);
        (0..=top).rev().find(flows).or_else(|| (top + 1..count).find(flows)).unwrap_or(top) as u8
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
        let room = super::super::arena::Arena::default().insert(1, super::super::Room::new(1, 0)).unwrap();
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
