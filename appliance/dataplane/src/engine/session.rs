//! One client's transport: credentials, validated paths, keys, negotiated tables, and who its SSRCs are.

use std::collections::HashMap;
use std::time::Duration;

use super::Room;
use super::arena::Key;
use super::bandwidth::{Bandwidth, Limit};
use super::consumer::Consumer;
use super::feedback_interval::FeedbackInterval;
use super::formats::{ExtensionIds, PayloadTable};
use super::pacer::Pacer;
use super::path::Paths;
use super::police::Police;
use super::producer::Producer;
use super::round_trip::RoundTrip;
use super::timeline::PublisherClock;
use crate::srtp;
use crate::transport_feedback::ArrivalLog;
use crate::units::Time;

/// SSRCs that a session may send: 3 layers with RTX for camera and screen, two audio tracks, and each of them replaced
/// a few times (MEDIA-NOTES §7: SSRCs per session capped).
pub const MAX_SSRCS: usize = 64;

/// Local ICE credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Local user name fragment.
    pub ufrag: String,
    /// Local password.
    pub password: String,
}

/// Where packets of an SSRC belong.
#[derive(Clone, Copy, Debug)]
pub struct SsrcUse {
    /// Which producer.
    pub producer: Key<Producer>,
    /// Which layer of it.
    pub layer: u8,
    /// Carries retransmissions of the layer.
    pub rtx: bool,
}

/// SRTP both ways.
pub struct Keys {
    /// Packets to the client.
    pub tx: srtp::Context,
    /// Packets from the client.
    pub rx: srtp::Context,
}

/// Counters since the session began.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct SessionCounters {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub policed: u64,
    pub nacks_sent: u64,
    pub nacks_received: u64,
    pub rtx_sent: u64,
    pub plis_sent: u64,
    pub plis_received: u64,
}

/// Share of packets lost on the way to the client, from its receiver reports over the last 2 s.
#[derive(Default)]
pub struct DownlinkLoss {
    since: Time,
    weighted: f64,
    weight: f64,
    share: f64,
}

impl DownlinkLoss {
    /// Window of the figure (`_dataplane.pyi`, `stats`).
    const WINDOW: Duration = Duration::from_secs(2);

    /// One report block: RFC 3550 §6.4.1 fraction lost (of 256), weighted with the packets that the stream sent.
    pub fn on_block(&mut self, now: Time, fraction: u8, packets: f64) {
        self.weighted += f64::from(fraction) / 256.0 * packets;
        self.weight += packets;
        self.roll(now);
    }

    /// The share, 0..=1.
    pub fn share(&mut self, now: Time) -> f64 {
        self.roll(now);
        self.share
    }

    fn roll(&mut self, now: Time) {
        if now - self.since >= Self::WINDOW {
            self.share = if self.weight > 0.0 { self.weighted / self.weight } else { 0.0 };
            (self.since, self.weighted, self.weight) = (now, 0.0, 0.0);
        }
    }
}

/// Share of packets lost on the way from the client, before repair, over the last 2 s.
#[derive(Default)]
pub struct UplinkLoss {
    since: Time,
    expected: u64,
    lost: u64,
    /// The share, 0..=1.
    pub share: f64,
}

impl UplinkLoss {
    /// Totals since the session began; they fall when a producer goes, and the window then begins anew.
    pub fn update(&mut self, now: Time, expected: u64, lost: u64) {
        if expected < self.expected || lost < self.lost {
            (self.since, self.expected, self.lost) = (now, expected, lost);
        } else if now - self.since >= DownlinkLoss::WINDOW {
            let (all, missing) = (expected - self.expected, lost - self.lost);
            self.share = if all == 0 { 0.0 } else { (missing as f64 / all as f64).min(1.0) };
            (self.since, self.expected, self.lost) = (now, expected, lost);
        }
    }
}

/// When and for what the session's estimate was divided last.
#[derive(Clone, Copy, Debug)]
pub struct Division {
    /// Next time at the latest.
    pub due: Time,
    /// For which limit.
    pub limit: Limit,
    /// What was given out, sound included, in bits per second.
    pub allocated_bps: f64,
    /// Sound goes without its redundant blocks (RFC 2198), pictures need the room.
    pub bare_sound: bool,
}

/// One client.
pub struct Session {
    /// Caller's id.
    pub id: u64,
    /// Where it is.
    pub room: Key<Room>,
    /// What checks must carry.
    pub credentials: Credentials,
    /// What checks may carry until a path is nominated with the new ones (ICE restart, RFC 8445 §9).
    pub previous: Option<Credentials>,
    /// Validated paths.
    pub paths: Paths,
    /// What it sends against what it may.
    pub police: Police,
    /// None before the DTLS handshake.
    pub keys: Option<Keys>,
    /// Payload types.
    pub payloads: PayloadTable,
    /// Header extensions.
    pub extensions: ExtensionIds,
    /// Latched and signalled SSRCs.
    pub ssrcs: HashMap<u32, SsrcUse>,
    /// (MID, RID) that each SSRC named once: browsers stop naming them when the first report came, also if the producer
    /// is taken away and another is put on the same m-line later.
    pub identities: HashMap<u32, (String, String)>,
    /// What it publishes.
    pub producers: Vec<Key<Producer>>,
    /// What it receives on.
    pub consumers: Vec<Key<Consumer>>,
    /// Arrivals to report by transport-wide feedback; None until a packet carries the extension.
    pub arrivals: Option<Box<ArrivalLog>>,
    /// SSRC that transport-wide feedback speaks of: the last one that carried the extension.
    pub feedback_ssrc: u32,
    /// When feedback is next due.
    pub next_feedback: Time,
    /// And how soon after it the one behind it.
    pub feedback_interval: FeedbackInterval,
    /// When receiver reports are next due.
    pub next_report: Time,
    /// Last transport-wide sequence number given out.
    pub transport_seq: u16,
    /// What the link to the client carries.
    pub bandwidth: Bandwidth,
    /// How fast packets leave for it.
    pub pacer: Pacer,
    /// How that is divided.
    pub division: Division,
    /// Round trip to the client.
    pub round_trip: RoundTrip,
    /// The client's NTP clock against ours.
    pub clock: PublisherClock,
    /// Loss from the client.
    pub uplink: UplinkLoss,
    /// Loss to the client.
    pub downlink: DownlinkLoss,
    /// Counters.
    pub counters: SessionCounters,
}

impl Session {
    /// A session without path, keys and tables.
    pub fn new(id: u64, room: Key<Room>, credentials: Credentials) -> Self {
        Self {
            id,
            room,
            credentials,
            previous: None,
            paths: Paths::default(),
            police: Police::default(),
            keys: None,
            payloads: PayloadTable::default(),
            extensions: ExtensionIds::default(),
            ssrcs: HashMap::new(),
            identities: HashMap::new(),
            producers: Vec::new(),
            consumers: Vec::new(),
            arrivals: None,
            feedback_ssrc: 0,
            next_feedback: Time(0),
            feedback_interval: FeedbackInterval::default(),
            next_report: Time(0),
            transport_seq: 0,
            bandwidth: Bandwidth::default(),
            pacer: Pacer::default(),
            division: Division { due: Time(0), limit: Limit::None, allocated_bps: 0.0, bare_sound: false },
            round_trip: RoundTrip::default(),
            clock: PublisherClock::default(),
            uplink: UplinkLoss::default(),
            downlink: DownlinkLoss::default(),
            counters: SessionCounters::default(),
        }
    }

    /// It had a path once and has none now.
    pub fn is_lost(&self) -> bool {
        self.keys.is_some() && self.paths.selected().is_none()
    }

    /// Bytes on the link beside each packet; none without a path.
    pub fn overhead(&self) -> usize {
        self.paths.selected().map_or(0, |path| path.overhead())
    }

    /// Takes a signalled or latched SSRC in. False when there are too many.
    pub fn latch(&mut self, ssrc: u32, belongs: SsrcUse) -> bool {
        if self.ssrcs.len() >= MAX_SSRCS && !self.ssrcs.contains_key(&ssrc) {
            return false;
        }
        self.ssrcs.insert(ssrc, belongs);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downlink_loss_is_weighted_and_forgets() {
        let mut loss = DownlinkLoss { since: Time::from_millis(1), ..DownlinkLoss::default() };
        loss.on_block(Time::from_millis(500), 128, 300.0);
        loss.on_block(Time::from_millis(600), 0, 100.0);
        assert!((loss.share(Time::from_millis(2001)) - 0.375).abs() < 1e-9);
        assert_eq!(loss.share(Time::from_millis(4001)), 0.0);
    }
}
