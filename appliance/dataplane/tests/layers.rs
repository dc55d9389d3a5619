//! Spatial and temporal layers inside one SSRC: whoever gets some of them gets all that these need, nothing more, and one
//! stream without a seam.

mod support;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::formats::{ExtensionIds, PayloadSpec};
use _dataplane::engine::snapshot::WorkerNumbers;
use _dataplane::event::Event;
use _dataplane::rtcp::{self, Packet};
use _dataplane::rtp::{RtpView, is_rtcp};
use _dataplane::transport_feedback::ArrivalLog;
use _dataplane::units::Time;
use std::collections::VecDeque;
use std::time::Duration;
use support::svc::{Decoder, Seen, Source};
use support::{CLEAN, Net, seal};

const VP9: u8 = 98;
const MID: u8 = 4;
const DESCRIPTOR: u8 = 12;
const TRANSPORT_CC: u8 = 5;

/// Publishers (peer, source), and one subscriber that gets the camera of the first, producer 1.
struct Call {
    net: Net,
    sources: Vec<(usize, Source)>,
    subscriber: usize,
    decoder: Decoder,
    /// Every so many packets one is overtaken by the next; 0 none.
    swaps: usize,
    /// The subscriber's link, if it is narrow.
    narrow: Option<Narrow>,
}

/// A link that carries so much, and tells what arrived when.
struct Narrow {
    bps: f64,
    busy: Time,
    under_way: VecDeque<(Time, u16)>,
    arrivals: ArrivalLog,
    told: Time,
    /// Packets that left when none came in.
    waited: usize,
}

fn formats(net: &mut Net, session: u64, descriptors: bool, transport_cc: u8) {
    let payload =
        PayloadSpec { payload_type: VP9, format: "vp9/0".into(), clock_rate: 90_000, rtx_payload_type: None };
    let dependency_descriptor = if descriptors { DESCRIPTOR } else { 0 };
    let extensions =
        ExtensionIds { mid: MID, dependency_descriptor, transport_cc, ..ExtensionIds::default() };
    net.command(Command::SetFormats { session, payloads: vec![payload], extensions });
}

impl Call {
    fn new(sources: Vec<Source>, descriptors: bool) -> Self {
        let mut net = Net::new(1, CLEAN);
        let mut peers = Vec::new();
        for (session, source) in (2..).zip(sources) {
            let peer = net.connect(session);
            formats(&mut net, session, true, 0);
            net.publish(peer, session - 1, Kind::Video, "0", &[]);
            peers.push((peer, source));
        }
        let subscriber = net.connect(1);
        formats(&mut net, 1, descriptors, 0);
        net.subscribe(subscriber, 10, Kind::Video, Some(1));
        Self { net, sources: peers, subscriber, decoder: Decoder::default(), swaps: 0, narrow: None }
    }

    fn want(&mut self, layer: u8, temporal: u8) {
        self.net.command(Command::SetConsumerLayer { consumer: 10, layer, temporal });
    }

    /// So many pictures of every source, at 30 fps.
    fn run(&mut self, pictures: usize) {
        for _ in 0..pictures {
            for index in 0..self.sources.len() {
                let (peer, source) = &mut self.sources[index];
                let peer = *peer;
                let mut packets = source.picture(VP9, MID, DESCRIPTOR);
                if let Some(last) = packets.len().checked_sub(1).filter(|_| self.swaps > 0) {
                    (1..last).step_by(self.swaps).for_each(|at| packets.swap(at, at + 1));
                }
                for packet in packets {
                    self.offer(peer, &packet);
                }
            }
            for _ in 0..33 {
                self.net.now += Duration::from_millis(1);
                self.net.engine.handle_timer(self.net.now);
                let before = self.decoder.packets.len();
                self.drain();
                let left = self.decoder.packets.len() - before;
                self.feed_back(left);
            }
        }
    }

    fn offer(&mut self, peer: usize, packet: &[u8]) {
        let path = self.net.peers[peer].path;
        let mut sealed = seal(&mut self.net.peers[peer].tx, packet);
        self.net.engine.handle_packet(self.net.now, path, &mut sealed);
        self.drain();
    }

    fn drain(&mut self) {
        let sent: Vec<_> = self.net.engine.outbox().iter().map(|(p, d)| (p, d.to_vec())).collect();
        self.net.engine.outbox().clear();
        for (path, mut datagram) in sent {
            let Some(peer) = self.net.peers.iter_mut().position(|p| p.path == path) else { continue };
            let rx = &mut self.net.peers[peer].rx;
            if is_rtcp(&datagram) {
                let length = rx.unprotect_rtcp(&mut datagram).unwrap();
                let asks = |p: Result<Packet<'_>, _>| matches!(p, Ok(Packet::Pli { .. }));
                if rtcp::parse_untrusted(&datagram[..length]).any(asks) {
                    self.sources.iter_mut().find(|(p, _)| *p == peer).unwrap().1.want_key = true;
                }
            } else if peer == self.subscriber {
                let length = rx.unprotect_rtp(&mut datagram).unwrap();
                if let Some(narrow) = &mut self.narrow {
                    let view = RtpView::parse_untrusted(&datagram[..length]).unwrap();
                    let number = view.extension(TRANSPORT_CC).unwrap();
                    let takes = Duration::from_secs_f64(length as f64 * 8.0 / narrow.bps);
                    narrow.busy = narrow.busy.max(self.net.now) + takes;
                    narrow.under_way.push_back((narrow.busy, u16::from_be_bytes([number[0], number[1]])));
                }
                self.decoder.take(&datagram[..length]);
            }
        }
        self.net.events.extend(self.net.engine.take_events());
    }

    /// The subscriber's link carries so much from now on.
    fn narrow(&mut self, bps: f64) {
        formats(&mut self.net, 1, true, TRANSPORT_CC);
        self.narrow = Some(Narrow {
            bps,
            busy: Time(0),
            under_way: VecDeque::new(),
            arrivals: ArrivalLog::new(),
            told: Time(0),
            waited: 0,
        });
    }

    /// Transport-wide feedback each 50 ms.
    fn feed_back(&mut self, left: usize) {
        let (now, path) = (self.net.now, self.net.peers[self.subscriber].path);
        let Some(narrow) = &mut self.narrow else { return };
        narrow.waited += left;
        while let Some((at, number)) = narrow.under_way.front().copied().filter(|(at, _)| *at <= now) {
            narrow.arrivals.on_packet(at, number);
            narrow.under_way.pop_front();
        }
        if now - narrow.told < Duration::from_millis(50) {
            return;
        }
        narrow.told = now;
        let mut out = [0; 1300];
        while let Some(length) = narrow.arrivals.build(&mut out, 1, 1) {
            let mut sealed = self.net.peers[self.subscriber].rtcp(&out[..length]);
            self.net.engine.handle_packet(now, path, &mut sealed);
        }
    }

    fn layer(&mut self) -> Option<u8> {
        let worker = WorkerNumbers::default();
        self.net.engine.snapshot(self.net.now, worker).consumers[0].layer
    }

    fn key_frames(&self) -> u64 {
        self.sources[0].1.key_frames
    }

    fn frames(&self) -> Vec<Seen> {
        self.decoder.frames(DESCRIPTOR)
    }
}

/// Spatial and temporal layers among the last frames, and frames a picture.
fn layers(frames: &[Seen], last: usize) -> (Vec<u8>, Vec<u8>) {
    let tail = &frames[frames.len() - last..];
    let sorted = |of: fn(&Seen) -> u8| {
        let mut all: Vec<u8> = tail.iter().map(of).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    (sorted(|f| f.spatial), sorted(|f| f.temporal))
}

#[test]
fn a_key_dependent_stream_gives_each_layer_alone_and_changes_at_key_frames() {
    for descriptors in [true, false] {
        for described in [true, false] {
            let mut call = Call::new(vec![Source::new(0x700, 3, true, described)], descriptors);
            call.run(60);
            assert_eq!(layers(&call.frames(), 20), (vec![2], vec![0, 1, 2]), "{descriptors} {described}");
            for (layer, temporal) in [(0, 7), (1, 7), (2, 7), (0, 7), (2, 0), (1, 1)] {
                let before = call.key_frames();
                call.want(layer, temporal);
                call.run(30);
                assert_eq!(call.key_frames(), before + 1, "one key frame for {layer}");
                let expected: Vec<u8> = (0..=temporal.min(2)).collect();
                assert_eq!(layers(&call.frames(), 5), (vec![layer], expected), "{descriptors} {described}");
                assert_eq!(call.layer(), Some(layer));
            }
        }
    }
}

#[test]
fn lower_layers_of_a_dependent_stream_need_no_key_frame() {
    for described in [true, false] {
        let mut call = Call::new(vec![Source::new(0x700, 3, false, described)], true);
        call.run(60);
        assert_eq!(layers(&call.frames(), 24), (vec![0, 1, 2], vec![0, 1, 2]));
        for layer in [1, 0] {
            let before = call.key_frames();
            call.want(layer, 7);
            call.run(20);
            assert_eq!(call.key_frames(), before, "{described}");
            assert_eq!(layers(&call.frames(), 12).0, (0..=layer).collect::<Vec<u8>>(), "{described}");
        }
        call.want(2, 7);
        call.run(30);
        assert_eq!(layers(&call.frames(), 24), (vec![0, 1, 2], vec![0, 1, 2]));
    }
}

#[test]
fn temporal_layers_fall_and_rise_without_a_key_frame() {
    for described in [true, false] {
        let mut call = Call::new(vec![Source::new(0x700, 1, true, described)], true);
        call.run(40);
        let before = call.key_frames();
        for temporal in [1, 0, 2, 0, 7] {
            call.want(0, temporal);
            call.run(24);
            let expected: Vec<u8> = (0..=temporal.min(2)).collect();
            assert_eq!(layers(&call.frames(), 4).1, expected, "{described} {temporal}");
        }
        assert_eq!(call.key_frames(), before);
    }
}

#[test]
fn a_seat_that_is_bound_again_counts_frames_and_pictures_on() {
    for descriptors in [true, false] {
        let sources = vec![Source::new(0x700, 3, true, true), Source::new(0x9123, 3, false, true)];
        let mut call = Call::new(sources, descriptors);
        for producer in [2, 1, 2, 1] {
            call.run(25);
            call.net.command(Command::BindConsumer { consumer: 10, producer: Some(producer) });
        }
        call.run(25);
        let frames = call.frames();
        let switches = frames.windows(2).filter(|pair| pair[0].source != pair[1].source).count();
        assert_eq!(switches, 4);
        assert!(call.net.events.iter().any(|e| matches!(e, Event::ConsumerStarted { layer: 2, .. })));
    }
}

#[test]
fn packets_that_overtake_each_other_belong_to_the_same_layers() {
    for key_only in [true, false] {
        let mut call = Call::new(vec![Source::new(0x700, 3, key_only, true)], true);
        call.swaps = 3;
        for (layer, temporal) in [(2, 7), (0, 1), (1, 7), (1, 0), (2, 7)] {
            call.want(layer, temporal);
            call.run(40);
            let lowest = if key_only { layer } else { 0 };
            assert_eq!(layers(&call.frames(), 9).0, (lowest..=layer).collect::<Vec<u8>>());
        }
    }
}

#[test]
fn each_layer_costs_what_its_receivers_get() {
    for (key_only, described) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut call = Call::new(vec![Source::new(0x700, 3, key_only, described)], true);
        call.run(150);
        let costs = call.net.engine.layer_costs(call.net.now, 1);
        let costs: Vec<f64> = costs.iter().map(|cost| cost.unwrap() / 8.0 / 60.0).collect(); // bytes a packet
        // a packet of spatial layer s has 200 (s + 1) bytes and some 60 of headers and marks
        let expected = if key_only { [260.0, 460.0, 660.0] } else { [260.0, 720.0, 1380.0] };
        for (cost, expected) in costs.iter().zip(expected) {
            assert!((cost - expected).abs() < 0.12 * expected, "{costs:?}");
        }
    }
}

#[test]
fn a_layer_that_the_sender_stops_is_left_for_the_one_below() {
    let mut call = Call::new(vec![Source::new(0x700, 3, true, true)], true);
    call.run(40);
    call.sources[0].1.spatial = 2;
    call.sources[0].1.want_key = true;
    call.run(60);
    assert_eq!(layers(&call.frames(), 12).0, [1]);
    assert_eq!(call.layer(), Some(1));
}

#[test]
fn behind_a_narrow_link_pictures_that_wait_come_whole_and_in_order() {
    for (key_only, described) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut waited = 0;
        for bps in [100e3, 150e3, 200e3] {
            let mut call = Call::new(vec![Source::new(0x700, 3, key_only, described)], true);
            call.narrow(bps);
            let mut seen = 0;
            for layer in [2, 0, 2, 1, 2, 2, 0, 2] {
                call.want(layer, 7);
                call.run(30);
                call.sources[0].1.want_key = true;
                let frames = call.frames();
                let pictures = frames[seen..].iter().filter(|frame| frame.ends_picture).count();
                assert!(pictures >= 5, "{pictures} pictures within a second at {bps}");
                seen = frames.len();
            }
            // nothing does where the layers that fit never fill the link
            waited += call.narrow.as_ref().unwrap().waited;
        }
        assert!(waited > 5, "{waited} packets waited");
    }
}
