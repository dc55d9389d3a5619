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
