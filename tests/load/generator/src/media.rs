//! The media thread: one socket for all clients, their timers, and the commands of signaling and of the run.
//!
//! Each client has an address of its own; which one a datagram is for follows from the address that it was sent to. When
//! a client has something to do stands in an array of its own: looking through a thousand clients for each batch of
//! packets would be the generator's largest cost.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use _dataplane::command::Kind;
use _dataplane::io::{BATCH, Batch, EventFd, Message, Poller, Ready, Udp};
use _dataplane::units::Time;

use crate::client::Client;
use crate::dtls::Identity;
use crate::joining::Joining;
use crate::ledger::Ledger;
use crate::link::{self, Link};
use crate::report::{Counts, Report};
use crate::sockets::Receiver;

const COMMANDS: u64 = 0;
const SOCKET: u64 = 1;
/// Calls of `recvmmsg` before timers get their turn.
const TURNS: usize = 16;

/// What the media thread is asked to do.
pub enum Command {
    /// A client has its answer.
    Join(Box<Joining>),
    /// Seats of an answer: client, (kind, SSRC, RTX).
    Seats(usize, Vec<(Kind, u32, Option<u32>)>),
    /// A client failed before it had media.
    Failed(String),
    /// How many clients are (connected, complete, failed).
    Progress(Sender<(usize, usize, usize)>),
    /// The window begins.
    Begin,
    /// The window ends; packets on their way still count.
    End,
    /// The account so far.
    Report(Sender<Report>),
    /// The end.
    Stop,
}

/// Queues commands and wakes the thread.
#[derive(Clone)]
pub struct Handle {
    queue: Sender<Command>,
    wake: Arc<EventFd>,
}

impl Handle {
    /// Of the queue that [`Media::new`] reads.
    pub fn new(queue: Sender<Command>, wake: Arc<EventFd>) -> Self {
        Self { queue, wake }
    }

    /// Queues one; lost if the thread is over.
    pub fn send(&self, command: Command) {
        if self.queue.send(command).is_ok() {
            self.wake.raise();
        }
    }
}

/// The addresses of clients: 127 in each block from a first one on, so that none ends in 0 or 255.
#[derive(Clone, Copy, Debug)]
pub struct Network(pub Ipv4Addr);

impl Network {
    /// The address of a client, or of one of its connections.
    pub fn address_of(self, index: usize) -> Ipv4Addr {
        let [first, second, ..] = self.0.octets();
        let (row, place) = (index / 127, index % 127);
        Ipv4Addr::new(first, second + (row / 256) as u8, (row % 256) as u8, 1 + place as u8)
    }

    fn index_of(self, address: Ipv4Addr) -> Option<usize> {
        let [first, second, ..] = self.0.octets();
        let [network, block, row, place] = address.octets();
        let row = usize::from(block.checked_sub(second)?) * 256 + usize::from(row);
        (network == first).then_some(row * 127 + usize::from(place.checked_sub(1)?))
    }
}

const NEVER: Time = Time(u64::MAX);
/// One seed for each direction; any would do.
const SEEDS: [u64; 2] = [1, 2];

/// The thread's state.
pub struct Media {
    epoch: Instant,
    receiver: Receiver,
    poller: Poller,
    wake: Arc<EventFd>,
    inbox: Inbox<Command>,
    identity: Arc<Identity>,
    clients: Vec<Option<Client>>,
    due: Vec<Time>,
    ledger: Ledger,
    network: Network,
    shape: link::Shape,
    down: Link,
    outgoing: Outgoing,
    counts: Counts,
    drops_before: u32,
}

/// What sending needs.
struct Outgoing {
    udp: Udp,
    batch: Batch,
    up: Link,
    errors: u64,
}

impl Media {
    /// On a bound socket. Errors: as the kernel says.
    pub fn new(
        udp: Udp,
        epoch: Instant,
        identity: Arc<Identity>,
        ledger: Ledger,
        (network, shape): (Network, link::Shape),
        inbox: Inbox<Command>,
        wake: Arc<EventFd>,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(wake.raw().as_raw_fd(), COMMANDS)?;
        poller.add(udp.raw(), SOCKET)?;
        Ok(Self {
            epoch,
            receiver: Receiver::new(udp.raw())?,
            poller,
            wake,
            inbox,
            identity,
            clients: Vec::new(),
            due: Vec::new(),
            ledger,
            network,
            shape,
            down: Link::new(shape, SEEDS[0]),
            outgoing: Outgoing {
                udp,
                batch: Batch::for_sending(),
                up: Link::new(shape, SEEDS[1]),
                errors: 0,
            },
            counts: Counts::default(),
            drops_before: 0,
        })
    }

    fn now(&self) -> Time {
        Time(self.epoch.elapsed().as_micros() as u64)
    }

    /// Works until [`Command::Stop`]. Errors: the socket or epoll failed.
    pub fn run(mut self) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            let clients = self.due.iter().copied().min().unwrap_or(NEVER);
            let due = clients.min(self.down.next()).min(self.outgoing.up.next());
            let wait_us = due.0.saturating_sub(self.now().0).min(100_000);
            self.poller.wait(Some(wait_us.div_ceil(1000) as u32), &mut ready)?;
            if ready.iter().any(|event| event.token == COMMANDS) {
                self.wake.clear();
                while let Ok(command) = self.inbox.try_recv() {
                    if matches!(command, Command::Stop) {
                        return Ok(());
                    }
                    self.obey(command);
                }
            }
            if ready.iter().any(|event| event.token == SOCKET) {
                self.receive()?;
            }
            self.timers();
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        for _ in 0..TURNS {
            let count = self.receiver.receive()?;
            let now = Time(self.epoch.elapsed().as_micros() as u64);
            for i in 0..count {
                let Some(message) = self.receiver.message(i) else { continue };
                let index = self.network.index_of(message.local).unwrap_or(usize::MAX);
                let client = self.clients.get_mut(index).and_then(Option::as_mut);
                let Some(client) = client.filter(|client| message.remote == client.remote) else {
                    self.ledger.strangers += 1;
                    continue;
                };
                for datagram in message.bytes.chunks_mut(message.segment) {
                    if self.down.loses(datagram) {
                        continue;
                    }
                    if self.down.is_instant() {
                        client.on_datagram(now, message.at_us, datagram, &self.identity, &mut self.ledger);
                    } else {
                        self.down.push(now, index, message.at_us, datagram.to_vec());
                    }
                }
                self.outgoing.take_from(now, index, client);
                self.due[index] = client.next();
            }
            if count == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What arrives now, after its time in the emulated network, and whose turn it is to do something.
    fn timers(&mut self) {
        let now = self.now();
        while let Some(mut flight) = self.down.pop(now) {
            let Some(Some(client)) = self.clients.get_mut(flight.client) else { continue };
            // on the way to the server it spent the same time: neither is the server's delay
            let at_us = flight.at_us.saturating_sub(self.shape.delay().as_micros() as u64);
            client.on_datagram(now, at_us, &mut flight.datagram, &self.identity, &mut self.ledger);
            self.outgoing.take_from(now, flight.client, client);
            self.due[flight.client] = client.next();
        }
        for (index, due) in self.due.iter_mut().enumerate() {
            let Some(client) = self.clients[index].as_mut().filter(|_| *due <= now) else { continue };
            let now = Time(self.epoch.elapsed().as_micros() as u64);
            client.on_timer(now, wall_us(), &mut self.ledger);
            self.outgoing.take_from(now, index, client);
            *due = client.next();
        }
        self.outgoing.send_arrived(self.now(), &self.clients);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join(joining) => {
                let (index, streams) = (joining.index, self.ledger.count_of(joining.room));
                let (now, address) = (self.now(), self.network.address_of(index));
                let client = Client::new(now, address, *joining, streams, 2 * self.shape.delay());
                if self.clients.len() <= index {
                    self.clients.resize_with(index + 1, || None);
                    self.due.resize(index + 1, NEVER);
                }
                self.due[index] = client.next();
                self.clients[index] = Some(client);
            }
            Command::Seats(index, seats) => {
                if let Some(Some(client)) = self.clients.get_mut(index) {
                    client.add_seats(&seats);
                }
            }
            Command::Failed(what) => self.ledger.fail(what),
            Command::Progress(answer) => {
                let clients = || self.clients.iter().flatten();
                let connected = clients().filter(|c| c.milestones.connected.is_some()).count();
                let complete =
                    clients().filter(|c| c.milestones.complete.is_some() || c.expected == 0).count();
                let _ = answer.send((connected, complete, self.ledger.failures.len())); // the run may be over
            }
            Command::Begin => {
                self.mark_streams(|stream, offered| (stream.from, stream.to) = (offered, u64::MAX));
                self.clients.iter_mut().flatten().for_each(|client| client.received.fill(0));
                self.ledger.begin();
                (self.down.dropped, self.outgoing.up.dropped) = (0, 0);
                (self.outgoing.errors, self.drops_before) = (0, self.receiver.drops());
            }
            Command::End => {
                self.mark_streams(|stream, offered| stream.to = offered);
                self.ledger.measuring = false;
                (self.counts.lost_down, self.counts.lost_up) = (self.down.dropped, self.outgoing.up.dropped);
            }
            Command::Report(answer) => {
                let socket_drops = self.receiver.drops() - self.drops_before;
                let counts = Counts { socket_drops, send_errors: self.outgoing.errors, ..self.counts };
                let _ = answer.send(Report::new(&self.clients, &self.ledger, counts));
                self.counts.since = self.now();
            }
            Command::Stop => {}
        }
    }

    fn mark_streams(&mut self, mark: impl Fn(&mut crate::ledger::Stream, u64)) {
        for track in self.clients.iter().flatten().flat_map(|client| &client.tracks) {
            mark(&mut self.ledger.streams[track.stream as usize], track.offered);
        }
    }
}

fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros() as u64
}

impl Outgoing {
    /// Sends what a client has, or lets it begin its way to the server.
    fn take_from(&mut self, now: Time, index: usize, client: &mut Client) {
        if client.out.is_empty() {
            return;
        }
        client.out.retain(|packet| !self.up.loses(packet));
        if self.up.is_instant() {
            let from = IpAddr::V4(client.address);
            for packets in client.out.chunks(BATCH) {
                let datagrams: Vec<Message<'_>> =
                    packets.iter().map(|packet| Message::datagram(from, client.remote, packet)).collect();
                self.send(&datagrams);
            }
            client.out.clear();
        } else {
            client.out.drain(..).for_each(|packet| self.up.push(now, index, 0, packet));
        }
    }

    /// Sends what has spent its time on the way.
    fn send_arrived(&mut self, now: Time, clients: &[Option<Client>]) {
        loop {
            let flights: Vec<_> = std::iter::from_fn(|| self.up.pop(now)).take(BATCH).collect();
            if flights.is_empty() {
                return;
            }
            let message = |flight| message_of(flight, clients);
            let datagrams: Vec<Message<'_>> = flights.iter().filter_map(message).collect();
            self.send(&datagrams);
        }
    }

    fn send(&mut self, datagrams: &[Message<'_>]) {
        let sent = self.batch.send(&self.udp, datagrams).unwrap_or(0);
        self.errors += (datagrams.len() - sent) as u64;
    }
}

fn message_of<'a>(flight: &'a link::Flight, clients: &[Option<Client>]) -> Option<Message<'a>> {
    let client = clients[flight.client].as_ref()?;
    Some(Message::datagram(IpAddr::V4(client.address), client.remote, &flight.datagram))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_clients_belong_together() {
        let network = Network(Ipv4Addr::new(127, 16, 0, 0));
        for index in [0, 1, 126, 127, 128, 32_511, 32_512, 50_000] {
            let address = network.address_of(index);
            assert_eq!(network.index_of(address), Some(index));
            assert!((1..=127).contains(&address.octets()[3]) && address.is_loopback());
        }
        assert_eq!(network.index_of(Ipv4Addr::new(127, 0, 0, 1)), None);
        assert_eq!(network.index_of(Ipv4Addr::new(10, 16, 0, 1)), None);
    }
}
