//! Against the real kernel, on loopback.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::*;

struct Bench {
    sender: Sender,
    udp: Vec<Udp>,
    tcp: TcpConnections,
    poller: Poller,
    peers: Vec<UdpSocket>,
}

impl Bench {
    fn new(host: &str) -> Self {
        let any: SocketAddr = (host.parse::<std::net::IpAddr>().unwrap(), 0).into();
        let peers = (0..2).map(|_| UdpSocket::bind(any).unwrap()).collect::<Vec<_>>();
        for peer in &peers {
            peer.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        }
        Self {
            sender: Sender::new(true),
            udp: vec![Udp::bind(any).unwrap()],
            tcp: TcpConnections::new(vec![]).unwrap(),
            poller: Poller::new().unwrap(),
            peers,
        }
    }

    fn path(&self, peer: usize) -> Path {
        let remote = self.peers[peer].local_addr().unwrap();
        Path::Udp { socket: 0, local: remote.ip(), remote }
    }

    fn send(&mut self, outbox: &mut Outbox) -> Sent {
        self.sender.send(outbox, &self.udp, &mut self.tcp, &self.poller)
    }

    fn take(&self, peer: usize, count: usize) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        (0..count)
            .map(|_| {
                let len = self.peers[peer].recv(&mut buffer).unwrap();
                buffer[..len].to_vec()
            })
            .collect()
    }
}

/// 130 datagrams in runs for two peers, more than one system call takes singly.
fn runs(bench: &Bench) -> (Outbox, [Vec<Vec<u8>>; 2]) {
    let (mut outbox, mut wanted) = (Outbox::default(), [vec![], vec![]]);
    for number in 0..130u8 {
        let peer = usize::from(number / 10 % 2);
        let datagram =
            vec![number; if number % 10 < 4 { 100 } else { 101 } - usize::from(number % 10 == 9) * 40];
        outbox.push(bench.path(peer), &datagram);
        wanted[peer].push(datagram);
    }
    (outbox, wanted)
}

#[test]
fn runs_arrive_as_the_datagrams_that_they_are() {
    for host in ["127.0.0.1", "::1"] {
        let mut bench = Bench::new(host);
        let (mut outbox, wanted) = runs(&bench);
        assert!(outbox.messages().count() < 30);
        let bytes = outbox.bytes() as u64;
        assert_eq!(bench.send(&mut outbox), Sent { packets: 130, bytes, drops: 0 });
        assert!(outbox.is_empty());
        for (peer, wanted) in wanted.iter().enumerate() {
            assert_eq!(&bench.take(peer, wanted.len()), wanted, "{host}");
        }
        assert!(bench.sender.segments() && bench.sender.take_refusal().is_none());
    }
}

#[test]
fn without_segmentation_everything_arrives_all_the_same() {
    let mut bench = Bench::new("127.0.0.1");
    bench.sender = Sender::new(false);
    let (mut outbox, wanted) = runs(&bench);
    assert_eq!(bench.send(&mut outbox).packets, 130);
    for (peer, wanted) in wanted.iter().enumerate() {
        assert_eq!(&bench.take(peer, wanted.len()), wanted);
    }
    assert!(!bench.sender.segments());
}

/// A message that no kernel cuts: 200 datagrams, where the most is 64 or 128 (UDP_MAX_SEGMENTS). It answers EINVAL.
fn refused(bench: &Bench, bytes: &'static [u8]) -> Message<'static> {
    let Path::Udp { local, remote, .. } = bench.path(0) else { unreachable!() };
    Message { local, remote, bytes, segment: 1 }
}

#[test]
fn a_kernel_that_refuses_is_believed_for_good_and_nothing_is_lost() {
    let mut bench = Bench::new("127.0.0.1");
    let message = refused(&bench, &[7; 200]);
    assert_eq!(bench.sender.send_messages(&bench.udp[0], &[message]), 0);
    assert_eq!(bench.take(0, 200), vec![vec![7]; 200]);
    assert!(!bench.sender.segments());
    assert_eq!(bench.sender.take_refusal().unwrap().raw_os_error(), Some(libc::EINVAL));
    assert!(bench.sender.take_refusal().is_none(), "told once");
    let (mut outbox, wanted) = runs(&bench);
    assert_eq!(bench.send(&mut outbox).drops, 0);
    assert_eq!(bench.take(1, wanted[1].len()), wanted[1]);
}

#[test]
fn one_path_that_refuses_says_nothing_of_the_others() {
    let mut bench = Bench::new("127.0.0.1");
    let (mut outbox, _) = runs(&bench);
    bench.send(&mut outbox);
    let _ = bench.take(0, 70);
    let message = refused(&bench, &[8; 200]);
    assert_eq!(bench.sender.send_messages(&bench.udp[0], &[message]), 0);
    assert_eq!(bench.take(0, 200), vec![vec![8]; 200]);
    assert!(bench.sender.segments() && bench.sender.take_refusal().is_none());
}

#[test]
fn a_bad_destination_costs_its_own_datagrams_and_not_segmentation() {
    let mut bench = Bench::new("127.0.0.1");
    let mut outbox = Outbox::default();
    // our address is none of this machine's (RFC 5737): EINVAL, whole or singly
    let nowhere = Path::Udp { socket: 0, local: [192, 0, 2, 77].into(), remote: ([127, 0, 0, 1], 9).into() };
    for _ in 0..5 {
        outbox.push(nowhere, &[1; 50]);
    }
    outbox.push(bench.path(0), b"good");
    let sent = bench.send(&mut outbox);
    assert_eq!((sent.packets, sent.drops), (1, 5));
    assert_eq!(bench.take(0, 1), [b"good"]);
    assert!(bench.sender.segments() && bench.sender.take_refusal().is_none());
}

#[test]
fn once_a_datagram_was_too_long_for_its_path_the_kernel_may_cut_others() {
    let mut bench = Bench::new("127.0.0.1");
    let mut outbox = Outbox::default();
    outbox.push(bench.path(0), &[1; 1200]);
    assert_eq!(bench.send(&mut outbox).drops, 0);
    assert!(!bench.udp[0].allows_fragments());
    outbox.push(bench.path(0), &vec![2; 65_508]); // longer than any path of IPv4 takes, cut or not
    outbox.push(bench.path(1), &[3; 1200]);
    let sent = bench.send(&mut outbox);
    assert_eq!((sent.packets, sent.drops), (1, 1));
    assert!(bench.udp[0].allows_fragments());
    assert_eq!(bench.take(0, 1), [vec![1; 1200]]);
    assert_eq!(bench.take(1, 1), [vec![3; 1200]]);
}
