//! What is offered is what arrives, in one unbroken stream, whatever the link and the seats do.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::event::Event;
use support::{CLEAN, Link, Net};

/// A publisher with camera (producer 1, three layers if `rids`) and microphone (producer 2), a subscriber to both.
fn call(seed: u64, link: Link, rids: &[&str]) -> Net {
    let mut net = Net::new(seed, link);
    let publisher = net.connect(1);
    let subscriber = net.connect(2);
    net.publish(publisher, 1, Kind::Video, "0", rids);
    net.publish(publisher, 2, Kind::Audio, "1", &[]);
    net.subscribe(subscriber, 10, Kind::Video, Some(1));
    net.subscribe(subscriber, 11, Kind::Audio, Some(2));
    if rids.is_empty() {
        net.peers[publisher].track(Kind::Video, "0", None);
    }
    for rid in rids {
        net.peers[publisher].track(Kind::Video, "0", Some(rid));
    }
    net.peers[publisher].track(Kind::Audio, "1", None);
    net
}

#[test]
fn everything_offered_arrives_once_over_a_clean_link() {
    let mut net = call(1, CLEAN, &[]);
    net.run_ms(4000);
    net.peers[0].tracks.iter_mut().for_each(|t| t.running = false);
    net.run_ms(100);
    for (inbound, track) in net.peers[1].inbound.iter().zip(&net.peers[0].tracks) {
        assert_eq!(inbound.assert_continuous(), [(track.ssrc, track.offered)]);
        assert_eq!((inbound.duplicates, inbound.rtx_packets), (0, 0));
    }
    assert!(net.peers[0].tracks[0].offered >= 4 * 119);
    let types: Vec<u8> =
        net.peers[1].inbound.iter().map(|i| i.got.values().next().unwrap().payload_type).collect();
    assert_eq!(types, [120, 109]); // the subscriber's numbers
    assert!(net.peers[0].feedback >= 35, "feedback about each 100 ms: {}", net.peers[0].feedback);
    let transport = &net.peers[1].transport_seqs;
    assert!(
        transport.windows(2).all(|w| w[1] == w[0].wrapping_add(1)),
        "one transport-wide sequence per session"
    );
    let started = |e: &&Event| matches!(e, Event::ConsumerStarted { .. });
    assert_eq!(net.events.iter().filter(started).count(), 2);
}

#[test]
fn five_percent_loss_both_ways_is_repaired() {
    let link =
        Link { loss: 0.05, delay: Duration::from_millis(25), jitter: Duration::from_millis(4), ..CLEAN };
    for seed in 0..4 {
        let mut net = call(seed, link, &[]);
        net.run_ms(6000);
        net.peers[0].tracks.iter_mut().for_each(|t| t.running = false);
        net.run_ms(900);
        let (video, track) = (&net.peers[1].inbound[0], &net.peers[0].tracks[0]);
        let sources = video.assert_continuous();
        assert_eq!(sources.len(), 1);
        // the end may be lost without anybody knowing; the beginning waits for a key frame that is whole
        assert!(sources[0].1 + 40 >= track.offered, "{} of {}", sources[0].1, track.offered);
        assert!(video.rtx_packets > 15 && net.peers[0].nacked > 15);
        assert!(video.duplicates * 4 > video.rtx_packets, "repeats are sent twice: {}", video.duplicates);
    }
}

#[test]
fn a_seat_that_is_bound_again_goes_on_in_one_stream() {
    let mut net = call(2, CLEAN, &[]);
    let other = net.connect(3);
    net.publish(other, 3, Kind::Video, "a", &[]);
    net.publish(other, 4, Kind::Audio, "b", &[]);
    net.peers[other].track(Kind::Video, "a", None);
    net.peers[other].track(Kind::Audio, "b", None);
    for _ in 0..4 {
        for producers in [[3, 4], [1, 2]] {
            net.run_ms(700);
            for (consumer, producer) in [10, 11].into_iter().zip(producers) {
                net.command(Command::BindConsumer { consumer, producer: Some(producer) });
            }
        }
    }
    net.command(Command::BindConsumer { consumer: 10, producer: None });
    net.run_ms(3000);
    net.command(Command::BindConsumer { consumer: 10, producer: Some(3) });
    net.run_ms(500);
    let sources = net.peers[1].inbound[0].assert_continuous();
    assert_eq!(sources.len(), 8); // the last of the eight was bound away at once
    assert!(sources.iter().all(|(_, packets)| *packets > 40), "{sources:?}");
    assert_eq!(net.peers[1].inbound[1].assert_continuous().len(), 9);
}

#[test]
fn a_producer_that_is_replaced_and_an_ssrc_that_changes_leave_no_mark() {
    let mut net = call(3, CLEAN, &[]);
    net.run_ms(1000);
    net.peers[0].renew(0);
    net.peers[0].renew(1);
    net.run_ms(1000);
    net.peers[0].tracks[0].identify = false; // as browsers do after the first report
    net.command(Command::RemoveProducer { producer: 1 });
    net.run_ms(500);
    net.publish(0, 5, Kind::Video, "0", &[]);
    net.command(Command::BindConsumer { consumer: 10, producer: Some(5) });
    net.run_ms(1000);
    assert_eq!(net.peers[1].inbound[0].assert_continuous().len(), 2);
    assert_eq!(net.peers[1].inbound[1].assert_continuous().len(), 2);
    let last = net.peers[1].inbound[0].got.values().next_back().unwrap();
    assert!(net.now - last.at < Duration::from_millis(50), "it flows again");
}

#[test]
fn mute_and_pause_leave_no_gap_and_begin_at_a_key_frame() {
    let mut net = call(4, CLEAN, &[]);
    for _ in 0..3 {
        net.run_ms(800);
        for producer in [1, 2] {
            net.command(Command::MuteProducer { producer, muted: true });
        }
        net.run_ms(30);
        let counts: Vec<usize> = net.peers[1].inbound.iter().map(|i| i.got.len()).collect();
        net.run_ms(900);
        assert_eq!(counts, net.peers[1].inbound.iter().map(|i| i.got.len()).collect::<Vec<_>>());
        for producer in [1, 2] {
            net.command(Command::MuteProducer { producer, muted: false });
        }
        net.run_ms(800);
        assert!(net.peers[1].inbound.iter().zip(&counts).all(|(i, before)| i.got.len() > before + 20));
        net.command(Command::PauseConsumer { consumer: 10, paused: true });
        net.run_ms(300);
        net.command(Command::PauseConsumer { consumer: 10, paused: false });
    }
    net.run_ms(700);
    for inbound in &net.peers[1].inbound {
        inbound.assert_continuous();
    }
    let video = &net.peers[1].inbound[0];
    let gap = |a: &support::inbound::Got, b: &support::inbound::Got| b.at - a.at > Duration::from_millis(200);
    let all: Vec<_> = video.got.values().collect();
    let begun: Vec<_> = all.windows(2).filter(|w| gap(w[0], w[1])).map(|w| (w[0], w[1])).collect();
    assert_eq!(begun.len(), 6);
    for (before, after) in begun {
        assert!(after.key_frame);
        // the clock of the stream went on through the silence
        let silent_ms = (after.at - before.at).as_millis() as i64;
        let ticks_ms = i64::from(after.timestamp.wrapping_sub(before.timestamp) / 90);
        assert!(
            (silent_ms - ticks_ms).abs() < 60,
            "{silent_ms} ms on the clock, {ticks_ms} ms in the stream"
        );
    }
}

#[test]
fn layers_switch_on_key_frames_while_the_old_one_flows() {
    let mut net = call(5, CLEAN, &["q", "h", "f"]);
    net.run_ms(1500);
    for layer in [0, 2, 1, 0, 2] {
        net.command(Command::SetConsumerLayer { consumer: 10, layer, temporal: 7 });
        net.run_ms(1500);
        let last = net.peers[1].inbound[0].got.values().next_back().unwrap().mark.unwrap().0;
        assert_eq!(last, net.peers[0].tracks[usize::from(layer)].ssrc, "layer {layer}");
    }
    let video = &net.peers[1].inbound[0];
    let sources = video.assert_continuous();
    assert!(sources.len() >= 6, "{sources:?}");
    let all: Vec<_> = video.got.values().collect();
    let worst = all.windows(2).map(|w| w[1].at - w[0].at).max().unwrap();
    assert!(worst < Duration::from_millis(80), "the picture never waits for a switch: {worst:?}");
    // the browser pauses its top layer
    net.peers[0].tracks[2].running = false;
    net.run_ms(2500);
    let last = net.peers[1].inbound[0].got.values().next_back().unwrap().clone();
    assert_eq!(last.mark.unwrap().0, net.peers[0].tracks[1].ssrc);
    net.peers[0].tracks[2].running = true;
    net.run_ms(2500);
    let last = net.peers[1].inbound[0].got.values().next_back().unwrap().clone();
    assert_eq!(last.mark.unwrap().0, net.peers[0].tracks[2].ssrc);
    net.peers[1].inbound[0].assert_continuous();
}

#[test]
fn a_filtered_temporal_layer_leaves_no_hole() {
    let mut net = call(6, Link { jitter: Duration::from_millis(6), ..CLEAN }, &[]);
    net.peers[0].tracks[0].temporal_layers = 3;
    for temporal in [7, 0, 1, 2, 0, 7] {
        net.command(Command::SetConsumerLayer { consumer: 10, layer: 0, temporal });
        net.run_ms(1000);
    }
    net.peers[0].tracks[0].running = false;
    net.run_ms(300);
    let video = &net.peers[1].inbound[0];
    let (first, last) = (video.got.keys().next().unwrap(), video.got.keys().next_back().unwrap());
    assert_eq!(video.got.len() as u64, last - first + 1, "no gap in {} packets", video.got.len());
    let at = |from: u64, to: u64| {
        let span = Duration::from_millis(1000 + from)..Duration::from_millis(1000 + to);
        let in_span = move |at| span.contains(&(at - _dataplane::units::Time(0)));
        video.got.values().filter(|g| g.mark.is_some() && in_span(g.at)).map(|g| g.temporal).max()
    };
    assert_eq!(
        [at(400, 1000), at(1200, 1950), at(2400, 2950), at(3400, 3950), at(4200, 4950)],
        [Some(2), Some(0), Some(1), Some(2), Some(0)]
    );
}

#[test]
fn padding_is_never_forwarded_and_leaves_no_gap() {
    let mut net = call(7, CLEAN, &["q", "h", "f"]);
    for track in net.peers[0].tracks.iter_mut() {
        track.running = false;
    }
    // probes on RTX come before any media
    for _ in 0..200 {
        for track in 0..3 {
            net.peers[0].probe(track);
        }
        net.run_ms(1);
    }
    for track in net.peers[0].tracks.iter_mut() {
        track.running = true;
    }
    for _ in 0..40 {
        net.run_ms(50);
        net.peers[0].pad(2);
        net.peers[0].pad(2);
    }
    let video = &net.peers[1].inbound[0];
    video.assert_continuous();
    assert!(video.got.len() > 150 && video.got.values().all(|g| g.mark.is_some()));
}

#[test]
fn lips_stay_in_sync_on_one_clock() {
    let mut net = call(8, CLEAN, &[]);
    net.run_ms(5000);
    let (video, audio) = (&net.peers[1].inbound[0], &net.peers[1].inbound[1]);
    assert!(video.reports.len() >= 4 && audio.reports.len() >= 4);
    // by its own reports, when was the last packet of each captured, on one clock? Both were sent within 33 ms.
    let captured = |inbound: &support::inbound::Inbound, rate: f64| {
        let (_, ntp, rtp) = *inbound.reports.last().unwrap();
        let last = inbound.got.values().next_back().unwrap();
        ntp as f64 / 2f64.powi(32) + f64::from(last.timestamp.wrapping_sub(rtp) as i32) / rate
    };
    let apart = captured(video, 90_000.0) - captured(audio, 48_000.0);
    assert!(apart.abs() < 0.040, "{apart} s");
    let rtt = net.engine.snapshot(net.now, Default::default()).sessions[1].rtt_ms.unwrap();
    assert!((5.0..20.0).contains(&rtt), "{rtt} ms over a link of 2 × 5 ms");
}

#[test]
fn a_playout_delay_is_passed_on_unless_it_holds_everybody_back() {
    let mut net = call(9, CLEAN, &[]);
    // 0 to 0, 400 to 1000 ms, 410 to 1000 ms; 12 bits each, in 10 ms
    for (asked, passed) in [([0, 0, 0], true), ([0x02, 0x80, 0x64], true), ([0x02, 0x90, 0x64], false)] {
        net.peers[0].tracks[0].playout = Some(asked);
        net.run_ms(300);
        let last = net.peers[1].inbound[0].got.values().next_back().unwrap();
        assert_eq!(last.playout, passed.then(|| asked.to_vec()));
    }
}
