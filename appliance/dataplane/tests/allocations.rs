//! The packet path allocates nothing once it runs: counted, not believed.
//!
//! What is counted is media from the datagram that comes in to the system call that sends it to everybody. Timers and
//! commands are not: a report or an event once in 10 ms or more may allocate, and each is bounded.
#![allow(unsafe_code)] // a global allocator is an unsafe trait; it only counts and hands on

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::engine::outbox::Outbox;
use _dataplane::engine::path::Path;
use _dataplane::io::{Poller, Udp};
use _dataplane::sender::Sender;
use _dataplane::tcp::TcpConnections;
use support::{CLEAN, Net};

thread_local! {
    /// (allocations, bytes) of this thread.
    static COUNTED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(bytes: usize) {
    COUNTED.with(|counted| {
        let (allocations, sum) = counted.get();
        counted.set((allocations + 1, sum + bytes as u64));
    });
}

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
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
    let mut warm = media(&mut net);
    forward(&mut net, &mut warm); // slabs take their size
    let mut packets = media(&mut net);
    let offered: usize = packets.iter().map(Vec::len).sum();
    let mut sent = 0;
    let allocations = counted(|| sent = forward(&mut net, &mut packets));
    assert!(offered >= 80 && sent == offered * 40, "{sent} of {offered} packets to 40");
    assert_eq!(allocations, 0, "for {sent} datagrams");
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
fn the_counter_counts() {
    assert_eq!(counted(|| drop(vec![0u8; 100])), 1);
}

/// What a subscriber with camera and microphone seats takes of the engine's memory, his client aside.
#[test]
fn a_subscriber_takes_less_than_150_kilobytes() {
    let mut net = call(1);
    let before = COUNTED.get().1;
    let subscribers = 20;
    for session in 100..100 + subscribers {
        let subscriber = net.connect(session);
        net.subscribe(subscriber, session * 10, Kind::Video, Some(1));
        net.subscribe(subscriber, session * 10 + 1, Kind::Audio, Some(2));
    }
    net.run_ms(100);
    // everything that was ever asked for, the test's own clients included: an upper bound
    let each = (COUNTED.get().1 - before) / subscribers;
    assert!(each < 150_000, "{each} bytes");
}
