//! What the engine costs without a kernel: one publisher, N subscribers, datagrams from memory to memory.
//!
//! ```text
//! cargo run --release --example engine_cost -- [--subscribers 10,100,500] [--frames 300] [--profile gcm|cm] [--cold]
//! ```
//! Figures are ns of CPU, medians: forwarding, for each datagram sent; a call of the timer, each 10 ms, for each session
//! (the mean: most calls have little to do); one transport-wide feedback. With `--cold` the caches are emptied before each step, as they are where a paced meeting shares its machine: the
//! difference is what the engine's memory costs. Compare two commits in turns.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::exit;
use std::time::Duration;

use _dataplane::command::{Command, ConsumerSpec, Kind, ProducerSpec};
use _dataplane::engine::Engine;
use _dataplane::engine::formats::{ExtensionIds, PayloadSpec};
use _dataplane::engine::path::Path;
use _dataplane::io::thread_cpu_s;
use _dataplane::rtp::{HeaderBuilder, is_rtcp};
use _dataplane::srtp::{Context, Profile};
use _dataplane::stun;
use _dataplane::transport_feedback::ArrivalLog;
use _dataplane::units::Time;

const PASSWORD: &str = "password-of-the-example";
const PACKETS: u64 = 10;
const PAYLOAD: usize = 1200;
/// Frames before it counts: probes are over, rings are full.
const WARM_UP: u64 = 60;
/// Ids of abs-send-time, transport-wide sequence number and MID.
const EXTENSIONS: (u8, u8, u8) = (2, 3, 4);
/// Larger than the caches of one core and its share of the common one.
const CACHES: usize = 48 << 20;

struct Bench {
    engine: Engine,
    now: Time,
    profile: Profile,
    publisher: Context,
    /// Theirs to send.
    subscribers: Vec<(Path, Context, ArrivalLog)>,
    frames: u64,
    /// When the frames went out that feedback has not told of.
    sent_at: Vec<Time>,
    caches: Vec<u8>,
}

fn path(session: u64) -> Path {
    let remote = SocketAddr::new([10, 0, (session >> 8) as u8, session as u8].into(), 40_000);
    Path::Udp { socket: 0, local: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), remote }
}

fn key(profile: Profile, session: u64, direction: u8) -> Vec<u8> {
    (0..profile.key_len() as u8).map(|i| (session as u8) ^ (session >> 8) as u8 ^ direction ^ i).collect()
}

impl Bench {
    fn new(subscribers: u64, profile: Profile, cold: bool) -> Self {
        let context =
            |session| Context::new(profile, &key(profile, session, 64)).expect("a key of its length");
        let mut bench = Self {
            engine: Engine::new(3_900_000_000 << 32, 1000),
            now: Time::from_millis(1000),
            profile,
            publisher: context(1),
            subscribers: (2..subscribers + 2).map(|s| (path(s), context(s), ArrivalLog::new())).collect(),
            frames: 0,
            sent_at: Vec::new(),
            caches: vec![1; if cold { CACHES } else { 0 }],
        };
        bench.command(Command::AddRoom { room: 1, audio_last_n: 0 });
        bench.join(1);
        let spec = ProducerSpec {
            kind: Kind::Video,
            mid: "0".into(),
            rids: vec![],
            ssrcs: vec![(0x51, None)],
            speaker: false,
        };
        bench.command(Command::AddProducer { producer: 1, session: 1, spec });
        for session in 2..subscribers + 2 {
            bench.join(session);
            let ssrc = 0x1000 + session as u32 * 2;
            let (rtx_ssrc, cname) = (Some(ssrc + 1), "cost".to_owned());
            let spec = ConsumerSpec { kind: Kind::Video, mid: "1".into(), ssrc, rtx_ssrc, cname };
            bench.command(Command::AddConsumer { consumer: session, session, spec });
            bench.command(Command::BindConsumer { consumer: session, producer: Some(1) });
        }
        bench
    }

    fn command(&mut self, command: Command) {
        self.engine.handle_command(self.now, command);
    }

    fn join(&mut self, session: u64) {
        let (profile, ufrag) = (self.profile, format!("ufrag{session}"));
        let (mut check, user) = ([0; 256], format!("{ufrag}:peer"));
        self.command(Command::AddSession { session, room: 1, ufrag, password: PASSWORD.into() });
        let (tx, rx) = (key(profile, session, 0), key(profile, session, 64));
        self.command(Command::SetKeys { session, profile, tx, rx });
        let vp8 = PayloadSpec {
            payload_type: 96,
            format: "vp8".into(),
            clock_rate: 90_000,
            rtx_payload_type: None, // nobody is padded for: numbers are those of the frames
        };
        let (abs_send_time, transport_cc, mid) = EXTENSIONS;
        let extensions = ExtensionIds { abs_send_time, transport_cc, mid, ..ExtensionIds::default() };
        self.command(Command::SetFormats { session, payloads: vec![vp8], extensions });
        let len = stun::write_request(&mut check, &[7; 12], &user, 1, 9, true, PASSWORD.as_bytes());
        let len = len.expect("256 bytes are enough");
        self.engine.handle_packet(self.now, path(session), &mut check[..len]);
        self.engine.written().clear();
    }

    /// The next frame, encrypted.
    fn frame(&mut self) -> Vec<Vec<u8>> {
        let mut frame = Vec::new();
        for index in 0..PACKETS {
            let header = HeaderBuilder {
                payload_type: 96,
                marker: index + 1 == PACKETS,
                sequence: (self.frames * PACKETS + index) as u16,
                timestamp: (self.frames * 3000) as u32,
                ssrc: 0x51,
                padding: false,
                extensions: &[(EXTENSIONS.2, b"0")],
            };
            let mut buffer = vec![index as u8; 1500];
            let len = header.write(&mut buffer).expect("1500 bytes are enough");
            let (picture, inter) = ((self.frames as u16 | 0x8000).to_be_bytes(), u8::from(self.frames > 0));
            let head = [0x80 | u8::from(index == 0) << 4, 0xE0, picture[0], picture[1], 1, 0, inter];
            buffer[len..len + head.len()].copy_from_slice(&head);
            let len = self.publisher.protect_rtp(&mut buffer, len + PAYLOAD).expect("room for the tag");
            buffer.truncate(len);
            frame.push(buffer);
        }
        self.frames += 1;
        frame
    }

    fn chill(&mut self) {
        self.caches.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&mut self.caches);
    }

    /// (CPU seconds, datagrams) of one frame to everybody, 33 ms after the last one.
    fn forward(&mut self) -> (f64, usize) {
        let mut frame = self.frame();
        self.now += Duration::from_micros(33_333);
        self.sent_at.push(self.now);
        self.chill();
        let (mut sent, began) = (0, thread_cpu_s());
        for packet in &mut frame {
            self.engine.handle_packet(self.now, path(1), packet);
        }
        loop {
            let more = self.engine.forward_due(self.now, 256 << 10);
            sent += self.engine.written().iter().filter(|(_, bytes)| !is_rtcp(bytes)).count();
            self.engine.written().clear();
            if !more {
                break;
            }
        }
        (thread_cpu_s() - began, sent)
    }

    /// CPU seconds that one call of the timer takes, 10 ms after the last one.
    fn tick(&mut self) -> f64 {
        self.now += Duration::from_millis(10);
        self.chill();
        let began = thread_cpu_s();
        if self.engine.timer_is_due(self.now) {
            self.engine.handle_timer(self.now);
        }
        let took = thread_cpu_s() - began;
        self.engine.written().clear();
        took
    }

    /// CPU seconds that everybody's feedback about the frames since the last one takes. Each packet came 100 µs after the
    /// one before: a link that shows no limit, so that nothing is paced.
    fn feedback(&mut self) -> f64 {
        let mut datagrams = Vec::new();
        let last = self.frames * PACKETS;
        let first = last - self.sent_at.len() as u64 * PACKETS + 1;
        for (path, tx, log) in &mut self.subscribers {
            for (number, packet) in (first..=last).zip(0..) {
                let at = self.sent_at[(packet / PACKETS) as usize];
                log.on_packet(at + Duration::from_micros(packet % PACKETS * 100), number as u16);
            }
            let mut buffer = vec![0; 1500];
            let len = log.build(&mut buffer, 1, 0x1000).expect("something arrived");
            let len = tx.protect_rtcp(&mut buffer, len).expect("room for the tag");
            buffer.truncate(len);
            datagrams.push((*path, buffer));
        }
        self.sent_at.clear();
        self.chill();
        let began = thread_cpu_s();
        for (path, datagram) in &mut datagrams {
            self.engine.handle_packet(self.now, *path, datagram);
        }
        thread_cpu_s() - began
    }
}

fn run(subscribers: u64, frames: u64, profile: Profile, cold: bool) {
    let mut bench = Bench::new(subscribers, profile, cold);
    let (mut forward, mut timers, mut feedback) = (Vec::new(), Vec::new(), Vec::new());
    for frame in 0..frames + WARM_UP {
        if frame == WARM_UP {
            (forward, timers, feedback) = Default::default();
        }
        let (took, count) = bench.forward();
        forward.push(took / count as f64);
        assert_eq!(count as u64, PACKETS * subscribers, "nothing is paced or lost");
        if frame % 3 == 2 {
            feedback.push(bench.feedback() / subscribers as f64);
        }
        timers.extend((0..3).map(|_| bench.tick() / (subscribers + 1) as f64));
    }
    let mean = timers.iter().sum::<f64>() / timers.len() as f64;
    println!(
        "{subscribers:>11} {:>15.0} {:>15.1} {:>15.0}",
        median(forward) * 1e9,
        mean * 1e9,
        median(feedback) * 1e9
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    let (mut subscribers, mut frames, mut profile, mut cold) =
        (vec![10, 100, 500], 300, Profile::AeadAes128Gcm, false);
    let mut arguments = std::env::args().skip(1);
    let wrong = |message: String| -> ! {
        eprintln!("engine_cost: {message}");
        exit(2);
    };
    while let Some(name) = arguments.next() {
        if name == "--cold" {
            cold = true;
            continue;
        }
        let value = arguments.next().unwrap_or_else(|| wrong(format!("{name} needs a value")));
        let number = |text: &str| match text.parse::<u64>() {
            Ok(number @ 1..=900) => number,
            _ => wrong(format!("{name}: not a number from 1 to 900: {text:?}")),
        };
        match (name.as_str(), value.as_str()) {
            ("--subscribers", list) => subscribers = list.split(',').map(number).collect(),
            ("--frames", frame_count) => frames = number(frame_count),
            ("--profile", "gcm") => profile = Profile::AeadAes128Gcm,
            ("--profile", "cm") => profile = Profile::Aes128CmSha1_80,
            _ => wrong(format!("unknown switch {name} {value:?}")),
        }
    }
    println!("{:>11} {:>15} {:>15} {:>15}", "subscribers", "forward, packet", "timer, session", "feedback");
    subscribers.into_iter().for_each(|n| run(n, frames, profile, cold));
}
