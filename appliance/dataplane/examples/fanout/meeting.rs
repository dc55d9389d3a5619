//! A meeting of one publisher and many subscribers over loopback, and what its worker used.
//!
//! A subscriber is an address of 127.1.0.0/16 on one of a few sockets that listen on all addresses, so that thousands
//! fit into the descriptors of one process and every one of them is a path of its own to the worker.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use _dataplane::DataPlane;
use _dataplane::command::{Command, ConsumerSpec, Kind, ProducerSpec};
use _dataplane::engine::formats::{ExtensionIds, PayloadSpec};
use _dataplane::event::Event;
use _dataplane::io::{Batch, Message, Poller, Ready, Udp};
use _dataplane::rtp::{HeaderBuilder, RtpView, is_rtcp};
use _dataplane::srtp::{Context, Profile};
use _dataplane::stun;

use crate::figures::{Figures, Load, resident, worker_cpu_s};
use crate::floor::{Floor, Receiver};

/// Sockets that the subscribers share: enough that none of them overflows while the others are read.
const SINKS: usize = 8;
/// Frames under way when the worker is to be saturated: it never waits, and its socket's buffer never overflows.
const FRAMES_UNDER_WAY: u64 = 4;
/// A frame that is not here by then is lost, and the next one is sent.
const GIVE_UP: Duration = Duration::from_millis(50);
const ROOM: u64 = 1;
const PUBLISHER: u64 = 1;
const PRODUCER: u64 = 1;
const PASSWORD: &str = "password-of-the-example";
/// VP8 payload descriptor (RFC 7741 §4.2) with a 15-bit picture id and TL0PICIDX, and the first byte of the frame.
const VP8_HEAD: usize = 7;
/// Microseconds since the beginning, in the payload behind `VP8_HEAD`.
const MARK: usize = 8;

/// A connectivity check of one session.
struct Check {
    /// Whose socket; None is the publisher's.
    sink: Option<usize>,
    local: IpAddr,
    bytes: Vec<u8>,
}

/// Who forwards.
enum Forwarder {
    Worker(DataPlane),
    Floor(Floor),
}

impl Forwarder {
    /// Where it takes packets.
    fn address(&self) -> SocketAddr {
        match self {
            Self::Worker(plane) => (Ipv4Addr::LOCALHOST, plane.ports()[0]).into(),
            Self::Floor(floor) => floor.address,
        }
    }
}

/// The meeting.
pub struct Meeting {
    forwarder: Forwarder,
    load: Load,
    subscribers: usize,
    sinks: Vec<Udp>,
    poller: Poller,
    ready: Vec<Ready>,
    inbox: Batch,
    source: Udp,
    outbox: Batch,
    tx: Context,
    rx: Context,
    began: Instant,
    frames: u64,
    received: u64,
    latencies_us: Vec<u64>,
    resident_before: u64,
}

fn key(profile: Profile, session: u64, direction: u8) -> Vec<u8> {
    let byte =
        |i| (session as u8).wrapping_mul(31) ^ (session >> 8) as u8 ^ direction.wrapping_mul(77) ^ i as u8;
    (0..profile.key_len()).map(byte).collect()
}

fn address_of(subscriber: usize) -> IpAddr {
    Ipv4Addr::new(127, 1, (subscriber / 250) as u8, (subscriber % 250 + 1) as u8).into()
}

fn ssrc_of(subscriber: usize) -> u32 {
    0x1000_0000 + subscriber as u32 * 2
}

impl Meeting {
    /// Everybody connected, keyed and bound, and the first frame received. `floor`: by the floor instead of the worker.
    pub fn open(subscribers: usize, load: Load, floor: bool) -> io::Result<Self> {
        let any: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
        let sinks = (0..SINKS).map(|_| Udp::bind(any)).collect::<io::Result<Vec<_>>>()?;
        let poller = Poller::new()?;
        for (token, sink) in (0..).zip(&sinks) {
            poller.add(sink.raw(), token)?;
        }
        let context = |session, direction| {
            Context::new(load.profile, &key(load.profile, session, direction)).map_err(io::Error::other)
        };
        let forwarder = if floor {
            let receiver = |subscriber: usize| {
                let port = sinks[subscriber % SINKS].local_addr().port();
                Ok::<_, io::Error>(Receiver {
                    address: (address_of(subscriber), port).into(),
                    key: context(PUBLISHER + 1 + subscriber as u64, 1)?,
                    ssrc: ssrc_of(subscriber),
                })
            };
            let receivers = (0..subscribers).map(receiver).collect::<io::Result<_>>()?;
            Forwarder::Floor(Floor::start(context(PUBLISHER, 2)?, receivers)?)
        } else {
            let localhost = [Ipv4Addr::LOCALHOST.into()];
            let plane = DataPlane::start_with(&localhost, 0, 1, false, subscribers + 1, load.sending)
                .map_err(|error| io::Error::other(format!("{error:?}")))?;
            Forwarder::Worker(plane)
        };
        let mut meeting = Self {
            forwarder,
            load,
            subscribers,
            sinks,
            poller,
            ready: Vec::new(),
            inbox: Batch::for_receiving(),
            source: Udp::bind((Ipv4Addr::LOCALHOST, 0).into())?,
            outbox: Batch::for_sending(),
            tx: context(PUBLISHER, 2)?,
            rx: context(PUBLISHER + 1, 1)?,
            began: Instant::now(),
            frames: 0,
            received: 0,
            latencies_us: Vec::new(),
            resident_before: resident()?,
        };
        meeting.join()?;
        Ok(meeting)
    }

    fn join(&mut self) -> io::Result<()> {
        if let Forwarder::Worker(plane) = &self.forwarder {
            plane.add_room(ROOM, 0, 0);
            self.seat()?;
        }
        self.receive_first()
    }

    fn send(&self, command: Command) {
        if let Forwarder::Worker(plane) = &self.forwarder {
            plane.send(command);
        }
    }

    /// Everybody, at the worker.
    fn seat(&mut self) -> io::Result<()> {
        let localhost = Ipv4Addr::LOCALHOST.into();
        let check = self.join_one(PUBLISHER, None, localhost)?;
        self.wait_connected(&[check])?;
        let spec = ProducerSpec {
            kind: Kind::Video,
            mid: "0".into(),
            rids: vec![],
            ssrcs: vec![(0x51, None)],
            speaker: false,
        };
        self.send(Command::AddProducer { producer: PRODUCER, session: PUBLISHER, spec });
        let mut checks = Vec::new();
        for subscriber in 0..self.subscribers {
            let (session, sink) = (PUBLISHER + 1 + subscriber as u64, subscriber % SINKS);
            checks.push(self.join_one(session, Some(sink), address_of(subscriber))?);
            let ssrc = ssrc_of(subscriber);
            let spec = ConsumerSpec {
                kind: Kind::Video,
                mid: "1".into(),
                ssrc,
                rtx_ssrc: Some(ssrc + 1),
                cname: "fan-out".into(),
            };
            let consumer = session;
            self.send(Command::AddConsumer { consumer, session, spec });
            self.send(Command::BindConsumer { consumer, producer: Some(PRODUCER) });
            if subscriber % 16 == 15 || subscriber + 1 == self.subscribers {
                self.wait_connected(&checks)?;
                checks.clear();
            }
        }
        Ok(())
    }

    /// The first frame is a key frame: everybody starts at it.
    fn receive_first(&mut self) -> io::Result<()> {
        self.send_frame()?;
        let wanted = (self.load.packets * self.subscribers) as u64;
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.received < wanted {
            self.receive(10)?;
            if Instant::now() > deadline {
                let message = format!("{} of the first frame's {wanted} packets came", self.received);
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
        }
        Ok(())
    }

    fn join_one(&mut self, session: u64, sink: Option<usize>, local: IpAddr) -> io::Result<Check> {
        let (profile, ufrag) = (self.load.profile, format!("ufrag{session}"));
        let mut check = [0; 256];
        let user = format!("{ufrag}:peer");
        let len = stun::write_request(&mut check, &[7; 12], &user, 1, 9, true, PASSWORD.as_bytes())
            .map_err(io::Error::other)?;
        self.send(Command::AddSession { session, room: ROOM, ufrag, password: PASSWORD.into() });
        let (tx, rx) = (key(profile, session, 1), key(profile, session, 2));
        self.send(Command::SetKeys { session, profile, tx, rx });
        let vp8 = PayloadSpec {
            payload_type: 96,
            format: "vp8".into(),
            clock_rate: 90_000,
            rtx_payload_type: Some(97),
        };
        let extensions =
            ExtensionIds { abs_send_time: 2, transport_cc: 3, mid: 4, ..ExtensionIds::default() };
        self.send(Command::SetFormats { session, payloads: vec![vp8], extensions });
        Ok(Check { sink, local, bytes: check[..len].to_vec() })
    }

    /// Sends checks, again where one overtook the command that makes it valid, until all are answered.
    fn wait_connected(&mut self, checks: &[Check]) -> io::Result<()> {
        let mut missing = checks.len();
        for _ in 0..50 {
            for Check { sink, local, bytes } in checks {
                let socket = sink.map_or(&self.source, |sink| &self.sinks[sink]);
                self.outbox.send(socket, &[Message::datagram(*local, self.forwarder.address(), bytes)])?;
            }
            let again = Instant::now() + Duration::from_millis(100);
            while Instant::now() < again {
                let Forwarder::Worker(plane) = &self.forwarder else { return Ok(()) };
                let events = plane.mailbox().take_events();
                missing -= events.iter().filter(|e| matches!(e, Event::SessionConnected { .. })).count();
                if missing == 0 {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("{missing} checks were not answered")))
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// One frame, in one burst.
    fn send_frame(&mut self) -> io::Result<()> {
        let (packets, now) = (self.load.packets, self.now_us());
        let mut frame = vec![[0u8; 1500]; packets];
        let mut lengths = Vec::with_capacity(packets);
        for (index, buffer) in frame.iter_mut().enumerate() {
            let header = HeaderBuilder {
                payload_type: 96,
                marker: index + 1 == packets,
                sequence: (self.frames * packets as u64 + index as u64) as u16,
                timestamp: (self.frames * 3000) as u32,
                ssrc: 0x51,
                padding: false,
                extensions: &[(4, b"0")],
            };
            let len = header.write(buffer).map_err(io::Error::other)?;
            let picture = (self.frames as u16 | 0x8000).to_be_bytes();
            let (start, inter) = (u8::from(index == 0) << 4, u8::from(self.frames > 0));
            let payload = &mut buffer[len..len + self.load.size];
            payload.fill(index as u8);
            payload[..VP8_HEAD].copy_from_slice(&[0x80 | start, 0xE0, picture[0], picture[1], 1, 0, inter]);
            payload[VP8_HEAD..VP8_HEAD + MARK].copy_from_slice(&now.to_be_bytes());
            let sealed = self.tx.protect_rtp(buffer, len + self.load.size).map_err(io::Error::other)?;
            lengths.push(sealed);
        }
        let server = self.forwarder.address();
        let to: Vec<_> = frame
            .iter()
            .zip(&lengths)
            .map(|(bytes, len)| Message::datagram(Ipv4Addr::LOCALHOST.into(), server, &bytes[..*len]))
            .collect();
        let mut sent = 0;
        while sent < to.len() {
            sent += self.outbox.send(&self.source, &to[sent..])?;
        }
        self.frames += 1;
        Ok(())
    }

    /// Takes what has come, waiting for it `wait_ms` at most.
    fn receive(&mut self, wait_ms: u32) -> io::Result<()> {
        self.poller.wait(Some(wait_ms), &mut self.ready)?;
        for index in 0..self.ready.len() {
            let sink = self.ready[index].token as usize;
            let count = self.inbox.receive(&self.sinks[sink])?;
            for i in 0..count {
                let Some((local, _, bytes)) = self.inbox.datagram(i, &self.sinks[sink]) else { continue };
                if bytes.first().is_none_or(|first| *first < 128) || is_rtcp(bytes) {
                    continue;
                }
                self.received += 1;
                if local == address_of(0) {
                    let bytes = &mut bytes[..];
                    let len = self.rx.unprotect_rtp(bytes).map_err(io::Error::other)?;
                    let now = self.began.elapsed().as_micros() as u64;
                    self.latencies_us.push(now.saturating_sub(check(&bytes[..len], &self.load)?));
                }
            }
        }
        Ok(())
    }

    /// Sends for `span`, and says what it cost.
    pub fn measure(&mut self, span: Duration) -> io::Result<Figures> {
        let per_frame = (self.load.packets * self.subscribers) as u64;
        self.drive(span / 4)?; // caches, slabs and the scheduler settle
        self.received = 0;
        self.latencies_us = Vec::with_capacity(1 << 20);
        let (frames, cpu, began) = (self.frames, worker_cpu_s()?, Instant::now());
        self.drive(span)?;
        let (cpu_s, wall_s) = (worker_cpu_s()? - cpu, began.elapsed().as_secs_f64());
        let mut latencies_us = std::mem::take(&mut self.latencies_us);
        latencies_us.sort_unstable();
        let grown = resident()?.saturating_sub(self.resident_before + (8 << latencies_us.len().ilog2()));
        Ok(Figures {
            wall_s,
            cpu_s,
            received: self.received,
            expected: (self.frames - frames) * per_frame,
            bytes_per_subscriber: grown / self.subscribers as u64,
            latencies_us,
        })
    }

    fn drive(&mut self, span: Duration) -> io::Result<()> {
        let per_frame = (self.load.packets * self.subscribers) as u64;
        let (began, mut heard) = (Instant::now(), Instant::now());
        let (mut sent, mut lost, before) = (0, 0, self.received);
        while began.elapsed() < span {
            let received = self.received - before + lost;
            match self.load.fps {
                Some(fps) if began.elapsed().as_secs_f64() * fps >= sent as f64 => {
                    self.send_frame()?;
                    sent += 1;
                }
                Some(_) => {}
                None if received + FRAMES_UNDER_WAY * per_frame > sent * per_frame => {
                    self.send_frame()?;
                    sent += 1;
                }
                None if heard.elapsed() > GIVE_UP => lost += sent * per_frame - received,
                None => {}
            }
            let count = self.received;
            self.receive(1)?;
            if self.received > count {
                heard = Instant::now();
            }
        }
        // the rest of what is under way
        while heard.elapsed() < GIVE_UP && self.received - before < sent * per_frame {
            let count = self.received;
            self.receive(1)?;
            if self.received > count {
                heard = Instant::now();
            }
        }
        Ok(())
    }
}

/// Checks a packet of subscriber 0 in the clear; when it was sent.
fn check(packet: &[u8], load: &Load) -> io::Result<u64> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("a packet with {what} came"));
    let view = RtpView::parse_untrusted(packet).map_err(io::Error::other)?;
    let payload = view.payload();
    if payload.len() != load.size || view.ssrc() != 0x1000_0000 {
        return Err(wrong("another length or SSRC"));
    }
    let (head, body) = payload.split_at(VP8_HEAD + MARK);
    if body.iter().any(|byte| usize::from(*byte) >= load.packets || *byte != body[0]) {
        return Err(wrong("other bytes"));
    }
    let mark = head.last_chunk::<MARK>().ok_or_else(|| wrong("no mark"))?;
    Ok(u64::from_be_bytes(*mark))
}
