//! Timers cost what is due: an idle room hardly wakes its worker, and what is urgent does not wait for its turn.

mod support;

use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::engine::TICK;
use support::{CLEAN, Net};

/// Lets time pass without packets; how often the worker was woken for it.
fn turns(net: &mut Net, span: Duration) -> usize {
    let (end, mut turns) = (net.now + span, 0);
    while let Some(timer) = net.engine.next_timer().filter(|timer| *timer < end) {
        assert!(timer > net.now || turns == 0, "time goes on");
        net.now = net.now.max(timer);
        net.engine.handle_timer(net.now);
        net.drain();
        turns += 1;
    }
    net.now = end;
    turns
}

/// One publisher with a camera, two who watch, all started; then nobody says anything.
fn call() -> Net {
    let mut net = Net::new(1, CLEAN);
    let publisher = net.connect(1);
    net.publish(publisher, 1, Kind::Video, "0", &[]);
    net.peers[publisher].track(Kind::Video, "0", None);
    for session in 2..4 {
        let subscriber = net.connect(session);
        net.subscribe(subscriber, session * 10, Kind::Video, Some(1));
    }
    net.run_ms(500);
    net.peers[0].alive = false;
    turns(&mut net, Duration::from_millis(300));
    net
}

/// The next frame of the camera.
fn frame(net: &mut Net) -> Vec<Vec<u8>> {
    let mut frame = Vec::new();
    while frame.is_empty() {
        net.now += Duration::from_millis(1);
        frame = net.peers[0].tick(net.now);
        frame.retain(|p| (128..192).contains(&p[0]) && !_dataplane::rtp::is_rtcp(p));
    }
    frame
}

/// Whether the next turn comes within a tick and sends the publisher a request.
fn asks_at_once(net: &mut Net) -> bool {
    let timer = net.engine.next_timer().unwrap();
    assert!(timer <= net.now + TICK, "{timer:?} at {:?}", net.now);
    net.now = net.now.max(timer);
    let path = net.peers[0].path;
    net.engine.handle_timer(net.now);
    net.engine.outbox().iter().any(|(to, bytes)| to == path && _dataplane::rtp::is_rtcp(bytes))
}

#[test]
fn an_idle_room_of_fifty_wakes_its_worker_ten_times_a_second() {
    let mut net = Net::new(1, CLEAN);
    for session in 1..=50 {
        net.connect(session);
        turns(&mut net, Duration::from_millis(7));
    }
    turns(&mut net, Duration::from_millis(500));
    let turns = turns(&mut net, Duration::from_secs(2));
    assert!((10..=22).contains(&turns), "{turns}");
}

#[test]
fn a_gap_is_asked_for_with_the_next_tick() {
    let mut net = call();
    let mut frame = frame(&mut net);
    assert!(frame.len() > 2);
    frame.remove(1);
    for mut packet in frame {
        let (now, path) = (net.now, net.peers[0].path);
        net.engine.handle_packet(now, path, &mut packet);
    }
    net.engine.outbox().clear();
    let asked = (0..2).any(|_| asks_at_once(&mut net)); // MEDIA-NOTES §4: 10 ms after the gap
    assert!(asked);
}

#[test]
fn a_key_frame_that_somebody_needs_is_asked_for_with_the_next_tick() {
    let mut net = call();
    let ssrc = net.peers[1].inbound[0].ssrc;
    net.peers[1].pli(ssrc);
    let mut datagram = net.peers[1].out.pop().unwrap();
    let still_sends = frame(&mut net);
    let (now, publisher, subscriber) = (net.now, net.peers[0].path, net.peers[1].path);
    for mut packet in still_sends {
        net.engine.handle_packet(now, publisher, &mut packet);
    }
    turns(&mut net, Duration::from_millis(50));
    let now = net.now;
    net.engine.handle_packet(now, subscriber, &mut datagram);
    net.engine.outbox().clear();
    assert!(asks_at_once(&mut net));
}

#[test]
fn a_paused_camera_leaves_few_turns() {
    let mut net = call();
    let turns = turns(&mut net, Duration::from_secs(1));
    assert!(turns <= 40, "rounds of 50 ms and looks of 100 ms: {turns}");
}
