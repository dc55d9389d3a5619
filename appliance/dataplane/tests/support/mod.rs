//! A seeded link between an engine and test peers that speak real ICE checks, SRTP and RTCP.

#![allow(dead_code, missing_docs)] // every test file uses its part

pub mod inbound;
pub mod journal;
pub mod meeting;
pub mod packets;
pub mod peer;
pub mod random;
pub mod reports;
pub mod svc;
pub mod track;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use _dataplane::command::{Command, ConsumerSpec, Kind, ProducerSpec};
use _dataplane::engine::Engine;
use _dataplane::engine::formats::{ExtensionIds, PayloadSpec};
use _dataplane::engine::path::Path;
use _dataplane::event::Event;
use _dataplane::srtp::{Context, Profile};
use _dataplane::units::Time;
use peer::Peer;
pub use random::Random;

/// What a link does to datagrams.
#[derive(Clone, Copy)]
pub struct Link {
    pub loss: f64,
    pub delay: Duration,
    pub jitter: Duration,
    /// The receiver has other things to do, five times a second for up to so long: what arrives meanwhile it sees only
    /// then, as a browser does on a machine without a core to spare.
    pub busy: Duration,
}

impl Link {
    /// When what arrives at `at` is seen: stalls begin somewhere in each fifth of a second.
    fn seen(&self, seed: u64, at: Time) -> Time {
        const EACH_US: u64 = 200_000;
        let mut stall = Random(seed ^ (at.0 / EACH_US));
        let begin = at.0 / EACH_US * EACH_US + stall.next() % EACH_US;
        let end = begin + stall.next() % (self.busy.as_micros() as u64 + 1);
        if (begin..end).contains(&at.0) { Time(end) } else { at }
    }
}

pub const CLEAN: Link =
    Link { loss: 0.0, delay: Duration::from_millis(5), jitter: Duration::ZERO, busy: Duration::ZERO };

/// A drop-tail queue in front of a link of limited rate, to one peer.
pub struct Bottleneck {
    pub rate_bps: f64,
    /// What does not fit into a queue of this length is dropped.
    pub queue: Duration,
    busy_until: Time,
    /// (when sent, how long it waited) of every datagram that was not dropped.
    pub waits: Vec<(Time, Duration)>,
    pub bytes: u64,
    pub drops: Vec<Time>,
}

impl Bottleneck {
    pub fn new(rate_bps: f64) -> Self {
        Self {
            rate_bps,
            queue: Duration::from_millis(500),
            busy_until: Time(0),
            waits: Vec::new(),
            bytes: 0,
            drops: Vec::new(),
        }
    }

    /// When a datagram of so many bytes on the link is through; None if it is dropped.
    fn pass(&mut self, now: Time, bytes: usize) -> Option<Time> {
        let wait = self.busy_until - now;
        if wait > self.queue {
            self.drops.push(now);
            return None;
        }
        self.waits.push((now, wait));
        self.bytes += bytes as u64;
        self.busy_until =
            self.busy_until.max(now) + Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate_bps);
        Some(self.busy_until)
    }

    /// The wait that this share of datagrams since `from` did not exceed.
    pub fn wait(&self, from: Time, share: f64) -> Duration {
        let mut waits: Vec<_> =
            self.waits.iter().filter(|(at, _)| *at >= from).map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        waits[((waits.len() - 1) as f64 * share) as usize]
    }
}

enum Way {
    Up,
    Down,
}

/// Which way, whose, on which path, what.
type Flying = (Way, usize, Path, Vec<u8>);

/// An engine with its peers, stepped a millisecond at a time.
pub struct Net {
    pub engine: Engine,
    pub now: Time,
    pub link: Link,
    pub peers: Vec<Peer>,
    pub events: Vec<Event>,
    pub dtls: Vec<(u64, Vec<u8>)>,
    /// By index of the peer that it leads to.
    pub bottlenecks: BTreeMap<usize, Bottleneck>,
    seed: u64,
    random: Random,
    flying: BTreeMap<(Time, u64), Flying>,
    sent: u64,
}

pub const ROOM: u64 = 1;
pub const PROFILE: Profile = Profile::AeadAes128Gcm;

/// Extension ids differ between the sessions, as they do between browsers.
pub fn extension_ids(session: u64) -> ExtensionIds {
    if session % 2 == 1 {
        ExtensionIds {
            audio_level: 1,
            abs_send_time: 2,
            transport_cc: 3,
            mid: 4,
            playout_delay: 5,
            rid: 10,
            repaired_rid: 11,
            ..ExtensionIds::default()
        }
    } else {
        ExtensionIds {
            audio_level: 1,
            mid: 3,
            abs_send_time: 4,
            transport_cc: 7,
            playout_delay: 6,
            rid: 9,
            repaired_rid: 10,
            ..ExtensionIds::default()
        }
    }
}

/// Payload types differ between the sessions too: (VP8, its RTX, Opus).
pub fn payload_types(session: u64) -> (u8, u8, u8) {
    if session % 2 == 1 { (96, 97, 111) } else { (120, 124, 109) }
}

/// And RED, where it is negotiated.
pub fn red_type(session: u64) -> u8 {
    if session % 2 == 1 { 63 } else { 101 }
}

pub fn address(session: u64) -> SocketAddr {
    SocketAddr::new([10, 0, (session >> 8) as u8, session as u8].into(), 40_000)
}

pub fn path(remote: SocketAddr) -> Path {
    Path::Udp { socket: 0, local: [192, 0, 2, 1].into(), remote }
}

impl Net {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::with_last_n(seed, link, 0)
    }

    /// Of many microphones the room forwards so many.
    pub fn with_last_n(seed: u64, link: Link, audio_last_n: usize) -> Self {
        let mut engine = Engine::new(3_900_000_000 << 32, 64);
        let now = Time::from_millis(1000);
        engine.handle_command(now, Command::AddRoom { room: ROOM, audio_last_n });
        Self {
            engine,
            now,
            link,
            peers: Vec::new(),
            events: Vec::new(),
            dtls: Vec::new(),
            bottlenecks: BTreeMap::new(),
            seed,
            random: Random(seed),
            flying: BTreeMap::new(),
            sent: 0,
        }
    }

    pub fn command(&mut self, command: Command) {
        self.engine.handle_command(self.now, command);
        self.drain();
    }

    /// A session without path and keys.
    pub fn add_session(&mut self, session: u64) -> usize {
        let peer = Peer::new(session);
        let (ufrag, password) = (peer.ufrag.clone(), peer.password.clone());
        self.command(Command::AddSession { session, room: ROOM, ufrag, password });
        let (vp8, rtx, opus) = payload_types(session);
        let spec = |payload_type, format: &str, clock_rate, rtx_payload_type| PayloadSpec {
            payload_type,
            format: format.into(),
            clock_rate,
            rtx_payload_type,
        };
        let payloads = vec![spec(opus, "opus", 48_000, None), spec(vp8, "vp8", 90_000, Some(rtx))];
        self.command(Command::SetFormats { session, payloads, extensions: extension_ids(session) });
        self.peers.push(peer);
        self.peers.len() - 1
    }

    /// A session that is connected and has keys.
    pub fn connect(&mut self, session: u64) -> usize {
        let index = self.add_session(session);
        self.check(index, true);
        let (tx, rx) = (master_key(session, 1), master_key(session, 2));
        self.command(Command::SetKeys { session, profile: PROFILE, tx, rx });
        index
    }

    /// A connectivity check that no link can lose.
    pub fn check(&mut self, index: usize, nominate: bool) {
        let mut check = self.peers[index].check(nominate);
        let path = self.peers[index].path;
        self.engine.handle_packet(self.now, path, &mut check);
        self.drain();
    }

    pub fn publish(&mut self, index: usize, producer: u64, kind: Kind, mid: &str, rids: &[&str]) {
        let rids = rids.iter().map(ToString::to_string).collect();
        let session = self.peers[index].session;
        let spec = ProducerSpec { kind, mid: mid.into(), rids, ssrcs: vec![], speaker: kind == Kind::Audio };
        self.command(Command::AddProducer { producer, session, spec });
    }

    pub fn subscribe(&mut self, index: usize, consumer: u64, kind: Kind, producer: Option<u64>) {
        let (session, ssrc) = (self.peers[index].session, 0x1000_0000 + consumer as u32 * 2);
        let spec = ConsumerSpec {
            kind,
            mid: format!("r{consumer}"),
            ssrc,
            rtx_ssrc: (kind == Kind::Video).then_some(ssrc + 1),
            cname: "cname".into(),
        };
        self.command(Command::AddConsumer { consumer, session, spec });
        self.peers[index].receive(consumer, ssrc, kind);
        self.command(Command::BindConsumer { consumer, producer });
    }

    pub fn drain(&mut self) {
        let outgoing: Vec<_> = self.engine.outbox().iter().map(|(p, d)| (p, d.to_vec())).collect();
        self.engine.outbox().clear();
        for (path, datagram) in outgoing {
            if let Some(index) = self.peers.iter().position(|p| p.path == path) {
                self.fly(Way::Down, index, path, datagram);
            }
        }
        self.events.extend(self.engine.take_events());
        self.dtls.extend(self.engine.take_dtls());
    }

    fn fly(&mut self, way: Way, index: usize, path: Path, datagram: Vec<u8>) {
        if self.random.chance(self.link.loss) {
            return;
        }
        let jitter = self.random.next() % (self.link.jitter.as_micros() as u64 + 1);
        self.sent += 1;
        let mut sent = self.now;
        if let (Way::Down, Some(bottleneck)) = (&way, self.bottlenecks.get_mut(&index)) {
            let Some(through) = bottleneck.pass(self.now, datagram.len() + path.overhead()) else { return };
            sent = through;
        }
        let mut at = sent + self.link.delay + Duration::from_micros(jitter);
        if matches!(way, Way::Down) {
            at = self.link.seen(self.seed.rotate_right(16) ^ (index as u64).rotate_right(8), at);
        }
        self.flying.insert((at, self.sent), (way, index, path, datagram));
    }

    /// Sends a datagram of a peer over the link.
    pub fn send(&mut self, index: usize, datagram: Vec<u8>) {
        let path = self.peers[index].path;
        self.fly(Way::Up, index, path, datagram);
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += Duration::from_millis(1);
            while let Some((&(at, _), _)) = self.flying.first_key_value() {
                if at > self.now {
                    break;
                }
                let (_, (way, index, path, mut datagram)) = self.flying.pop_first().unwrap();
                match way {
                    Way::Up => {
                        self.engine.handle_packet(self.now, path, &mut datagram);
                        self.drain();
                    }
                    Way::Down => {
                        self.peers[index].arrived = at;
                        self.peers[index].handle(self.now, datagram);
                    }
                }
            }
            for index in 0..self.peers.len() {
                for datagram in self.peers[index].tick(self.now) {
                    self.send(index, datagram);
                }
            }
            self.engine.handle_timer(self.now);
            self.drain();
        }
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }
}

/// Adds MESSAGE-INTEGRITY to a STUN message without one, by RFC 8489 §14.5.
pub fn sign(body: &[u8], password: &[u8]) -> Vec<u8> {
    let mut message = body.to_vec();
    let length = (body.len() - 20 + 24) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password);
    let tag = aws_lc_rs::hmac::sign(&key, &message);
    message.extend([0, 8, 0, 20]);
    message.extend(tag.as_ref());
    message
}

/// Deterministic key material: `direction` 1 is to the peer, 2 from it.
pub fn master_key(session: u64, direction: u8) -> Vec<u8> {
    (0..PROFILE.key_len())
        .map(|i| (session as u8).wrapping_mul(31) ^ direction.wrapping_mul(77) ^ i as u8)
        .collect()
}

pub fn context(session: u64, direction: u8) -> Context {
    Context::new(PROFILE, &master_key(session, direction)).unwrap()
}

pub fn seal(tx: &mut Context, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + 64, 0);
    let len = tx.protect_rtp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}
