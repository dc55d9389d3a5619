//! The estimate of a subscriber's link: found soon, followed up and down, and no queue on the way.

mod support;

use std::ops::RangeInclusive;
use std::time::Duration;

use _dataplane::command::Kind;
use support::meeting::{WIRED, audio_lost, bottleneck, estimate, meeting};
use support::{Link, Net};

/// A wired link, one that reorders, one that is far away and loses a little, and two to browsers on machines without a core
/// to spare.
const LINKS: [Link; 5] = [
    WIRED,
    Link { jitter: Duration::from_millis(6), ..WIRED },
    Link { loss: 0.01, delay: Duration::from_millis(75), jitter: Duration::from_millis(2), ..WIRED },
    Link { busy: Duration::from_millis(20), ..WIRED },
    Link { busy: Duration::from_millis(60), ..WIRED },
];
/// What is promised ten seconds after a change, and kept from then on: this share of what the link carries.
const PROMISED: RangeInclusive<f64> = 0.80..=1.05;

/// The estimate is as promised at once and for the next `halves` of a second, no sound is lost but what the link loses,
/// and this share of all packets waits in front of the link for less than 100 ms.
fn holds(net: &mut Net, link: Link, bps: f64, halves: u32, share_in_time: f64) {
    let from = net.now;
    let mut shares = vec![estimate(net) / bps];
    for _ in 0..halves {
        net.run_ms(500);
        shares.push(estimate(net) / bps);
    }
    let (low, high) = shares.iter().fold((f64::MAX, 0.0f64), |(l, h), s| (l.min(*s), h.max(*s)));
    let (p95, p99) = (bottleneck(net).wait(from, 0.95), bottleneck(net).wait(from, 0.99));
    let waited = bottleneck(net).wait(from, share_in_time);
    println!("rate {bps}: estimate {low:.2}..{high:.2}, queue {p95:?} p95 {p99:?} p99");
    assert!(shares.iter().all(|share| PROMISED.contains(share)), "estimates of {bps}: {shares:.2?}");
    assert!(waited < Duration::from_millis(100), "of {bps} a queue of {p95:?} p95, {p99:?} p99");
    assert!(bottleneck(net).drops.iter().all(|at| *at < from));
    assert!(link.loss > 0.0 || audio_lost(net, from) == 0);
}

fn steady(bps: f64) {
    for (index, link) in (0..).zip(LINKS) {
        for seed in 0..2 {
            let mut net = meeting(10 * seed + index, link, bps, 3);
            net.run_ms(10_000);
            holds(&mut net, link, bps, 30, 0.99);
        }
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
    for (index, link) in (0..).zip(LINKS) {
        for seed in 5..7 {
            let mut net = meeting(10 * seed + index, link, 3e6, 3);
            for bps in [3e6, 400e3, 3e6] {
                bottleneck(&mut net).rate_bps = bps;
                net.run_ms(10_000);
                holds(&mut net, link, bps, 10, 0.99);
            }
            for inbound in &net.peers.last().unwrap().inbound {
                assert!(inbound.kind == Kind::Audio || inbound.got.len() > 500);
            }
        }
    }
}

/// One camera whose frames can be left out, as a browser's: the link carries a layer and a half. A try of the larger layer
/// begins with a key frame of 10 kB, 200 ms of the link; far away it lasts a round trip longer until that shows.
#[test]
fn frames_are_left_out_before_a_queue_grows() {
    for (index, link) in (0..).zip(LINKS) {
        let mut net = meeting(40 + index, link, 3e6, 1);
        for track in net.peers.iter_mut().flat_map(|p| &mut p.tracks) {
            track.temporal_layers = 3;
        }
        net.run_ms(10_000);
        for bps in [400e3, 300e3, 1e6] {
            bottleneck(&mut net).rate_bps = bps;
            net.run_ms(10_000);
            let from = net.now;
            holds(&mut net, link, bps, 20, if link.loss > 0.0 { 0.90 } else { 0.95 });
            let marks = net.peers.last().unwrap().inbound[0].got.values();
            let frames = marks.filter(|got| got.at >= from && got.marker).count();
            assert!(frames >= 70, "{bps}: {frames} frames in 10 s");
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
