//! Frames of every codec come out of a tap as they went into the packets, also where packets overtake each other, come late
//! or are rubbish; sound comes once each, with what RED brings again.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::formats::{ExtensionIds, PayloadSpec};
use _dataplane::rtcp::{self, Packet};
use _dataplane::rtp::{HeaderBuilder, is_rtcp};
use support::journal::{Entry, FRAME, GAP, TestTap};
use support::packets::{self, Cut};
use support::svc::Source;
use support::{CLEAN, Net, Random, seal};

const MID: u8 = 4;
const ORIENTATION: u8 = 6;
const TYPE: u8 = 98;

/// One picture (producer 1) of a codec, sent packet by packet, and its tap.
struct Publisher {
    net: Net,
    tap: TestTap,
    sequence: u16,
    timestamp: u32,
    random: Random,
    /// Packets that are sent later than those behind them.
    late: Vec<(u64, Vec<u8>)>,
    sent: u64,
    asked: usize,
}

impl Publisher {
    fn new(format: &str, seed: u64) -> Self {
        let mut net = Net::new(seed, CLEAN);
        net.connect(1);
        let payload = PayloadSpec {
            payload_type: TYPE,
            format: format.into(),
            clock_rate: 90_000,
            rtx_payload_type: Some(99),
        };
        let extensions = ExtensionIds { mid: MID, video_orientation: ORIENTATION, ..ExtensionIds::default() };
        net.command(Command::SetFormats { session: 1, payloads: vec![payload], extensions });
        net.publish(0, 1, Kind::Video, "0", &[]);
        let tap = TestTap::open(&mut net, 7, 1);
        let (random, late) = (Random(seed), Vec::new());
        Self { net, tap, sequence: 65_000, timestamp: u32::MAX - 40_000, random, late, sent: 0, asked: 0 }
    }

    fn packet(&mut self, payload: &[u8], marker: bool, turned: Option<u8>) -> Vec<u8> {
        let turned = turned.map(|turned| [turned]);
        let mut extensions: Vec<(u8, &[u8])> = vec![(MID, b"0")];
        extensions.extend(turned.iter().map(|turned| (ORIENTATION, &turned[..])));
        let header = HeaderBuilder {
            payload_type: TYPE,
            marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: 77,
            padding: false,
            extensions: &extensions,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut head = [0; 100];
        let length = header.write(&mut head).unwrap();
        [&head[..length], payload].concat()
    }

    /// A packet for the engine; it may be held back for `behind` others.
    fn send(&mut self, packet: Vec<u8>, behind: u64) {
        self.sent += 1;
        self.late.push((self.sent + behind, packet));
        self.late.sort_by_key(|(at, _)| *at);
        let due = self.late.iter().take_while(|(at, _)| *at <= self.sent).count();
        for (_, packet) in self.late.drain(..due).collect::<Vec<_>>() {
            self.offer(&packet);
        }
    }

    fn offer(&mut self, packet: &[u8]) {
        let path = self.net.peers[0].path;
        let mut sealed = seal(&mut self.net.peers[0].tx, packet);
        self.net.engine.handle_packet(self.net.now, path, &mut sealed);
    }

    /// The packets of a frame; `late`: how many of a hundred are held back.
    fn frame(&mut self, cut: &Cut, late: usize) {
        let last = cut.payloads.len() - 1;
        self.timestamp = self.timestamp.wrapping_add(3000);
        for (index, payload) in cut.payloads.iter().enumerate() {
            let packet = self.packet(payload, index == last, None);
            let behind = if self.random.below(100) < late { 1 + self.random.next() % 30 } else { 0 };
            self.send(packet, behind);
        }
        self.pass(33);
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.net.now += Duration::from_millis(1);
            self.net.engine.handle_timer(self.net.now);
        }
        let sent: Vec<_> = self.net.engine.outbox().iter().map(|(_, d)| d.to_vec()).collect();
        self.net.engine.outbox().clear();
        for mut datagram in sent.into_iter().filter(|datagram| is_rtcp(datagram)) {
            let length = self.net.peers[0].rx.unprotect_rtcp(&mut datagram).unwrap();
            let packets = rtcp::parse_untrusted(&datagram[..length]);
            self.asked += packets.filter(|p| matches!(p, Ok(Packet::Pli { .. }))).count();
        }
    }

    /// Everything that was held back, and the time that the tap waits at most.
    fn settle(&mut self) -> Vec<Entry> {
        for (_, packet) in std::mem::take(&mut self.late) {
            self.offer(&packet);
        }
        self.pass(1100);
        self.tap.take().into_iter().filter(|entry| entry.kind <= GAP && entry.kind != 2).collect()
    }
}

type Cutter = fn(&mut Random, bool) -> Cut;
const CODECS: [(&str, u8, Cutter); 4] = [
    ("vp8", 2, packets::vp8),
    ("vp9/0", 3, packets::vp9),
    ("h264/42e01f/1", 4, packets::h264),
    ("av1/0", 5, packets::av1),
];

#[test]
fn frames_come_out_as_they_went_in() {
    for (format, codec, cutter) in CODECS {
        for late in [0, 10] {
            let (mut publisher, mut frames) = (Publisher::new(format, 5), Vec::new());
            let mut random = Random(9);
            for n in 0..300 {
                let cut = cutter(&mut random, n % 50 == 0);
                // what a key frame overtakes is not waited for: viewers need it no more
                publisher.frame(&cut, if n % 50 < 40 { late } else { 0 });
                frames.push(cut.file);
            }
            let entries = publisher.settle();
            assert_eq!(entries.len(), frames.len(), "{format}, {late} of 100 late");
            for (n, (entry, frame)) in entries.iter().zip(&frames).enumerate() {
                assert_eq!((entry.kind, entry.codec, entry.key), (FRAME, codec, n % 50 == 0), "{format} {n}");
                assert!(entry.payload == *frame, "{format} {n}");
                assert_eq!(entry.rtp - entries[0].rtp, n as i64 * 3000, "over the wrap");
            }
            assert!(!entries.iter().any(|entry| entry.after_loss));
        }
    }
}

#[test]
fn lost_packets_cost_their_frames_and_are_marked() {
    for (format, _, cutter) in CODECS {
        let (mut publisher, mut frames) = (Publisher::new(format, 6), Vec::new());
        let mut random = Random(4);
        for n in 0..600 {
            let cut = cutter(&mut random, n % 100 == 0);
            frames.push(cut.file.clone());
            if n % 37 == 36 {
                publisher.sequence = publisher.sequence.wrapping_add(1); // one before it
            }
            publisher.frame(&cut, 0);
        }
        let entries = publisher.settle();
        let mut behind_gap = false;
        for entry in &entries {
            match entry.kind {
                GAP => behind_gap = true,
                _ if entry.key => behind_gap = false,
                _ => assert_eq!(entry.after_loss, behind_gap, "{format}"),
            }
            assert!(entry.kind == GAP || frames.contains(&entry.payload), "{format}: nobody sent this");
        }
        let written = entries.iter().filter(|entry| entry.kind == FRAME).count();
        // what follows a loss may be the rest of a frame, unless it says that it is not
        assert!((600 - 17..=600).contains(&written), "{format}: {written}");
        assert!((14..=17).contains(&(entries.len() - written)), "{format}: gaps");
        assert!(publisher.asked >= 14, "{format}: {} key frames asked for", publisher.asked);
    }
}

#[test]
fn rubbish_costs_its_own_frames() {
    for (format, _, cutter) in CODECS {
        let mut publisher = Publisher::new(format, 7);
        let mut random = Random(8);
        let mut frames = Vec::new();
        for n in 0..300 {
            let mut cut = cutter(&mut random, n % 20 == 0);
            if n % 10 == 5 {
                let victim = random.below(cut.payloads.len());
                cut.payloads[victim] = (0..random.below(60)).map(|_| random.next() as u8).collect();
            } else {
                frames.push(cut.file.clone());
            }
            publisher.frame(&cut, 0);
        }
        let entries = publisher.settle();
        let found =
            frames.iter().filter(|frame| entries.iter().any(|entry| entry.payload == **frame)).count();
        assert!(found >= frames.len() - 30, "{format}: {found} of {}", frames.len());
    }
}

#[test]
fn the_layers_of_a_vp9_picture_are_one_frame() {
    let mut publisher = Publisher::new("vp9/0", 1);
    let mut source = Source::new(77, 3, true, false);
    for n in 0..60 {
        source.want_key = n == 0;
        let packets = source.picture(TYPE, MID, 0);
        packets.iter().for_each(|packet| publisher.offer(packet));
        publisher.pass(33);
    }
    let entries = publisher.settle();
    assert_eq!(entries.len(), 60);
    for (n, entry) in entries.iter().enumerate() {
        assert_eq!((entry.key, entry.layer), (n == 0, 0));
        let marker = *entry.payload.last().unwrap();
        assert_eq!(marker, 0xC0 | 1 << 3 | 2, "three frames, sizes of two bytes");
        let index = &entry.payload[entry.payload.len() - 8..];
        let sizes: usize = index[1..7].chunks(2).map(|s| usize::from(u16::from_le_bytes([s[0], s[1]]))).sum();
        assert_eq!((index[0], sizes + 8), (marker, entry.payload.len()));
    }
}

#[test]
fn the_way_up_of_a_phone_is_told() {
    let mut publisher = Publisher::new("vp8", 1);
    let mut random = Random(1);
    for turned in [Some(1), None, Some(3), Some(0), None] {
        publisher.timestamp = publisher.timestamp.wrapping_add(3000);
        let cut = packets::vp8(&mut random, true);
        for (index, payload) in cut.payloads.iter().enumerate() {
            let last = index + 1 == cut.payloads.len();
            let packet = publisher.packet(payload, last, turned.filter(|_| last));
            publisher.offer(&packet);
        }
    }
    let rotations: Vec<_> = publisher.settle().iter().map(|entry| entry.rotation).collect();
    assert_eq!(rotations, [1, 1, 3, 0, 0], "clients say it again when it changes, and at key frames");
}

#[test]
fn a_frame_without_end_is_bounded() {
    let mut publisher = Publisher::new("vp8", 1);
    publisher.frame(&packets::vp8(&mut Random(1), true), 0);
    publisher.timestamp += 3000;
    let first = [&[0x10, 0][..], &[1; 1100]].concat();
    let packet = publisher.packet(&first, false, None);
    publisher.offer(&packet);
    for n in 0..20_000 {
        let packet = publisher.packet(&[0; 1100], false, None);
        publisher.offer(&packet);
        if n % 10 == 0 {
            publisher.pass(2);
        }
    }
    assert_eq!(publisher.settle().len(), 1, "the one before it");
    publisher.frame(&packets::vp8(&mut Random(1), true), 0);
    let entries = publisher.settle();
    assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [GAP, FRAME]);
}

/// A microphone with RED, and what its tap got while the link lost so much.
fn sound(red: bool, loss: f64) -> (Net, Vec<Entry>) {
    let mut net = Net::new(2, CLEAN);
    net.connect(1);
    let spec = |payload_type, format: &str| PayloadSpec {
        payload_type,
        format: format.into(),
        clock_rate: 48_000,
        rtx_payload_type: None,
    };
    let (opus, ours) = (support::payload_types(1).2, support::red_type(1));
    let payloads = vec![spec(ours, "red/opus"), spec(opus, "opus")];
    net.command(Command::SetFormats { session: 1, payloads, extensions: support::extension_ids(1) });
    net.publish(0, 2, Kind::Audio, "1", &[]);
    let track = net.peers[0].track(Kind::Audio, "1", None);
    net.peers[0].tracks[track].red = red.then_some(ours);
    let tap = TestTap::open(&mut net, 7, 2);
    net.run_ms(200);
    net.link.loss = loss;
    net.link.jitter = Duration::from_millis(30);
    net.run_ms(20_000);
    let entries = tap.take().into_iter().filter(|entry| entry.kind == FRAME).collect();
    (net, entries)
}

#[test]
fn red_brings_lost_sound_again_and_nothing_twice() {
    let (net, plain) = sound(false, 0.1);
    assert!((880..940).contains(&plain.len()), "{}", plain.len());
    let (_, mut entries) = sound(true, 0.1);
    assert!((980..1000).contains(&entries.len()), "{} of 1000", entries.len());
    assert!(entries.iter().all(|entry| entry.codec == 1 && entry.key && entry.payload.len() == 72));
    entries.sort_by_key(|entry| entry.rtp);
    let mark = |entry: &Entry| u64::from_be_bytes(entry.payload[4..12].try_into().unwrap());
    for pair in entries.windows(2) {
        let (frames, ticks) = (mark(&pair[1]) - mark(&pair[0]), pair[1].rtp - pair[0].rtp);
        assert!(frames > 0 && ticks == frames as i64 * 960, "{frames} frames are {ticks} ticks");
    }
    drop(net);
}

#[test]
fn nothing_that_was_said_while_muted_comes_by_red() {
    let (mut net, _) = sound(true, 0.0);
    let tap = TestTap::open(&mut net, 8, 2);
    net.run_ms(500);
    net.command(Command::MuteProducer { producer: 2, muted: true });
    tap.take();
    net.run_ms(500);
    let first = net.peers[0].tracks[0].timestamp;
    net.command(Command::MuteProducer { producer: 2, muted: false });
    net.run_ms(500);
    let heard = tap.take();
    // what was under way for up to 35 ms when the mute ended counts as said after it
    let back = |entry: &Entry| first.wrapping_sub(entry.rtp as u32) as i32;
    assert!(heard.iter().filter(|entry| entry.kind == FRAME).all(|entry| back(entry) <= 960));
}
