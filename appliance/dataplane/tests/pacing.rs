//! Key frames and bursts leave no faster than the link can take, sound first; where there is room nothing waits.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::units::Time;
use support::Net;
use support::meeting::{WIRED, audio_lost, bottleneck, estimate, meeting, meeting_of, video};

/// Asks for a key frame of every picture each `ms`, for `times` of them.
fn ask_for_key_frames(net: &mut Net, ms: u64, times: u64) {
    for _ in 0..times {
        let inbound = &net.peers.last().unwrap().inbound;
        let pictures: Vec<u32> = inbound.iter().filter(|i| i.kind == Kind::Video).map(|i| i.ssrc).collect();
        for ssrc in pictures {
            net.peers.last_mut().unwrap().pli(ssrc);
        }
        net.run_ms(ms);
    }
}

/// Longest time between two packets of sound since `from`.
fn longest_silence(net: &Net, from: Time) -> Duration {
    let inbound = net.peers.last().unwrap().inbound.iter().filter(|i| i.kind == Kind::Audio);
    inbound
        .map(|i| {
            let at: Vec<Time> = i.got.values().map(|got| got.at).filter(|at| *at >= from).collect();
            at.windows(2).map(|pair| pair[1] - pair[0]).max().expect("sound flows")
        })
        .max()
        .expect("somebody speaks")
}

#[test]
fn key_frames_make_no_queue_that_is_heard() {
    for (seed, bps, cameras) in [(1, 300e3, 1), (2, 1e6, 2), (3, 3e6, 3)] {
        let mut net = meeting(seed, WIRED, bps, cameras);
        for track in net.peers.iter_mut().flat_map(|p| &mut p.tracks) {
            track.key_frame_factor = 8;
        }
        net.run_ms(10_000);
        let from = net.now;
        ask_for_key_frames(&mut net, 2000, 8);
        let (most, worst) = (bottleneck(&mut net).wait(from, 0.99), bottleneck(&mut net).wait(from, 1.0));
        let silence = longest_silence(&net, from);
        println!("{bps}: queue {most:?} p99 {worst:?} at most, silence {silence:?}");
        assert!(most < Duration::from_millis(100), "{bps}: queue {most:?} p99");
        assert!(silence < Duration::from_millis(120), "{bps}: {silence:?} without sound");
        assert_eq!(audio_lost(&net, from), 0);
        assert!(bottleneck(&mut net).drops.iter().all(|at| *at < from));
        let key_frames = net.peers[0].tracks.iter().map(|t| t.key_frames).max().unwrap();
        assert!(key_frames >= 8, "{key_frames}");
    }
}

#[test]
fn where_there_is_room_a_frame_leaves_whole_and_at_once() {
    let mut net = meeting(10, WIRED, 50e6, 1);
    net.run_ms(5_000);
    let from = net.now;
    ask_for_key_frames(&mut net, 1000, 3);
    let mut together: BTreeMap<Time, usize> = BTreeMap::new();
    for (at, _) in bottleneck(&mut net).waits.iter().filter(|(at, _)| *at >= from) {
        *together.entry(*at).or_default() += 1;
    }
    let frames = together.values().filter(|count| **count >= 8).count();
    assert!((89..=91).contains(&frames), "{frames} of 90 frames of 8 packets");
}

#[test]
fn a_key_frame_that_takes_too_long_brings_the_lower_layer() {
    let mut net = meeting(20, WIRED, 3e6, 1);
    let highest = net.peers[0].tracks.iter_mut().find(|t| t.rid.as_deref() == Some("f")).unwrap();
    highest.key_frame_factor = 60; // 470 kB, more than half a second at 2.5 times the link
    net.run_ms(15_000);
    let from = net.now;
    net.run_ms(3_000);
    assert_eq!(video(&mut net)[0].layer, Some(1));
    let picture = &net.peers.last().unwrap().inbound[0];
    let marks = picture.got.values().filter(|got| got.at >= from && got.marker).count();
    assert!((85..=95).contains(&marks), "{marks} frames of 90");
    assert_eq!(audio_lost(&net, from), 0);
    // packets that were given up have no number: nobody asks for them
    let first = *picture.got.iter().find(|(_, got)| got.at >= from).unwrap().0;
    assert_eq!(picture.got.range(first..).count() as u64, picture.highest - first + 1);
}

#[test]
fn a_key_frame_without_a_lower_layer_is_spread_over_half_a_second_and_comes_whole() {
    let mut net = meeting_of(30, WIRED, 500e3, 1, &[("", 1, 900)]);
    net.run_ms(8_000);
    net.peers[0].tracks[0].key_frame_factor = 80; // 72 kB: 1.2 s of the link
    bottleneck(&mut net).queue = Duration::from_secs(2);
    let from = net.now;
    ask_for_key_frames(&mut net, 4000, 1);
    let sent = bottleneck(&mut net).waits.iter().filter(|(at, _)| *at >= from).count();
    assert!(sent > 200, "{sent}");
    let picture = &net.peers.last().unwrap().inbound[0];
    let arrived = picture.got.values().filter(|got| got.at >= from);
    let key: Vec<_> = arrived.clone().filter(|got| got.key_frame).collect();
    assert_eq!(key.len(), 1);
    let whole = arrived.filter(|got| got.timestamp == key[0].timestamp).count();
    assert_eq!(whole, 80);
    let longest = (0..100).map(|i| from + Duration::from_millis(i * 10)).map(|at| {
        let until = at + Duration::from_millis(10);
        bottleneck(&mut net).waits.iter().filter(|(sent, _)| (at..until).contains(sent)).count()
    });
    let most = longest.max().unwrap();
    assert!(most <= 8, "{most} packets within 10 ms");
    assert!(longest_silence(&net, from) < Duration::from_millis(900));
}

#[test]
fn repairs_leave_before_pictures_and_never_before_sound() {
    let mut net = meeting(40, WIRED, 400e3, 1);
    net.run_ms(10_000);
    let (from, share) = (net.now, estimate(&mut net) / 400e3);
    assert!((0.75..1.05).contains(&share), "{share}"); // what tests/congestion.rs promises is not this test's
    let rtx = |net: &Net| net.peers.last().unwrap().inbound[0].rtx_packets;
    let before = rtx(&net);
    for _ in 0..200 {
        // everything of the last half second, again and again
        let picture = &net.peers.last().unwrap().inbound[0];
        let (ssrc, newest) = (picture.ssrc, picture.highest as u16);
        let lost: Vec<u16> = (0..30).map(|back| newest.wrapping_sub(back)).collect();
        net.peers.last_mut().unwrap().nack(ssrc, &lost);
        net.run_ms(20);
    }
    let repaired = rtx(&net) - before;
    assert!(repaired > 20, "{repaired}");
    assert_eq!(audio_lost(&net, from), 0);
    let (most, silence) = (bottleneck(&mut net).wait(from, 0.99), longest_silence(&net, from));
    assert!(most < Duration::from_millis(100), "queue {most:?} p99");
    assert!(silence < Duration::from_millis(120), "{silence:?} without sound");
}
