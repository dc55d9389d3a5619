//! Nobody sends what nobody watches, and whoever begins to watch does not wait for it.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::event::Event;
use _dataplane::transport_feedback::ArrivalLog;
use _dataplane::units::Time;
use support::{Bottleneck, CLEAN, Net};

const CAMERA: u64 = 1;
const SEAT: u64 = 10;
const ALL: [bool; 3] = [true; 3];
const NONE: [bool; 3] = [false; 3];

/// A camera in three layers whose publisher does as it is told, if `obeys`, and somebody with a seat for it.
struct Call {
    net: Net,
    obeys: bool,
    told: Vec<(u64, Vec<bool>)>,
}

impl Call {
    fn new(obeys: bool) -> Self {
        let mut net = Net::new(1, CLEAN);
        let (publisher, viewer) = (net.connect(1), net.connect(2));
        net.publish(publisher, CAMERA, Kind::Video, "0", &["q", "h", "f"]);
        for rid in ["q", "h", "f"] {
            net.peers[publisher].track(Kind::Video, "0", Some(rid));
        }
        net.subscribe(viewer, SEAT, Kind::Video, Some(CAMERA));
        Self { net, obeys, told: Vec::new() }
    }

    fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.net.run_ms(1);
            self.obey();
        }
    }

    fn command(&mut self, command: Command) {
        self.net.command(command);
        self.obey();
    }

    fn obey(&mut self) {
        let now = self.net.now.as_millis();
        for event in self.net.events.drain(..) {
            match event {
                Event::ProducerLayersWanted { producer: CAMERA, layers } => {
                    if self.obeys {
                        let tracks = &mut self.net.peers[0].tracks;
                        for (track, on) in tracks.iter_mut().zip(&layers) {
                            track.running = *on;
                            track.next_frame = Time(0);
                        }
                    }
                    self.told.push((now, layers));
                }
                Event::ProducerStalled { .. } => panic!("what was paused has not stalled"),
                _ => {}
            }
        }
    }

    fn want(&mut self, layer: u8) {
        self.command(Command::SetConsumerLayer { consumer: SEAT, layer, temporal: 7 });
    }

    /// The layer of the newest packet, and how old that is.
    fn shown(&self) -> (usize, Duration) {
        let last = self.net.peers[1].inbound[0].got.values().next_back().unwrap();
        let ssrc = last.mark.unwrap().0;
        let layer = self.net.peers[0].tracks.iter().position(|t| t.ssrc == ssrc).unwrap();
        (layer, self.net.now - last.at)
    }
}

const FRESH: Duration = Duration::from_millis(60);

#[test]
fn layers_above_the_wanted_one_stop_after_five_seconds_and_come_back_at_once() {
    let mut call = Call::new(true);
    call.run_ms(2000);
    let since = call.net.now.as_millis();
    call.want(0);
    call.run_ms(6000);
    assert_eq!(call.told.len(), 1, "{:?}", call.told);
    let (at, layers) = call.told.remove(0);
    assert_eq!(layers, [true, false, false]);
    assert!((4900..5200).contains(&(at - since)), "after {} ms", at - since);
    assert_eq!(call.shown().0, 0);
    call.run_ms(4000);
    let keys: Vec<u64> = call.net.peers[0].tracks.iter().map(|t| t.key_frames).collect();

    call.want(2);
    assert_eq!(call.told, [(call.net.now.as_millis(), ALL.to_vec())]);
    call.run_ms(400);
    let (layer, age) = call.shown();
    assert!(layer == 2 && age < FRESH, "layer {layer}, {age:?}");
    assert!(call.net.peers[0].tracks[2].key_frames > keys[2], "a key frame was asked for");
    call.run_ms(8000);
    assert_eq!(call.told.len(), 1, "everything up to the wanted layer stays on");
    call.net.peers[1].inbound[0].assert_continuous();
}

#[test]
fn a_camera_that_nobody_watches_is_off_and_has_not_stalled() {
    let mut call = Call::new(true);
    call.run_ms(1000);
    for off in [
        Command::PauseConsumer { consumer: SEAT, paused: true },
        Command::BindConsumer { consumer: SEAT, producer: None },
    ] {
        call.command(off);
        call.run_ms(12_000);
        assert_eq!(call.told.pop().unwrap().1, NONE);
        call.command(Command::BindConsumer { consumer: SEAT, producer: Some(CAMERA) });
        call.command(Command::PauseConsumer { consumer: SEAT, paused: false });
        assert_eq!(call.told.pop().unwrap(), (call.net.now.as_millis(), ALL.to_vec()));
        assert!(call.told.is_empty());
        call.run_ms(300);
        assert!(call.shown().1 < FRESH);
    }
}

#[test]
fn a_camera_that_is_on_and_sends_nothing_has_stalled() {
    let mut call = Call::new(false);
    call.run_ms(1000);
    call.net.peers[0].tracks.iter_mut().for_each(|t| t.running = false);
    let stalled = |call: &Call| call.net.events.contains(&Event::ProducerStalled { producer: CAMERA });
    call.net.run_ms(1900);
    assert!(!stalled(&call));
    call.net.run_ms(200);
    assert!(stalled(&call));
}

#[test]
fn a_publisher_that_does_not_listen_is_seen_all_the_same() {
    let mut call = Call::new(false);
    call.want(0);
    call.run_ms(7000);
    assert_eq!(call.told.pop().unwrap().1, [true, false, false]);
    call.want(2);
    call.run_ms(500);
    let (layer, age) = call.shown();
    assert!(layer == 2 && age < FRESH);
}

#[test]
fn who_is_lost_watches_nothing() {
    let mut call = Call::new(true);
    call.run_ms(1000);
    call.net.peers[1].alive = false;
    call.run_ms(40_000); // consent is gone after 30 s
    assert_eq!(call.told.pop().unwrap().1, NONE);
    call.net.peers[1].alive = true;
    call.run_ms(4000);
    assert_eq!(call.told.pop().unwrap().1, ALL);
    assert!(call.shown().1 < FRESH);
}

#[test]
fn a_camera_that_was_muted_is_given_its_time_again() {
    let mut call = Call::new(true);
    call.command(Command::BindConsumer { consumer: SEAT, producer: None });
    call.run_ms(1000);
    call.command(Command::MuteProducer { producer: CAMERA, muted: true });
    call.run_ms(10_000);
    assert!(call.told.is_empty(), "who sends nothing needs no telling");
    call.command(Command::MuteProducer { producer: CAMERA, muted: false });
    call.command(Command::BindConsumer { consumer: SEAT, producer: Some(CAMERA) });
    call.run_ms(6000);
    assert!(call.told.is_empty());
}

#[test]
fn a_picture_grows_again_behind_an_estimate() {
    let mut call = Call::new(true);
    for (track, (packets, bytes)) in call.net.peers[0].tracks.iter_mut().zip([(1, 560), (2, 980), (8, 980)]) {
        (track.packets_per_frame, track.packet_bytes) = (packets, bytes); // 150, 500 and 2000 kbit/s
    }
    call.net.peers[1].arrivals = Some(ArrivalLog::new());
    call.net.bottlenecks.insert(1, Bottleneck::new(4e6));
    call.run_ms(15_000);
    assert_eq!(call.shown().0, 2);
    call.want(0);
    call.run_ms(20_000);
    assert_eq!(call.shown().0, 0);
    call.want(2);
    let began = call.net.now;
    while call.shown().0 < 2 {
        call.run_ms(20);
        assert!(call.net.now - began < Duration::from_millis(500), "what the link carries was not forgotten");
    }
}
