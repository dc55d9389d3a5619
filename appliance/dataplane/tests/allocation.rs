//! What a subscriber is sent fits its link: sound before pictures, the most important picture before the others, fewer
//! frames before a smaller picture, a smaller picture before none.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use _dataplane::command::{Command, Kind};
use support::Net;
use support::meeting::{WIRED, audio_lost, bottleneck, meeting, meeting_of, session, video};

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
fn frames_are_left_out_before_the_picture_is() {
    // one layer of 500 kbit/s, a quarter of it in T0, a quarter in T1, half in T2
    let mut net = meeting_of(70, WIRED, 385e3, 1, &[("", 2, 980)]);
    net.peers[0].tracks[0].temporal_layers = 3;
    net.run_ms(15_000);
    let from = net.now;
    net.run_ms(5_000);
    let frames = |net: &Net, from| {
        let got = net.peers.last().unwrap().inbound[0].got.values().filter(|got| got.at >= from);
        got.map(|got| (got.picture, got.temporal)).collect::<BTreeSet<_>>()
    };
    let seen = frames(&net, from);
    assert!(
        seen.iter().all(|(_, temporal)| *temporal < 2) && (74..=77).contains(&seen.len()),
        "{}",
        seen.len()
    );
    let (first, last) = (seen.first().unwrap().0, seen.last().unwrap().0);
    assert_eq!(usize::from(last - first) + 1, seen.len(), "no picture id is missing");
    assert_eq!(audio_lost(&net, from), 0);
    assert!(!video(&mut net)[0].paused_by_estimate);
    bottleneck(&mut net).rate_bps = 2e6;
    net.run_ms(12_000);
    let from = net.now;
    net.run_ms(1_000);
    assert!((29..=31).contains(&frames(&net, from).len()), "every frame is back");
}
