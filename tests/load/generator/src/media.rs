//! The media thread: one socket for all clients, their timers, and the commands of signaling and of the run.
//!
//! Each client has an address of its own; which one a datagram is for follows from the address that it
//! was sent to.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use _dataplane::command::Kind;
use _dataplane::io::{BATCH, Batch, EventFd, Message, Poller, Ready, Udp};
use _dataplane::units::Time;

use crate::client::{Client, Joining};
use crate::dtls::Identity;
use crate::ledger::Ledger;
use crate::report::Report;
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

/// SplitMix64.
struct Random(u64);

impl Random {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The thread's state.
pub struct Media {
    epoch: Instant,
    udp: Udp,
    receiver: Receiver,
    batch: Batch,
    poller: Poller,
    wake: Arc<EventFd>,
    inbox: Inbox<Command>,
    identity: Arc<Identity>,
    clients: Vec<Option<Client>>,
    ledger: Ledger,
    network: Network,
    loss: f64,
    random: Random,
    send_errors: u64,
}

impl Media {
    /// On a bound socket. Errors: as the kernel says.
    pub fn new(
        udp: Udp,
        epoch: Instant,
        identity: Arc<Identity>,
        ledger: Ledger,
        (network, loss): (Network, f64),
        inbox: Inbox<Command>,
        wake: Arc<EventFd>,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(wake.raw().as_raw_fd(), COMMANDS)?;
        poller.add(udp.raw(), SOCKET)?;
        Ok(Self {
            epoch,
            receiver: Receiver::new(udp.raw())?,
            udp,
            batch: Batch::for_sending(),
            poller,
            wake,
            inbox,
            identity,
            clients: Vec::new(),
            ledger,
            network,
            loss,
            random: Random(1),
            send_errors: 0,
        })
    }

    fn now(&self) -> Time {
        Time(self.epoch.elapsed().as_micros() as u64)
    }

    /// Works until [`Command::Stop`]. Errors: the socket or epoll failed.
    pub fn run(mut self) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            let due = self.clients.iter().flatten().map(Client::next).min().unwrap_or(Time(u64::MAX));
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
                let client = self
                    .network
                    .index_of(message.local)
                    .and_then(|i| self.clients.get_mut(i))
                    .and_then(Option::as_mut);
                let Some(client) = client.filter(|client| message.remote == client.remote) else {
                    self.ledger.strangers += 1;
                    continue;
                };
                for datagram in message.bytes.chunks_mut(message.segment) {
                    let media = datagram.first().is_some_and(|first| *first >= 128);
                    if media && self.loss > 0.0 && self.random.share() < self.loss {
                        continue;
                    }
                    client.on_datagram(now, message.at_us, datagram, &self.identity, &mut self.ledger);
                }
                if !client.out.is_empty() {
                    self.send_errors += send(&mut self.batch, &self.udp, client);
                }
            }
            if count == 0 {
                break;
            }
        }
        Ok(())
    }

    fn timers(&mut self) {
        for client in self.clients.iter_mut().flatten() {
            let now = Time(self.epoch.elapsed().as_micros() as u64);
            if client.next() > now {
                continue;
            }
            client.on_timer(now, wall_us(), &mut self.ledger);
            if !client.out.is_empty() {
                self.send_errors += send(&mut self.batch, &self.udp, client);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join(joining) => {
                let (index, streams) = (joining.index, self.ledger.count_of(joining.room));
                let client = Client::new(self.now(), self.network.address_of(index), *joining, streams);
                if self.clients.len() <= index {
                    self.clients.resize_with(index + 1, || None);
                }
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
                self.ledger.measuring = true;
            }
            Command::End => {
                self.mark_streams(|stream, offered| stream.to = offered);
                self.ledger.measuring = false;
            }
            Command::Report(answer) => {
                let report =
                    Report::new(&self.clients, &self.ledger, self.receiver.drops(), self.send_errors);
                let _ = answer.send(report);
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

/// Sends what a client has; returns how many datagrams the kernel refused.
fn send(batch: &mut Batch, udp: &Udp, client: &mut Client) -> u64 {
    let from = IpAddr::V4(client.address);
    let mut refused = 0;
    for packets in client.out.chunks(BATCH) {
        let datagrams: Vec<Message<'_>> =
            packets.iter().map(|packet| Message::datagram(from, client.remote, packet)).collect();
        let sent = batch.send(udp, &datagrams).unwrap_or(0);
        refused += (datagrams.len() - sent) as u64;
    }
    client.out.clear();
    refused
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
