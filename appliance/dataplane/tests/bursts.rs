//! A frame's packets leave together, subscriber by subscriber; sound does not wait for pictures, and nothing waits long.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::held::HOLD;
use support::{CLEAN, Net};

/// A camera (producer 1) and a microphone (producer 2), received by three, all started, in step with the clock.
fn call() -> Net {
    let mut net = Net::new(1, CLEAN);
    let publisher = net.connect(1);
    net.publish(publisher, 1, Kind::Video, "0", &[]);
    net.publish(publisher, 2, Kind::Audio, "1", &[]);
    net.peers[publisher].track(Kind::Video, "0", None);
    net.peers[publisher].track(Kind::Audio, "1", None);
    for session in 2..5 {
        let subscriber = net.connect(session);
        net.subscribe(subscriber, session * 10, Kind::Video, Some(1));
        net.subscribe(subscriber, session * 10 + 1, Kind::Audio, Some(2));
    }
    net.run_ms(500);
    net.peers[0].alive = false; // no connectivity checks in between
    net
}

/// The next packets of a track of the publisher, sealed; the other track is silent.
fn next(net: &mut Net, track: usize) -> Vec<Vec<u8>> {
    net.peers[0].tracks.iter_mut().enumerate().for_each(|(index, t)| t.running = index == track);
    let mut packets: Vec<Vec<u8>> = Vec::new();
    while packets.is_empty() {
        net.now += Duration::from_millis(1);
        packets = net.peers[0].tick(net.now);
        packets.retain(|p| !_dataplane::rtp::is_rtcp(p));
    }
    packets
}

fn arrive(net: &mut Net, packet: &mut [u8]) {
    let (now, path) = (net.now, net.peers[0].path);
    net.engine.handle_packet(now, path, packet);
}

/// (last byte of the peer's address, datagrams, bytes of each) of every message written so far; empties the outbox.
fn written(net: &mut Net) -> Vec<(u8, usize)> {
    let messages = net.engine.written().messages().map(|(path, bytes, segment)| {
        let std::net::IpAddr::V4(peer) = path.remote().ip() else { unreachable!() };
        (peer.octets()[3], bytes.len().div_ceil(segment))
    });
    let messages = messages.collect();
    net.engine.written().clear();
    messages
}

#[test]
fn a_frame_is_one_message_for_each_subscriber() {
    let mut net = call();
    let mut frame = next(&mut net, 0);
    assert_eq!(frame.len(), 4);
    let (last, first) = frame.split_last_mut().unwrap();
    for packet in first {
        arrive(&mut net, packet);
        assert!(!net.engine.forward_due(net.now, usize::MAX));
        assert!(written(&mut net).is_empty(), "held until the marker bit");
    }
    arrive(&mut net, last);
    assert!(!net.engine.forward_due(net.now, usize::MAX));
    assert_eq!(written(&mut net), [(2, 4), (3, 4), (4, 4)]);
    assert!(!net.engine.forward_due(net.now + HOLD, usize::MAX));
    assert!(written(&mut net).is_empty());
}

#[test]
fn the_beginning_of_a_frame_waits_a_millisecond_and_no_longer() {
    let mut net = call();
    let mut frame = next(&mut net, 0);
    arrive(&mut net, &mut frame[0]);
    arrive(&mut net, &mut frame[1]);
    let due = net.now + HOLD;
    assert!(net.engine.next_timer().is_some_and(|timer| timer <= due));
    net.engine.forward_due(due - Duration::from_micros(1), usize::MAX);
    assert!(written(&mut net).is_empty());
    net.engine.forward_due(due, usize::MAX);
    assert_eq!(written(&mut net), [(2, 2), (3, 2), (4, 2)]);
}

#[test]
fn sound_goes_at_once_and_leaves_the_picture_whole() {
    let mut net = call();
    let mut frame = next(&mut net, 0);
    let mut sound = next(&mut net, 1);
    arrive(&mut net, &mut frame[0]);
    arrive(&mut net, &mut sound[0]);
    net.engine.forward_due(net.now, usize::MAX);
    assert_eq!(written(&mut net), [(2, 1), (3, 1), (4, 1)]);
    for packet in &mut frame[1..] {
        arrive(&mut net, packet);
    }
    net.engine.forward_due(net.now, usize::MAX);
    assert_eq!(written(&mut net), [(2, 4), (3, 4), (4, 4)]);
}

#[test]
fn a_small_outbox_gets_the_fan_out_in_pieces() {
    let mut net = call();
    let mut frame = next(&mut net, 0);
    frame.iter_mut().for_each(|packet| arrive(&mut net, packet));
    let mut pieces = Vec::new();
    while net.engine.forward_due(net.now, 1) {
        pieces.push(written(&mut net));
    }
    pieces.push(written(&mut net));
    assert_eq!(pieces, [[(2, 4)], [(3, 4)], [(4, 4)]]);
}

#[test]
fn what_came_before_a_command_is_not_touched_by_it() {
    let mut net = call();
    let mut frame = next(&mut net, 0);
    arrive(&mut net, &mut frame[0]);
    net.engine.handle_command(net.now, Command::RemoveConsumer { consumer: 30 });
    assert_eq!(written(&mut net), [(2, 1), (3, 1), (4, 1)]);
    arrive(&mut net, &mut frame[1]);
    net.engine.handle_command(net.now, Command::RemoveProducer { producer: 1 });
    assert_eq!(written(&mut net), [(2, 1), (4, 1)]);
}

#[test]
fn a_flood_without_marker_bits_is_forwarded_and_never_held_without_end() {
    let mut net = call();
    net.peers[0].tracks[0].packets_per_frame = 3000;
    let frame = next(&mut net, 0);
    let mut sent = 0;
    for mut packet in frame {
        arrive(&mut net, &mut packet);
        while net.engine.forward_due(net.now, 64 << 10) {
            sent += net.engine.written().len();
            net.engine.written().clear();
        }
    }
    net.engine.forward_due(net.now, usize::MAX);
    sent += net.engine.written().len();
    assert_eq!(sent, 3 * 3000);
}

#[test]
fn what_is_held_survives_a_megabyte_of_others_that_pass_it() {
    let mut net = call();
    net.peers[0].tracks[1].packet_bytes = 1000; // as many small ones at once would be policed
    let mut frame = next(&mut net, 0);
    let (now, path) = (net.now, net.peers[0].path);
    net.engine.handle_packet(now, path, &mut frame[0]);
    let (mut bytes, mut sent) = (0, 0);
    while bytes < 3 << 19 {
        for mut sound in next(&mut net, 1) {
            net.engine.handle_packet(now, path, &mut sound);
            bytes += sound.len();
            net.engine.forward_due(now, usize::MAX);
            sent += 1;
            assert_eq!(net.engine.written().len(), 3, "sound passes the picture");
            net.engine.written().clear();
        }
    }
    assert!(sent > 1000);
    for packet in &mut frame[1..] {
        net.engine.handle_packet(now, path, packet);
    }
    net.drain();
    let before: Vec<usize> = net.peers[1..].iter().map(|peer| peer.inbound[0].got.len()).collect();
    net.run_ms(10);
    for (peer, before) in net.peers[1..].iter().zip(before) {
        assert_eq!(peer.inbound[0].got.len(), before + 4);
        peer.inbound[0].assert_continuous();
    }
}
