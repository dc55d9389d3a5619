//! Gives an outbox to the kernel: runs of equal datagrams whole (UDP_SEGMENT) where it takes them, singly where not.
//!
//! Knows sockets and messages, nothing of what is in them.

use std::io;
use std::net::Ipv4Addr;

use crate::engine::outbox::Outbox;
use crate::engine::path::Path;
use crate::io::{BATCH, Batch, Message, Poller, Udp};
use crate::tcp::TcpConnections;

/// What became of an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the kernel or a connection took.
    pub packets: u64,
    /// Bytes of all datagrams, the refused ones included.
    pub bytes: u64,
    /// Datagrams that were refused.
    pub drops: u64,
}

/// Whether the kernel cuts messages for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segmentation {
    /// Not known yet.
    Untried,
    /// It took one.
    Works,
    /// It refused one for good, or it is not wanted.
    Off,
}

/// The way out of one worker.
pub struct Sender {
    batch: Batch,
    segmentation: Segmentation,
    refused: Option<io::Error>,
}

impl Sender {
    /// `segment`: false sends every datagram singly.
    pub fn new(segment: bool) -> Self {
        let segmentation = if segment { Segmentation::Untried } else { Segmentation::Off };
        Self { batch: Batch::for_sending(), segmentation, refused: None }
    }

    /// Whether runs of datagrams leave as one message.
    pub fn segments(&self) -> bool {
        self.segmentation != Segmentation::Off
    }

    /// Why segmentation was given up, told once.
    pub fn take_refusal(&mut self) -> Option<io::Error> {
        self.refused.take()
    }

    /// Sends everything in the outbox and empties it.
    pub fn send(
        &mut self,
        outbox: &mut Outbox,
        udp: &[Udp],
        tcp: &mut TcpConnections,
        poller: &Poller,
    ) -> Sent {
        let mut sent = Sent { packets: outbox.len() as u64, bytes: outbox.bytes() as u64, ..Sent::default() };
        if outbox.is_empty() {
            return sent; // most turns bring reports in and send nothing
        }
        let mut run = Run::new();
        for (path, bytes, segment) in outbox.messages() {
            match path {
                Path::Udp { socket, local, remote } => {
                    let message = Message { local, remote, bytes, segment };
                    if self.segments() || !message.is_segmented() {
                        sent.drops += self.add(&mut run, udp, socket, message);
                        continue;
                    }
                    for datagram in message.datagrams() {
                        sent.drops += self.add(&mut run, udp, socket, datagram);
                    }
                }
                Path::Tcp { connection, .. } => {
                    for datagram in bytes.chunks(segment.max(1)) {
                        sent.drops += u64::from(!tcp.send(connection, datagram, poller));
                    }
                }
            }
        }
        sent.drops += self.send_run(udp, &run);
        sent.packets -= sent.drops;
        outbox.clear();
        sent
    }

    /// Puts a message into the run, which is sent first if it is full or another socket's.
    fn add<'a>(&mut self, run: &mut Run<'a>, udp: &[Udp], socket: u8, message: Message<'a>) -> u64 {
        let mut drops = 0;
        if run.count == BATCH || (run.count > 0 && run.socket != socket) {
            drops = self.send_run(udp, run);
            run.count = 0;
        }
        run.socket = socket;
        run.messages[run.count] = message;
        run.count += 1;
        drops
    }

    fn send_run(&mut self, udp: &[Udp], run: &Run<'_>) -> u64 {
        if run.count == 0 {
            return 0;
        }
        self.send_messages(&udp[usize::from(run.socket)], &run.messages[..run.count])
    }

    /// Sends messages of one socket; returns how many datagrams the kernel refused. One bad destination costs only its
    /// own datagrams; a full socket buffer costs the rest.
    fn send_messages(&mut self, socket: &Udp, messages: &[Message<'_>]) -> u64 {
        let (mut at, mut drops) = (0, 0);
        while at < messages.len() {
            match self.batch.send(socket, &messages[at..]) {
                Ok(count) => {
                    let mut taken = messages[at..at + count].iter();
                    if self.segmentation == Segmentation::Untried && taken.any(Message::is_segmented) {
                        self.segmentation = Segmentation::Works;
                    }
                    at += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drops += messages[at..].iter().map(|m| m.datagrams().count() as u64).sum::<u64>();
                    break;
                }
                Err(error) if messages[at].is_segmented() => {
                    drops += self.send_singly(socket, &messages[at], error);
                    at += 1;
                }
                Err(error) => {
                    // for some path it is too long: this one and those that follow may be cut
                    let retried = error.raw_os_error() == Some(libc::EMSGSIZE) && {
                        socket.allow_fragments();
                        self.batch.send(socket, &messages[at..=at]).is_ok()
                    };
                    drops += u64::from(!retried);
                    at += 1;
                }
            }
        }
        drops
    }

    /// A message that was refused whole. If its datagrams pass singly, segmentation is what was refused, and is given up
    /// for good; but EINVAL, which also means that this one path has become too narrow for the segments, says nothing of
    /// the others once the kernel took a message.
    fn send_singly(&mut self, socket: &Udp, message: &Message<'_>, error: io::Error) -> u64 {
        let mut drops = 0;
        let mut all = 0;
        let mut single = [*message; BATCH];
        let mut datagrams = message.datagrams();
        loop {
            let mut count = 0;
            for (to, from) in single.iter_mut().zip(datagrams.by_ref().take(BATCH)) {
                *to = from;
                count += 1;
            }
            if count == 0 {
                break;
            }
            all += count as u64;
            drops += self.send_messages(socket, &single[..count]);
        }
        let refused = match error.raw_os_error() {
            Some(libc::EINVAL) => self.segmentation == Segmentation::Untried,
            Some(libc::EIO | libc::ENOPROTOOPT | libc::EOPNOTSUPP) => self.segments(),
            _ => false,
        };
        if refused && drops < all {
            self.segmentation = Segmentation::Off;
            self.refused = Some(error);
        }
        drops
    }
}

/// Messages of one socket that become one system call.
struct Run<'a> {
    messages: [Message<'a>; BATCH],
    count: usize,
    socket: u8,
}

impl Run<'_> {
    fn new() -> Self {
        let nothing = Message::datagram(Ipv4Addr::UNSPECIFIED.into(), (Ipv4Addr::UNSPECIFIED, 0).into(), &[]);
        Self { messages: [nothing; BATCH], count: 0, socket: 0 }
    }
}

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
