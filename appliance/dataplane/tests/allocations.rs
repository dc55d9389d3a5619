//! The packet path allocates nothing once it runs: counted, not believed.
//!
//! What is counted is media from the system call that brings them in to the one that sends them to everybody, and the
//! timers of a call in which nothing changes, reports included. Commands are not: they and the events that they or a change cause may
//! allocate, and each is bounded.
#![allow(unsafe_code)] // a global allocator is an unsafe trait; it only counts and hands on

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::outbox::Outbox;
use _dataplane::engine::path::Path;
use _dataplane::io::{Batch, Message, Poller, Udp};
use _dataplane::sender::Sender;
use _dataplane::stun;
use _dataplane::tcp::TcpConnections;
use _dataplane::transport_feedback::ArrivalLog;
use support::{Bottleneck, CLEAN, Net, path};

thread_local! {
    /// (allocations, bytes held) of this thread.
    static COUNTED: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(allocations: u64, bytes: i64) {
    COUNTED.with(|counted| {
        let before = counted.get();
        counted.set((before.0 + allocations, before.1 + bytes));
    });
}

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(run: impl FnOnce()) -> u64 {
    let before = COUNTED.get().0;
    run();
    COUNTED.get().0 - before
}

/// Camera and microphone of one publisher, received by `subscribers`, running for a second.
fn call(subscribers: u64) -> Net {
    let mut net = Net::new(1, CLEAN);
    let publisher = net.connect(1);
    net.publish(publisher, 1, Kind::Video, "0", &[]);
    net.publish(publisher, 2, Kind::Audio, "1", &[]);
    net.peers[publisher].track(Kind::Video, "0", None);
    net.peers[publisher].track(Kind::Audio, "1", None);
    for session in 2..2 + subscribers {
        let subscriber = net.connect(session);
        net.subscribe(subscriber, session * 10, Kind::Video, Some(1));
        net.subscribe(subscriber, session * 10 + 1, Kind::Audio, Some(2));
    }
    net.run_ms(1000);
    net
}

/// Half a second of the publisher's media, one list per millisecond.
fn media(net: &mut Net) -> Vec<Vec<Vec<u8>>> {
    let tick = |_| {
        net.now += Duration::from_millis(1);
        let mut packets = net.peers[0].tick(net.now);
        packets.retain(|p| (128..192).contains(&p[0]) && !_dataplane::rtp::is_rtcp(p));
        packets
    };
    (0..500).map(tick).collect()
}

/// Takes media in and forwards it; how many datagrams it became.
fn forward(net: &mut Net, media: &mut [Vec<Vec<u8>>]) -> usize {
    let (path, mut sent) = (net.peers[0].path, 0);
    let mut now = net.now - Duration::from_millis(500);
    for packets in media {
        now += Duration::from_millis(1);
        for packet in packets {
            net.engine.handle_packet(now, path, packet);
        }
        while net.engine.forward_due(now, 64 << 10) {
            sent += net.engine.written().len();
            net.engine.written().clear();
        }
        sent += net.engine.written().len();
        net.engine.written().clear();
        assert_eq!(net.engine.take_events().count() + net.engine.take_dtls().count(), 0);
    }
    sent
}

#[test]
fn forwarding_media_allocates_nothing() {
    let mut net = call(40);
    for _ in 0..4 {
        let mut warm = media(&mut net);
        forward(&mut net, &mut warm); // slabs and rings take their size
    }
    let mut packets = media(&mut net);
    let offered: usize = packets.iter().map(Vec::len).sum();
    let mut sent = 0;
    let allocations = counted(|| sent = forward(&mut net, &mut packets));
    assert!(offered >= 80 && sent == offered * 40, "{sent} of {offered} packets to 40");
    assert_eq!(allocations, 0, "for {sent} datagrams");
}

/// A second of 50,000 connectivity checks for nobody, or for somebody without the password, from as many addresses.
#[test]
fn strangers_checks_allocate_nothing_and_get_no_answer() {
    let mut net = call(2);
    let rejected = net.engine.counters.stun_rejected;
    for name in ["nobody:peer", "ufrag1:peer"] {
        let mut check = [0; 256];
        let len = stun::write_request(&mut check, &[1; 12], name, 1, 9, true, b"a guess").unwrap();
        let mut answers = 0;
        let allocations = counted(|| {
            for stranger in 0..25_000u32 {
                let ip = Ipv4Addr::from(0x0B00_0000 + stranger);
                net.now += Duration::from_micros(20);
                let now = net.now;
                net.engine.handle_packet(now, path((ip, 4000).into()), &mut check[..len]);
                answers += net.engine.written().len();
            }
        });
        assert_eq!((allocations, answers), (0, 0), "{name}");
        assert!(!net.engine.knows(&path((Ipv4Addr::from(0x0B00_0007), 4000).into())));
    }
    assert_eq!(net.engine.counters.stun_rejected, rejected + 50_000);
}

/// Frames three times as large as what the links carry in their time: most packets wait, and leave by the timer.
#[test]
fn pacing_allocates_nothing() {
    let mut net = call(8);
    for subscriber in 1..=8 {
        net.bottlenecks.insert(subscriber, Bottleneck::new(700e3));
        net.peers[subscriber].arrivals = Some(ArrivalLog::new());
    }
    net.run_ms(5000);
    net.peers[0].tracks[0].packets_per_frame = 12;
    let mut pace = |count: bool| {
        let (mut sent, mut late, mut allocations) = (0, 0, 0);
        let packets = &mut media(&mut net);
        let mut now = net.now - Duration::from_millis(500);
        for packets in packets {
            now += Duration::from_millis(1);
            for packet in packets {
                let (engine, path) = (&mut net.engine, net.peers[0].path);
                allocations += counted(|| engine.handle_packet(now, path, packet));
            }
            allocations += counted(|| while net.engine.forward_due(now, 64 << 10) {});
            sent += net.engine.written().len();
            net.engine.written().clear();
            allocations += counted(|| net.engine.handle_timer(now));
            late += net.engine.written().len();
            net.engine.written().clear();
        }
        assert!(sent >= 200 && late > 200, "{sent} at once and {late} later");
        assert!(!count || allocations == 0, "{allocations} for {} datagrams", sent + late);
    };
    (0..6).for_each(|_| pace(false)); // queues, caches and logs take their size
    pace(true);
}

#[test]
fn sending_allocates_nothing() {
    let server = Udp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let remote: SocketAddr = peer.local_addr().unwrap();
    let path = Path::Udp { socket: 0, local: remote.ip(), remote };
    let (mut tcp, poller) = (TcpConnections::new(vec![]).unwrap(), Poller::new().unwrap());
    for segment in [true, false] {
        let (mut sender, mut outbox) = (Sender::new(segment), Outbox::default());
        let mut send = || {
            for number in 0..200 {
                outbox.push(path, &[0; 1200][..1200 - number / 10]);
            }
            sender.send(&mut outbox, std::slice::from_ref(&server), &mut tcp, &poller)
        };
        send();
        let mut packets = 0;
        assert_eq!(counted(|| packets = send().packets), 0);
        assert_eq!(packets, 200);
    }
}

#[test]
fn receiving_allocates_nothing() {
    let mut server = Udp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    server.coalesce();
    let client = Udp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let (mut inbox, mut outbox) = (Batch::for_runs(), Batch::for_sending());
    let (local, remote) = (client.local_addr().ip(), server.local_addr());
    let run = Message { local, remote, bytes: &[5; 3000], segment: 1000 };
    assert_eq!(outbox.send(&client, &[run, Message::datagram(local, remote, b"one")]).unwrap(), 2);
    let mut packets = 0;
    let allocations = counted(|| {
        for i in 0..inbox.receive(&server).unwrap() {
            packets += inbox.datagrams(i, &server).map_or(0, |(_, _, datagrams)| datagrams.len());
        }
    });
    assert_eq!((packets, allocations), (4, 0));
}

#[test]
fn timers_of_a_silent_call_allocate_nothing() {
    let mut net = call(40);
    let mut tick = |times: u32| {
        let mut sent = 0;
        for _ in 0..times {
            net.now += Duration::from_millis(10);
            let now = net.now;
            net.engine.handle_timer(now);
            sent += net.engine.written().len();
            net.engine.written().clear();
        }
        sent
    };
    tick(400); // whoever spoke and whatever flowed is told silent
    let mut reports = 0;
    assert_eq!(counted(|| reports = tick(200)), 0);
    assert!(reports >= 2 * 80, "{reports} reports to 80 consumers");
}

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| drop(vec![0u8; 100])), 1);
}

/// Forgets the clients behind the first two, what they heard, and what was told of them: what is left is the engine's.
fn only_the_engine(net: &mut Net) {
    net.peers.truncate(2);
    for peer in &mut net.peers {
        peer.tracks.iter_mut().for_each(|track| track.history.clear());
        peer.inbound.iter_mut().for_each(|inbound| (inbound.got, inbound.reports) = Default::default());
        peer.transport_seqs = Vec::new();
        (peer.stun_replies, peer.dtls) = (Vec::new(), Vec::new());
    }
    net.events = Vec::new();
    net.dtls = Vec::new();
}

/// Bytes held more after `run` than before, by each of `count`.
fn held_by_each(count: i64, run: impl FnOnce()) -> i64 {
    let before = COUNTED.get().1;
    run();
    (COUNTED.get().1 - before) / count
}

fn twenty_subscribers(net: &mut Net) {
    for session in 100..120 {
        let subscriber = net.connect(session);
        net.subscribe(subscriber, session * 10, Kind::Video, Some(1));
        net.subscribe(subscriber, session * 10 + 1, Kind::Audio, Some(2));
    }
    net.run_ms(2000);
    only_the_engine(net);
}

/// What a subscriber with camera and microphone seats takes of the engine.
#[test]
fn a_subscriber_takes_less_than_16_kilobytes() {
    let mut net = call(1);
    twenty_subscribers(&mut net); // tables and slabs take their size
    (100..120).for_each(|session| net.command(Command::RemoveSession { session }));
    let each = held_by_each(20, || twenty_subscribers(&mut net));
    assert!((1_000..16_000).contains(&each), "{each} bytes");
}

/// A publisher's packets of the last second, and little else: nothing is set aside for streams that could be faster.
#[test]
fn a_publisher_takes_what_its_last_second_takes() {
    let mut net = call(1);
    let before = net.engine.counters.bytes_in;
    let each = held_by_each(10, || {
        for session in 100..110 {
            let publisher = net.connect(session);
            net.publish(publisher, session * 10, Kind::Video, "0", &[]);
            net.peers[publisher].track(Kind::Video, "0", None);
        }
        net.run_ms(4000);
        only_the_engine(&mut net);
    });
    let a_second = (net.engine.counters.bytes_in - before) as i64 / 10 / 4;
    assert!(a_second > 20_000, "{a_second} bytes a second are no stream");
    assert!(each < 2 * a_second + 48_000, "{each} bytes for {a_second} a second");
}

/// Everything that many who come and go took is there again.
#[test]
fn nothing_stays_of_those_who_left() {
    let mut net = call(1);
    let visit = |net: &mut Net, round: u64| {
        for session in 100 + 20 * round..120 + 20 * round {
            let visitor = net.connect(session);
            net.publish(visitor, session * 10 + 5, Kind::Video, "0", &[]);
            net.peers[visitor].track(Kind::Video, "0", None);
            net.subscribe(visitor, session * 10, Kind::Video, Some(1));
        }
        net.run_ms(300);
        for session in 100 + 20 * round..120 + 20 * round {
            net.command(Command::RemoveSession { session });
        }
        net.run_ms(300);
        only_the_engine(net);
    };
    visit(&mut net, 0); // tables take their size
    let each = held_by_each(5 * 20, || (1..6).for_each(|round| visit(&mut net, round)));
    assert!(each.abs() < 100, "{each} bytes of each stay");
}
