//! TCP connections of ICE (RFC 6544, passive): framing by RFC 4571, bounds on everything a stranger can hold.
//!
//! Knows nothing of what is inside a frame, but is told which connections ICE has validated: the others have little
//! time and little room.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use crate::io::Poller;
use crate::units::Time;

/// Connections per worker: the sessions of a full worker that had to fall back to TCP, with room to reconnect.
const MAX_CONNECTIONS: usize = 2048;
/// Connections from one address that ICE has not validated yet.
const MAX_STRANGERS_PER_ADDRESS: usize = 32;
/// Time for a connection to show a valid connectivity check: browsers send one at once and repeat it for seconds.
const STRANGER_US: u64 = 10_000_000;
/// Unsent bytes kept for a slow reader: 1 s of 2 Mbit/s. What comes beyond is dropped whole, as UDP would.
const MAX_UNSENT: usize = 256 << 10;
/// Longest frame taken: a UDP datagram's worth (RFC 4571 allows 65535).
const MAX_FRAME: usize = 2048;

struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    received: Vec<u8>,
    unsent: Vec<u8>,
    opened: Time,
    validated: bool,
    watches_write: bool,
}

/// The listeners and connections of a worker.
pub struct TcpConnections {
    listeners: Vec<TcpListener>,
    connections: HashMap<u64, Connection>,
    next: u64,
}

/// First number of connections; smaller ones are free for listeners and sockets in the poller.
pub const FIRST_CONNECTION: u64 = 1 << 16;

impl TcpConnections {
    /// Takes bound listeners over.
    pub fn new(listeners: Vec<TcpListener>) -> Result<Self> {
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        Ok(Self { listeners, connections: HashMap::new(), next: FIRST_CONNECTION })
    }

    /// The listeners' descriptors, in order.
    pub fn listener_fds(&self) -> impl Iterator<Item = i32> {
        self.listeners.iter().map(AsRawFd::as_raw_fd)
    }

    /// Accepts what waits on a listener. A connection over a limit is closed at once; running out of descriptors
    /// leaves the others undisturbed.
    pub fn accept(&mut self, now: Time, listener: usize, poller: &Poller) {
        // bounded, so that a flood of connections does not keep the worker from its packets
        for _ in 0..16 {
            let Ok((stream, remote)) = self.listeners[listener].accept() else { return };
            let strangers =
                self.connections.values().filter(|c| !c.validated && c.remote.ip() == remote.ip()).count();
            if self.connections.len() >= MAX_CONNECTIONS || strangers >= MAX_STRANGERS_PER_ADDRESS {
                continue;
            }
            let token = self.next;
            let ready = stream
                .set_nonblocking(true)
                .and_then(|()| stream.set_nodelay(true))
                .and_then(|()| poller.add(stream.as_raw_fd(), token));
            if ready.is_err() {
                continue;
            }
            self.next += 1;
            let connection = Connection {
                stream,
                remote,
                received: Vec::new(),
                unsent: Vec::new(),
                opened: now,
                validated: false,
                watches_write: false,
            };
            self.connections.insert(token, connection);
        }
    }

    /// The peer of a connection.
    pub fn remote(&self, token: u64) -> Option<SocketAddr> {
        self.connections.get(&token).map(|c| c.remote)
    }

    /// Reads what is there and hands each frame to `take`. False when the connection ended; it is gone
    /// then.
    pub fn read(&mut self, token: u64, mut take: impl FnMut(&mut [u8])) -> bool {
        let Some(connection) = self.connections.get_mut(&token) else { return true };
        let mut chunk = [0; 16 << 10];
        let open = match connection.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                connection.received.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        let (mut at, mut sane) = (0, true);
        while let Some(&[high, low]) = connection.received[at..].first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length > MAX_FRAME {
                sane = false; // not ICE, or a stream that lost its framing: no way back
                break;
            }
            let Some(frame) = connection.received.get_mut(at + 2..at + 2 + length) else { break };
            take(frame);
            at += 2 + length;
        }
        connection.received.drain(..at);
        if !(open && sane) {
            self.connections.remove(&token);
        }
        open && sane
    }

    /// Sends one frame, now or when the peer reads. False when it was dropped.
    pub fn send(&mut self, token: u64, datagram: &[u8], poller: &Poller) -> bool {
        let Some(connection) = self.connections.get_mut(&token) else { return false };
        let Ok(length) = u16::try_from(datagram.len()) else { return false };
        if connection.unsent.len() + 2 + datagram.len() > MAX_UNSENT {
            return false;
        }
        let was_empty = connection.unsent.is_empty();
        connection.unsent.extend_from_slice(&length.to_be_bytes());
        connection.unsent.extend_from_slice(datagram);
        if was_empty {
            self.flush(token, poller);
        }
        true
    }

    /// Writes what waits, as far as the kernel takes it. A broken connection shows itself at the next read.
    pub fn flush(&mut self, token: u64, poller: &Poller) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        match connection.stream.write(&connection.unsent) {
            Ok(count) => drop(connection.unsent.drain(..count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => connection.unsent.clear(),
        }
        let wanted = !connection.unsent.is_empty();
        if wanted != connection.watches_write
            && poller.want_write(connection.stream.as_raw_fd(), token, wanted).is_ok()
        {
            connection.watches_write = wanted;
        }
    }

    /// Drops connections that had their time and that `validated` does not vouch for. Called about once a second.
    pub fn drop_strangers(&mut self, now: Time, validated: impl Fn(u64, SocketAddr) -> bool) {
        self.connections.retain(|token, connection| {
            connection.validated = validated(*token, connection.remote);
            connection.validated || now.0 < connection.opened.0 + STRANGER_US
        });
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True without connections.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> (TcpConnections, Poller, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (TcpConnections::new(vec![listener]).unwrap(), Poller::new().unwrap(), address)
    }

    /// Reads until `count` frames came or the connection ended; loopback needs a moment.
    fn frames(tcp: &mut TcpConnections, token: u64, count: usize) -> (Vec<Vec<u8>>, bool) {
        let mut frames = Vec::new();
        for _ in 0..200 {
            if !tcp.read(token, |frame| frames.push(frame.to_vec())) {
                return (frames, false);
            }
            if frames.len() >= count {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        (frames, true)
    }

    fn accept(tcp: &mut TcpConnections, poller: &Poller, count: usize) {
        for _ in 0..200 {
            tcp.accept(Time(0), 0, poller);
            if tcp.len() >= count {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn frames_survive_any_cut_and_come_back() {
        let (mut tcp, poller, address) = listening();
        let mut client = TcpStream::connect(address).unwrap();
        accept(&mut tcp, &poller, 1);
        client.write_all(&[0, 3, b'a']).unwrap();
        assert_eq!(frames(&mut tcp, FIRST_CONNECTION, 0), (vec![], true));
        client.write_all(b"bc\x00\x00\x00\x01d").unwrap();
        let (got, open) = frames(&mut tcp, FIRST_CONNECTION, 3);
        assert_eq!((got, open), (vec![b"abc".to_vec(), vec![], b"d".to_vec()], true));
        assert!(tcp.send(FIRST_CONNECTION, b"pong", &poller));
        let mut reply = [0; 6];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"\x00\x04pong");
        drop(client);
        assert_eq!(frames(&mut tcp, FIRST_CONNECTION, 1), (vec![], false));
        assert!(tcp.is_empty());
    }

    #[test]
    fn strangers_are_few_short_lived_and_small() {
        let (mut tcp, poller, address) = listening();
        let clients: Vec<_> =
            (0..MAX_STRANGERS_PER_ADDRESS + 8).map(|_| TcpStream::connect(address).unwrap()).collect();
        accept(&mut tcp, &poller, clients.len());
        assert_eq!(tcp.len(), MAX_STRANGERS_PER_ADDRESS);
        (&clients[0]).write_all(&[0xff, 0xff]).unwrap();
        assert_eq!(frames(&mut tcp, FIRST_CONNECTION, 1), (vec![], false));
        tcp.drop_strangers(Time(STRANGER_US), |token, _| token == FIRST_CONNECTION + 1);
        assert_eq!(tcp.len(), 1);
    }

    #[test]
    fn a_reader_that_never_reads_costs_a_bounded_buffer() {
        let (mut tcp, poller, address) = listening();
        let _client = TcpStream::connect(address).unwrap();
        accept(&mut tcp, &poller, 1);
        let sent = (0..20_000).filter(|_| tcp.send(FIRST_CONNECTION, &[7; 1200], &poller)).count();
        assert!(sent < 20_000);
        assert!(tcp.connections[&FIRST_CONNECTION].unsent.len() <= MAX_UNSENT);
    }
}
