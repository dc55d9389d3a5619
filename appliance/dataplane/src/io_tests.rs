//! Sockets and descriptors of the real kernel, on loopback.

use super::*;

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    let server = Udp::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let asked = SocketAddr::new("127.0.0.7".parse().unwrap(), server.local_addr().port());
    client.send_to(b"hello", asked).unwrap();
    let mut inbox = Batch::for_receiving();
    assert_eq!(inbox.receive(&server).unwrap(), 1);
    let (local, remote, bytes) = inbox.datagram(0, &server).unwrap();
    assert_eq!((local, remote, &*bytes), (asked.ip(), client.local_addr().unwrap(), &b"hello"[..]));
    assert_eq!(inbox.receive(&server).unwrap(), 0);
    assert_eq!(
        Batch::for_sending()
            .send(&server, &[b"one", b"two"].map(|bytes| Message::datagram(local, remote, bytes)))
            .unwrap(),
        2
    );
    let mut buffer = [0; 16];
    assert_eq!(client.recv_from(&mut buffer).unwrap(), (3, asked));
    assert_eq!(&buffer[..3], b"one");
}

#[test]
fn a_run_comes_whole_and_in_order_and_one_that_is_too_long_not_at_all() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let mut server = Udp::bind(host.parse().unwrap()).unwrap();
        server.coalesce();
        assert!(server.is_coalesced(), "Linux 5.0 has it");
        let client = Udp::bind(host.parse().unwrap()).unwrap();
        let (local, remote) = (client.local_addr().ip(), server.local_addr());
        let bytes: Vec<u8> = (0..5u8).flat_map(|n| [n; 1200]).chain([9; 700]).collect();
        let run = Message { local, remote, bytes: &bytes, segment: 1200 };
        let (single, jumbo) = ([1; 40], [2; DATAGRAM + 1]);
        let others = [&single[..], &[], &jumbo].map(|bytes| Message::datagram(local, remote, bytes));
        assert_eq!(Batch::for_sending().send(&client, &[run, others[0], others[1], others[2]]).unwrap(), 4);
        let mut inbox = Batch::for_runs();
        assert_eq!(inbox.receive(&server).unwrap(), 4, "the run is one message");
        let (to, from, datagrams) = inbox.datagrams(0, &server).unwrap();
        assert_eq!((to, from), (remote.ip(), client.local_addr()));
        let datagrams: Vec<&[u8]> = datagrams.map(|d| &*d).collect();
        assert_eq!(datagrams, bytes.chunks(1200).collect::<Vec<_>>());
        assert_eq!(inbox.datagrams(1, &server).unwrap().2.map(|d| d.to_vec()).collect::<Vec<_>>(), [single]);
        assert_eq!(inbox.datagrams(2, &server).unwrap().2.len(), 0);
        assert!(inbox.datagrams(3, &server).is_none());
        assert_eq!(inbox.receive(&server).unwrap(), 0);
    }
}

#[test]
fn without_coalescing_a_run_comes_as_its_datagrams() {
    let server = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (local, remote) = (client.local_addr().ip(), server.local_addr());
    let run = Message { local, remote, bytes: &[3; 500], segment: 200 };
    assert_eq!(Batch::for_sending().send(&client, &[run]).unwrap(), 1);
    let mut inbox = Batch::for_runs();
    assert_eq!(inbox.receive(&server).unwrap(), 3);
    let lengths = [0, 1, 2].map(|i| inbox.datagram(i, &server).unwrap().2.len());
    assert_eq!(lengths, [200, 200, 100]);
}

#[test]
fn a_port_in_use_is_an_error() {
    let first = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_eq!(Udp::bind(first.local_addr()).err().map(|e| e.kind()), Some(ErrorKind::AddrInUse));
}

#[test]
fn a_descriptor_is_ready_when_it_was_raised() {
    let (mut poller, event, mut ready) = (Poller::new().unwrap(), EventFd::new().unwrap(), Vec::new());
    poller.add(event.raw(), 9).unwrap();
    poller.wait(Some(0), &mut ready).unwrap();
    assert!(ready.is_empty());
    event.raise();
    poller.wait(None, &mut ready).unwrap();
    assert!(ready.len() == 1 && ready[0].token == 9 && ready[0].readable && !ready[0].writable);
}
