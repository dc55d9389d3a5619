//! What a subscriber is sent fits its link: found soon, followed up and down, sound before pictures.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::snapshot::{ConsumerNumbers, SessionNumbers};
use _dataplane::units::Time;
use support::{Bottleneck, Link, Net};

/// A wired link, one that reorders, and one that is far away and loses a little.
const LINKS: [Link; 3] = [
    WIRED,
    Link { jitter: Duration::from_millis(6), ..WIRED },
    Link { loss: 0.01, delay: Duration::from_millis(75), jitter: Duration::from_millis(2) },
];
const WIRED: Link = Link { loss: 0.0, delay: Duration::from_millis(25), jitter: Duration::ZERO };
/// (packets in a frame, bytes in a packet) of three layers at 30 fps: about 150, 500 and 2000 kbit/s.
const LAYERS: [(&str, usize, usize); 3] = [("q", 1, 560), ("h", 2, 980), ("f", 8, 980)];

/// `cameras` publishers with three layers and a microphone, one subscriber (the last peer) to all of them behind a
/// bottleneck: video consumers 10, 20 …, audio 11, 21 ….
fn meeting(seed: u64, link: Link, bps: f64, cameras: u64) -> Net {
    let mut net = Net::new(seed, link);
    for camera in 1..=cameras {
        let peer = net.connect(camera);
        net.publish(peer, camera * 10, Kind::Video, "0", &LAYERS.map(|(rid, ..)| rid));
        net.publish(peer, camera * 10 + 1, Kind::Audio, "1", &[]);
        for (rid, packets, bytes) in LAYERS {
            let track = net.peers[peer].track(Kind::Video, "0", Some(rid));
            let track = &mut net.peers[peer].tracks[track];
            (track.packets_per_frame, track.packet_bytes, track.key_frame_factor) = (packets, bytes, 5);
        }
        net.peers[peer].track(Kind::Audio, "1", None);
    }
    let subscriber = net.connect(cameras + 1);
    net.peers[subscriber].arrivals = Some(_dataplane::transport_feedback::ArrivalLog::new());
    net.bottlenecks.insert(subscriber, Bottleneck::new(bps));
    for camera in 1..=cameras {
        net.subscribe(subscriber, camera * 10, Kind::Video, Some(camera * 10));
        net.subscribe(subscriber, camera * 10 + 1, Kind::Audio, Some(camera * 10 + 1));
    }
    net
}

fn session(net: &mut Net) -> SessionNumbers {
    let id = net.peers.last().unwrap().session;
    let now = net.now;
    let sessions = net.engine.snapshot(now, Default::default()).sessions;
    sessions.into_iter().find(|s| s.session == id).unwrap()
}

fn estimate(net: &mut Net) -> f64 {
    session(net).estimate_bps.unwrap() as f64
}

fn video(net: &mut Net) -> Vec<ConsumerNumbers> {
    let now = net.now;
    let consumers = net.engine.snapshot(now, Default::default()).consumers;
    consumers.into_iter().filter(|c| c.consumer % 10 == 0).collect()
}

fn bottleneck(net: &mut Net) -> &mut Bottleneck {
    net.bottlenecks.values_mut().next().unwrap()
}

/// Sound that did not arrive since `from`, of what the newest arrival shows was sent.
fn audio_lost(net: &Net, from: Time) -> u64 {
    let inbound = net.peers.last().unwrap().inbound.iter().filter(|i| i.kind == Kind::Audio);
    inbound
        .map(|i| {
            let mut since = i.got.iter().filter(|(_, got)| got.at >= from).map(|(seq, _)| *seq);
            let first = since.next().expect("sound flows");
            let (last, more) = since.fold((first, 1), |(last, count), seq| (last.max(seq), count + 1));
            last + 1 - first - more
        })
        .sum()
}

fn steady(bps: f64) {
    for (seed, link) in (0..).zip(LINKS) {
        let mut net = meeting(seed, link, bps, 3);
        net.run_ms(10_000);
        let from = net.now;
        let mut shares = Vec::new();
        for _ in 0..40 {
            net.run_ms(500);
            shares.push(estimate(&mut net) / bps);
        }
        let (low, high) = shares.iter().fold((f64::MAX, 0.0f64), |(l, h), s| (l.min(*s), h.max(*s)));
        assert!(low >= 0.80 && high <= 1.05, "estimate {low:.2} to {high:.2} of {bps}: {shares:.2?}");
        assert!(link.loss > 0.0 || audio_lost(&net, from) == 0);
        assert!(bottleneck(&mut net).drops.iter().all(|at| *at < from));
        let (median, worst) = (bottleneck(&mut net).wait(from, 0.5), bottleneck(&mut net).wait(from, 0.99));
        assert!(worst < Duration::from_millis(100), "queue {median:?}, {worst:?} (p99)");
        println!("{bps}: estimate {low:.2}..{high:.2}, queue {median:?} p50 {worst:?} p99");
    }
}

#[test]
fn a_steady_megabit_is_found_and_kept() {
    steady(1e6);
}

#[test]
fn steady_300_kbit_are_found_and_kept() {
    steady(300e3);
}

#[test]
fn a_step_down_and_up_again_is_followed_in_ten_seconds() {
    for (seed, link) in (10..).zip(LINKS) {
        let mut net = meeting(seed, link, 3e6, 3);
        for bps in [3e6, 400e3, 3e6] {
            bottleneck(&mut net).rate_bps = bps;
            net.run_ms(10_000);
            let share = estimate(&mut net) / bps;
            println!("{bps}: {share:.2} after 10 s");
            assert!((0.80..=1.05).contains(&share), "estimate {share:.2} of {bps} after 10 s");
            let from = net.now;
            net.run_ms(8_000);
            let worst = bottleneck(&mut net).wait(from, 0.99);
            assert!(worst < Duration::from_millis(100), "{bps}: queue {worst:?} (p99)");
            assert!(link.loss > 0.0 || audio_lost(&net, from) == 0);
        }
        for inbound in &net.peers.last().unwrap().inbound {
            assert!(inbound.kind == Kind::Audio || inbound.got.len() > 500);
        }
    }
}

#[test]
fn five_percent_random_loss_does_not_collapse_the_estimate() {
    for seed in 0..3 {
        let mut net = meeting(20 + seed, Link { loss: 0.05, ..WIRED }, 2e6, 3);
        net.run_ms(10_000);
        for _ in 0..20 {
            net.run_ms(1000);
            let share = estimate(&mut net) / 2e6;
            assert!((0.6..=1.05).contains(&share), "estimate {share:.2}");
        }
    }
}

#[test]
fn a_fast_link_gets_everything_within_a_second_and_little_padding() {
    let mut net = meeting(30, WIRED, 50e6, 1);
    net.run_ms(2500);
    assert_eq!(video(&mut net)[0].layer, Some(2));
    let padding = net.peers.last().unwrap().padding;
    net.run_ms(20_000);
    assert!(net.peers.last().unwrap().padding - padding < 400, "{padding}");
    assert!(bottleneck(&mut net).drops.is_empty());
    let video = &net.peers.last().unwrap().inbound[0];
    assert!(video.assert_continuous().len() <= 3);
}

#[test]
fn the_first_gets_more_and_everybody_something() {
    let mut net = meeting(40, WIRED, 1.5e6, 3);
    net.command(Command::SetConsumerPriority { consumer: 20, priority: 255 });
    net.run_ms(15_000);
    let layers: Vec<_> = video(&mut net).iter().map(|c| c.layer).collect();
    assert_eq!(layers[1], Some(1), "{layers:?}");
    assert!(layers.iter().all(Option::is_some), "{layers:?}");
    assert!(session(&mut net).allocated_bps <= 1_500_000);
}

#[test]
fn a_picture_that_does_not_fit_is_paused_and_comes_back_and_sound_stays() {
    let mut net = meeting(50, WIRED, 330e3, 2);
    net.run_ms(10_000);
    let paused = |net: &mut Net| video(net).iter().filter(|c| c.paused_by_estimate).count();
    assert_eq!(paused(&mut net), 1, "two microphones and one of two cameras");
    let from = net.now;
    net.run_ms(5_000);
    assert_eq!(audio_lost(&net, from), 0);
    bottleneck(&mut net).rate_bps = 2e6;
    net.run_ms(12_000);
    assert_eq!(paused(&mut net), 0);
    let arrived = net.peers.last().unwrap().inbound.iter().filter(|i| i.kind == Kind::Video);
    assert!(
        arrived
            .map(|i| i.got.values().next_back().unwrap().at)
            .all(|at| net.now - at < Duration::from_millis(99))
    );
}

#[test]
fn lost_feedback_slows_down_and_does_not_stop() {
    let mut net = meeting(60, WIRED, 2e6, 2);
    net.run_ms(10_000);
    let before = estimate(&mut net);
    net.peers.last_mut().unwrap().mute_feedback = true;
    net.run_ms(10_000);
    assert!(estimate(&mut net) < 0.5 * before);
    let from = net.now;
    net.peers.last_mut().unwrap().mute_feedback = false;
    net.run_ms(10_000);
    assert!(estimate(&mut net) > 0.8 * before, "{} of {before}", estimate(&mut net));
    assert_eq!(audio_lost(&net, from), 0);
}
