//! A tap gets every frame of its producer that came or was repaired, in order, from the best layer, and what it does not get
//! it is told of.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::units::Time;
use support::journal::{CLOCK, Entry, FRAME, GAP, MUTED, TestTap, UNMUTED, marks};
use support::{CLEAN, Link, Net};

const PACKET_BYTES: usize = 500;
/// Frames of the engine's clock, 1970 + 3.9 billion seconds after 1900.
const ORIGIN_US: i64 = (3_900_000_000 - 2_208_988_800) * 1_000_000;

/// A camera (producer 1) and a microphone (producer 2) of session 1.
fn publisher(link: Link, rids: &[&str]) -> Net {
    let mut net = Net::new(3, link);
    net.connect(1);
    net.publish(0, 1, Kind::Video, "0", rids);
    net.publish(0, 2, Kind::Audio, "1", &[]);
    for rid in rids {
        net.peers[0].track(Kind::Video, "0", Some(rid));
    }
    if rids.is_empty() {
        net.peers[0].track(Kind::Video, "0", None);
    }
    net.peers[0].track(Kind::Audio, "1", None);
    net
}

/// Frames follow each other, packet by packet and 3000 ticks apart.
fn assert_whole(frames: &[Entry]) {
    for pair in frames.windows(2) {
        let (before, after) = (marks(&pair[0], PACKET_BYTES), marks(&pair[1], PACKET_BYTES));
        assert_eq!(before.1 + before.2 as u64, after.1, "a frame is missing");
        assert_eq!(pair[0].rtp + 3000, pair[1].rtp);
    }
}

#[test]
fn frames_are_whole_and_begin_with_a_key_frame_that_was_asked_for() {
    let mut net = publisher(CLEAN, &[]);
    net.run_ms(1000);
    let tap = TestTap::open(&mut net, 7, 1);
    let opened = net.now;
    net.run_ms(3000);
    let (frames, others) = tap.frames();
    assert_eq!(net.peers[0].tracks[0].plis.len(), 1);
    assert!(frames[0].key && frames[1..].iter().all(|frame| !frame.key && !frame.after_loss));
    assert!((85..=91).contains(&frames.len()), "{}", frames.len());
    assert!(others.iter().all(|kind| *kind == CLOCK), "{others:?}");
    assert_whole(&frames);
    for frame in &frames {
        assert_eq!((frame.codec, frame.layer, frame.generation, frame.clock_rate), (2, 0, 0, 90_000));
        let at = frame.at_us - ORIGIN_US;
        assert!(at > opened.0 as i64 && at <= net.now.0 as i64);
    }
}

#[test]
fn reports_become_clock_records() {
    let mut net = publisher(CLEAN, &[]);
    net.run_ms(2000);
    let tap = TestTap::open(&mut net, 7, 1);
    net.run_ms(4000);
    let entries = tap.take();
    assert_eq!(entries[0].kind, CLOCK, "the report was known before");
    let clocks: Vec<_> = entries.iter().filter(|e| e.kind == CLOCK).collect();
    assert!((7..=9).contains(&clocks.len()), "{}", clocks.len());
    let before = clocks[0];
    for clock in &clocks {
        let ntp = |entry: &Entry| u64::from_le_bytes(entry.payload.clone().try_into().unwrap());
        let seconds = (ntp(clock) - ntp(before)) as f64 / (1u64 << 32) as f64;
        let ticks = (clock.rtp - before.rtp) as f64;
        assert!((seconds * 90_000.0 - ticks).abs() < 3100.0, "{seconds} s are {ticks} ticks");
    }
    let first = entries.iter().find(|e| e.kind == FRAME).unwrap();
    assert!((first.rtp - entries[0].rtp).abs() < 90_000, "on the same timeline");
}

#[test]
fn repaired_packets_are_in_their_place() {
    let lossy =
        Link { loss: 0.03, delay: Duration::from_millis(20), jitter: Duration::from_millis(15), ..CLEAN };
    let mut net = publisher(lossy, &[]);
    let tap = TestTap::open(&mut net, 7, 1);
    net.run_ms(20_000);
    net.link = CLEAN;
    net.run_ms(1500);
    let (frames, others) = tap.frames();
    assert!(net.peers[0].nacked > 30, "{} asked for", net.peers[0].nacked);
    assert!(!others.contains(&GAP));
    assert!(frames.len() > 600, "{}", frames.len());
    assert_whole(&frames);
}

#[test]
fn a_loss_that_is_not_repaired_is_a_gap_until_the_next_key_frame() {
    let mut net = publisher(CLEAN, &[]);
    let tap = TestTap::open(&mut net, 7, 1);
    net.run_ms(1000);
    // nobody has the packets that are lost now
    net.link.loss = 1.0;
    net.run_ms(100);
    net.peers[0].tracks[0].history.clear();
    net.link.loss = 0.0;
    net.peers[0].tracks[0].plis.clear();
    let lost_at = net.now;
    net.run_ms(3000);
    let entries = tap.take();
    let gaps: Vec<_> = (0..entries.len()).filter(|i| entries[*i].kind == GAP).collect();
    assert_eq!(gaps.len(), 1, "one loss is one gap");
    let behind = entries[gaps[0]..].iter().filter(|e| e.kind == FRAME);
    let (flagged, rest): (Vec<_>, Vec<_>) = behind.partition(|frame| frame.after_loss);
    let key = rest[0];
    assert!(key.key && rest[1..].iter().all(|frame| !frame.key), "the key frame ends it");
    assert!(flagged.iter().all(|frame| frame.rtp < key.rtp) && !flagged.is_empty());
    assert_eq!(net.peers[0].tracks[0].plis.len(), 1);
    // waited for at most a second
    assert!(key.at_us - ORIGIN_US - (lost_at.0 as i64) < 1_200_000);
    let numbers: Vec<_> =
        entries.iter().filter(|e| e.kind == FRAME).map(|f| marks(f, PACKET_BYTES).1).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_broken_frame_is_never_written() {
    let mut net = publisher(Link { loss: 0.1, ..CLEAN }, &[]);
    let tap = TestTap::open(&mut net, 7, 1);
    for _ in 0..100 {
        net.run_ms(100);
        net.peers[0].tracks[0].history.clear(); // some are repaired, some not
    }
    let (frames, others) = tap.frames();
    assert!(others.contains(&GAP) && frames.len() > 100);
    for frame in &frames {
        let (_, _, packets) = marks(frame, PACKET_BYTES);
        assert_eq!(packets, 4);
    }
}

#[test]
fn the_best_layer_that_flows_is_followed_at_its_key_frames() {
    let mut net = publisher(CLEAN, &["q", "h", "f"]);
    for layer in [1, 2] {
        net.peers[0].tracks[layer].running = false;
    }
    let tap = TestTap::open(&mut net, 7, 1);
    net.run_ms(2000);
    net.peers[0].tracks[2].running = true;
    net.run_ms(2000);
    net.peers[0].tracks[2].running = false;
    net.run_ms(4000);
    let entries = tap.take();
    let frames: Vec<_> = entries.iter().filter(|e| e.kind == FRAME).collect();
    let mut layers: Vec<_> = frames.iter().map(|f| f.layer).collect();
    layers.dedup();
    assert_eq!(layers, [0, 2, 0]);
    for pair in frames.windows(2) {
        if pair[0].layer == pair[1].layer {
            assert_eq!(pair[0].rtp + 3000, pair[1].rtp, "layer {}", pair[1].layer);
        } else {
            assert!(pair[1].key);
        }
    }
    assert!(!entries.iter().any(|e| e.kind == GAP));
    // the clock of a layer is told before its first frame
    let first = entries.iter().position(|e| e.layer == 2).unwrap();
    assert!(entries[first].kind == CLOCK || entries[first + 1..].iter().any(|e| e.kind == CLOCK));
    let asked: Vec<_> = net.peers[0].tracks.iter().map(|t| t.plis.len()).collect();
    assert!(asked[1] == 0 && asked[0] <= 3 && asked[2] <= 2, "{asked:?}");
}

#[test]
fn another_ssrc_is_another_generation() {
    let mut net = publisher(CLEAN, &[]);
    let (picture, sound) = (TestTap::open(&mut net, 7, 1), TestTap::open(&mut net, 8, 2));
    net.run_ms(1000);
    net.peers[0].renew(0);
    net.peers[0].renew(1);
    net.run_ms(1000);
    for (tap, step) in [(picture, 3000), (sound, 960)] {
        let (frames, others) = tap.frames();
        let mut generations: Vec<_> = frames.iter().map(|f| f.generation).collect();
        generations.dedup();
        assert_eq!(generations, [0, 1]);
        assert!(frames.iter().find(|f| f.generation == 1).unwrap().key);
        let same = frames.windows(2).filter(|pair| pair[0].generation == pair[1].generation);
        same.for_each(|pair| assert_eq!(pair[0].rtp + step, pair[1].rtp));
        assert!(others.iter().filter(|kind| **kind == GAP).count() <= 1);
    }
}

#[test]
fn a_muted_producer_gives_nothing() {
    let mut net = publisher(CLEAN, &[]);
    net.command(Command::MuteProducer { producer: 2, muted: true });
    let (picture, sound) = (TestTap::open(&mut net, 7, 1), TestTap::open(&mut net, 8, 2));
    net.run_ms(500);
    assert_eq!(sound.take().iter().map(|e| e.kind).collect::<Vec<_>>(), [MUTED]);
    picture.take();
    net.command(Command::MuteProducer { producer: 1, muted: true });
    net.command(Command::MuteProducer { producer: 2, muted: false });
    let muted_at = net.now;
    net.run_ms(1000);
    net.command(Command::MuteProducer { producer: 1, muted: false });
    net.run_ms(1000);
    let (heard, seen) = (sound.take(), picture.take());
    assert_eq!(heard[0].kind, UNMUTED);
    assert_eq!(heard.iter().filter(|e| e.kind == FRAME).count(), 100);
    assert_eq!(seen.iter().map(|e| e.kind).take(2).collect::<Vec<_>>(), [MUTED, UNMUTED]);
    assert_eq!(seen[0].at_us - ORIGIN_US, muted_at.0 as i64);
    let first = seen.iter().find(|e| e.kind == FRAME).unwrap();
    assert!(first.key && !first.after_loss && !seen.iter().any(|e| e.kind == GAP));
    assert!(first.at_us >= seen[1].at_us);
}

#[test]
fn everybody_is_heard_also_whom_the_room_leaves_out() {
    let mut net = Net::with_last_n(1, CLEAN, 3);
    let mut taps = Vec::new();
    for session in 1..=12 {
        let peer = net.connect(session);
        net.publish(peer, session, Kind::Audio, "0", &[]);
        net.peers[peer].track(Kind::Audio, "0", None);
        net.peers[peer].tracks[0].audio_level = if session <= 3 { 15 } else { 100 };
        taps.push(TestTap::open(&mut net, 100 + session, session));
    }
    net.run_ms(2000);
    for tap in &taps {
        let (frames, _) = tap.frames();
        assert!((98..=100).contains(&frames.len()), "{}", frames.len());
        assert!(frames.iter().all(|f| f.key && (f.codec, f.clock_rate) == (1, 48_000)));
    }
}

#[test]
fn the_publisher_keeps_sending_what_only_a_tap_sees() {
    let mut net = publisher(CLEAN, &["q", "h", "f"]);
    net.run_ms(7000);
    let wanted = |net: &mut Net| {
        let now = net.now;
        let snapshot = net.engine.snapshot(now, Default::default());
        snapshot.producers[0].layers.iter().map(|l| l.wanted).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&mut net), [false; 3], "nobody looks");
    let tap = TestTap::open(&mut net, 7, 1);
    assert_eq!(wanted(&mut net), [true; 3]);
    net.run_ms(7000);
    assert_eq!(wanted(&mut net), [true; 3]);
    tap.0.close();
    net.run_ms(6000);
    assert_eq!(wanted(&mut net), [false; 3]);
    assert!(tap.0.has_ended());
}

#[test]
fn a_tap_that_wants_little_follows_a_lower_layer_and_keeps_no_higher_one_alive() {
    let mut net = publisher(CLEAN, &["q", "h", "f"]);
    net.run_ms(7000);
    let low = TestTap::up_to(&mut net, 7, 1, 1);
    let wanted = |net: &mut Net| {
        let now = net.now;
        let snapshot = net.engine.snapshot(now, Default::default());
        snapshot.producers[0].layers.iter().map(|l| l.wanted).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&mut net), [true, true, false]);
    let best = TestTap::open(&mut net, 8, 1);
    assert_eq!(wanted(&mut net), [true; 3]);
    net.run_ms(3000);
    let layers = |tap: &TestTap| {
        let mut layers: Vec<_> = tap.frames().0.iter().map(|frame| frame.layer).collect();
        layers.dedup();
        layers
    };
    assert_eq!(layers(&low), [1]);
    assert_eq!(layers(&best).last(), Some(&2));
    // the middle layer stops: the one below it is better than nothing
    net.peers[0].tracks[1].running = false;
    net.run_ms(3000);
    assert_eq!(layers(&low).last(), Some(&0));
}

#[test]
fn a_reader_that_sleeps_costs_frames_and_no_memory() {
    let mut net = publisher(CLEAN, &[]);
    let tap = TestTap::bounded(&mut net, 7, 1, 200_000); // three seconds
    net.run_ms(10_000);
    let lost = tap.0.lost();
    assert!(lost > 150, "{lost}");
    assert_eq!(net.peers[0].tracks[0].plis.len(), 0, "no key frame is asked for that finds no room");
    let (before, others) = tap.frames();
    let bytes: usize = before.iter().map(|f| f.payload.len() + 40).sum();
    assert!(bytes + 40 * others.len() <= 200_000 && !others.contains(&GAP));
    net.run_ms(1000);
    let after = tap.take();
    let first = after.iter().position(|e| e.kind != CLOCK).unwrap();
    assert_eq!(after[first].kind, GAP);
    let frames: Vec<_> = after.iter().filter(|e| e.kind == FRAME).collect();
    let key = frames.iter().position(|f| f.key).unwrap();
    assert!(frames[..key].iter().all(|f| f.after_loss) && frames[key..].iter().all(|f| !f.after_loss));
    assert_eq!(net.peers[0].tracks[0].plis.len(), 1);
    let now = net.now;
    let taps = net.engine.snapshot(now, Default::default()).taps;
    assert_eq!((taps.len(), taps[0].tap, taps[0].producer), (1, 7, 1));
    assert_eq!((taps[0].dropped, taps[0].frames), (tap.0.lost(), (before.len() + frames.len()) as u64));
}

#[test]
fn taps_end_with_what_they_hang_on_and_leave_nothing() {
    let ends: [fn(&mut Net); 4] = [
        |net| net.command(Command::RemoveProducer { producer: 1 }),
        |net| net.command(Command::RemoveSession { session: 1 }),
        |net| net.command(Command::RemoveRoom { room: support::ROOM }),
        |net| net.engine = _dataplane::engine::Engine::new(0, 1),
    ];
    for end in ends {
        let mut net = publisher(CLEAN, &[]);
        let taps = [TestTap::open(&mut net, 7, 1), TestTap::open(&mut net, 8, 1)];
        net.run_ms(500);
        assert!(taps.iter().all(|tap| !tap.0.has_ended()));
        end(&mut net);
        assert!(taps.iter().all(|tap| tap.0.has_ended()));
        assert!(taps.iter().all(|tap| !tap.take().is_empty()), "the rest can be taken");
        let now = net.now;
        assert!(net.engine.snapshot(now, Default::default()).taps.is_empty());
    }
    let mut net = publisher(CLEAN, &[]);
    assert!(TestTap::open(&mut net, 7, 99).0.has_ended(), "there is no such producer");
    assert_eq!(net.engine.counters.unknown_ids, 1);
    for tap in 0..1000 {
        drop(TestTap::open(&mut net, tap, 1));
    }
    net.run_ms(100);
    assert!(net.engine.snapshot(Time(0), Default::default()).taps.is_empty());
}
