//! One thread per worker: waits for sockets, commands and timers, feeds the engine, sends what it wants sent.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_queue::SegQueue;

use crate::clock::Clock;
use crate::command::Command;
use crate::engine::Engine;
use crate::engine::path::Path;
use crate::engine::snapshot::WorkerNumbers;
use crate::event::{Event, Mailbox};
use crate::io::{Batch, EventFd, Poller, Ready, Udp, listen_tcp, thread_cpu_s};
use crate::sender::Sender;
use crate::stats::StatsBoard;
use crate::tcp::{FIRST_CONNECTION, TcpConnections};
use crate::units::Time;

/// Packets taken from one socket, but for the end of a batch, before the others, the commands and the timers get their
/// turn: half a millisecond of junk.
const TURN: usize = 512;
/// Bytes that may pile up in the outbox before they are sent: 20 frames of 12 kB, which the second-level cache holds.
const FLUSH_AT: usize = 256 << 10;
/// Later than everything.
const ALWAYS: Time = Time(u64::MAX);
/// How often numbers and idle TCP connections are looked at.
const SECOND: Duration = Duration::from_secs(1);

const COMMANDS: u64 = 0;
const FIRST_UDP: u64 = 1;
const FIRST_LISTENER: u64 = 256;

/// How a worker sends. The defaults are what ships; the others are there to be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Packets of one size for one path leave as one message (UDP_SEGMENT), as long as the kernel takes it.
    pub segment: bool,
    /// A picture's packets are held until the rest of it is here, at most a millisecond.
    pub hold: bool,
}

impl Default for Sending {
    fn default() -> Self {
        Self { segment: true, hold: true }
    }
}

/// The sockets of one worker, bound to one port number.
pub struct Sockets {
    udp: Vec<Udp>,
    tcp: Vec<TcpListener>,
    port: u16,
}

/// Which address could not be bound, and why.
pub type BindError = (SocketAddr, io::Error);

/// Ports tried when the kernel chooses one for the first address and another socket holds it elsewhere.
const PORT_TRIES: usize = 32;

impl Sockets {
    /// Binds UDP and, if asked for, TCP to one port on every host.
    pub fn bind(hosts: &[IpAddr], port: u16, tcp: bool) -> Result<Self, BindError> {
        let mut last = None;
        for _ in 0..if port == 0 { PORT_TRIES } else { 1 } {
            match Self::try_bind(hosts, port, tcp) {
                Err((address, error)) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {
                    last = Some((address, error));
                }
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| (SocketAddr::from(([0; 4], port)), io::ErrorKind::AddrInUse.into())))
    }

    fn try_bind(hosts: &[IpAddr], mut port: u16, tcp: bool) -> Result<Self, BindError> {
        let mut sockets = Self { udp: Vec::new(), tcp: Vec::new(), port };
        for host in hosts {
            let address = SocketAddr::new(*host, port);
            let mut udp = Udp::bind(address).map_err(|error| (address, error))?;
            udp.coalesce();
            port = udp.local_addr().port();
            sockets.udp.push(udp);
            if tcp {
                let address = SocketAddr::new(*host, port);
                sockets.tcp.push(listen_tcp(address).map_err(|error| (address, error))?);
            }
        }
        sockets.port = port;
        Ok(sockets)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// What the caller keeps of a running worker.
pub struct WorkerHandle {
    shared: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

struct Inbox {
    commands: SegQueue<Command>,
    wake: EventFd,
    woken: AtomicBool,
    stop: AtomicBool,
}

impl WorkerHandle {
    /// Queues a command and wakes the worker.
    pub fn send(&self, command: Command) {
        self.shared.commands.push(command);
        self.wake();
    }

    fn wake(&self) {
        if !self.shared.woken.swap(true, Ordering::AcqRel) {
            self.shared.wake.raise();
        }
    }

    /// Ends the thread and closes its sockets; waits for it, which takes one turn of its loop.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake.raise();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it was told as WorkerFailed
        }
    }
}

/// What the workers of a data plane have in common.
#[derive(Clone)]
pub struct Common {
    /// Their time.
    pub clock: Clock,
    /// Where they tell what happened.
    pub mailbox: Arc<Mailbox>,
    /// Where they put their numbers up.
    pub stats: Arc<StatsBoard>,
}

/// Starts a worker. Errors: no thread or descriptor left.
pub fn start(
    index: usize,
    sockets: Sockets,
    max_sessions: usize,
    sending: Sending,
    common: Common,
) -> io::Result<WorkerHandle> {
    let shared = Arc::new(Inbox {
        commands: SegQueue::new(),
        wake: EventFd::new()?,
        woken: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    });
    let mailbox = common.mailbox.clone();
    let mut worker = Worker::new(index, sockets, max_sessions, sending, common, shared.clone())?;
    let name = format!("media-{index}");
    let body = move || guard(index, &mailbox, || worker.run());
    let thread = std::thread::Builder::new().name(name).spawn(body)?;
    Ok(WorkerHandle { shared, thread: Some(thread) })
}

/// The one place where a bug of the engine is caught: its rooms are gone, the caller is told.
fn guard(index: usize, mailbox: &Mailbox, run: impl FnOnce() -> io::Result<()>) {
    let message = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "panic without a message".to_owned()),
    };
    mailbox.post(Event::WorkerFailed { worker: index as u32, message });
}

struct Worker {
    index: usize,
    port: u16,
    udp: Vec<Udp>,
    tcp: TcpConnections,
    poller: Poller,
    engine: Engine,
    common: Common,
    shared: Arc<Inbox>,
    next_second: Time,
    inbox: Batch,
    sender: Sender,
}

impl Worker {
    fn new(
        index: usize,
        sockets: Sockets,
        max_sessions: usize,
        sending: Sending,
        common: Common,
        shared: Arc<Inbox>,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(shared.wake.raw(), COMMANDS)?;
        for (token, udp) in (FIRST_UDP..).zip(&sockets.udp) {
            poller.add(udp.raw(), token)?;
        }
        let tcp = TcpConnections::new(sockets.tcp)?;
        for (token, listener) in (FIRST_LISTENER..).zip(tcp.listener_fds()) {
            poller.add(listener, token)?;
        }
        let mut worker = Self {
            index,
            port: sockets.port,
            udp: sockets.udp,
            tcp,
            poller,
            engine: Engine::new(common.clock.ntp_origin(), max_sessions),
            common,
            shared,
            next_second: Time(0),
            inbox: Batch::for_runs(),
            sender: Sender::new(sending.segment),
        };
        if !sending.hold {
            worker.engine.forward_eagerly();
        }
        worker.each_second(Time(0)); // so that `stats` names the port from the start
        Ok(worker)
    }

    fn now(&self) -> Time {
        self.common.clock.now()
    }

    fn run(&mut self) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        while !self.shared.stop.load(Ordering::Acquire) {
            let now = self.now();
            let due = self.engine.next_timer().map_or(self.next_second, |timer| timer.min(self.next_second));
            let wait_us = due.0.saturating_sub(now.0);
            self.poller.wait(Some(wait_us.div_ceil(1000) as u32), &mut ready)?;
            let now = self.now();
            // before the packets: what was asked for first is there when the packet comes that relies on it
            if ready.iter().any(|event| event.token == COMMANDS) {
                self.shared.wake.clear();
            }
            self.shared.woken.store(false, Ordering::Release);
            while let Some(command) = self.shared.commands.pop() {
                self.forward(ALWAYS);
                self.engine.handle_command(now, command);
            }
            for event in &ready {
                match event.token {
                    COMMANDS => {}
                    FIRST_UDP..FIRST_LISTENER => self.receive(now, (event.token - FIRST_UDP) as usize)?,
                    FIRST_LISTENER..FIRST_CONNECTION => {
                        self.tcp.accept(now, (event.token - FIRST_LISTENER) as usize, &self.poller);
                    }
                    token => self.serve_connection(now, token, event),
                }
            }
            if self.engine.timer_is_due(now) {
                self.forward(ALWAYS);
                self.engine.handle_timer(now);
            }
            self.forward(now);
            if now >= self.next_second {
                self.each_second(now);
            }
        }
        Ok(())
    }

    fn receive(&mut self, now: Time, index: usize) -> io::Result<()> {
        let mut taken = 0;
        while taken < TURN {
            let socket = &self.udp[index];
            let count = match self.inbox.receive(socket) {
                Ok(count) => count,
                // the socket itself is wrong, which only a bug can do
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOTSOCK | libc::EINVAL)) =>
                {
                    return Err(error);
                }
                Err(_) => break, // short of memory, or an ICMP error about something sent before: next turn
            };
            for i in 0..count {
                match self.inbox.datagrams(i, &self.udp[index]) {
                    Some((local, remote, datagrams)) => {
                        let path = Path::Udp { socket: index as u8, local, remote };
                        taken += datagrams.len();
                        for bytes in datagrams {
                            self.engine.handle_packet(now, path, bytes);
                        }
                    }
                    None => self.engine.counters.junk += 1,
                }
                taken += 1;
                if self.engine.written().bytes() >= FLUSH_AT {
                    self.flush();
                }
            }
            self.forward(now);
            if count < self.inbox.room() {
                break;
            }
        }
        Ok(())
    }

    fn serve_connection(&mut self, now: Time, token: u64, event: &Ready) {
        if event.writable {
            self.tcp.flush(token, &self.poller);
        }
        if !event.readable {
            return;
        }
        let Some(remote) = self.tcp.remote(token) else { return };
        let (engine, path) = (&mut self.engine, Path::Tcp { connection: token, remote });
        let open = self.tcp.read(token, |bytes| engine.handle_packet(now, path, bytes));
        if !open {
            self.forward(ALWAYS);
            self.engine.handle_connection_closed(path);
        }
        self.forward(now);
    }

    /// Forwards what is due, in pieces that the outbox holds, and sends it.
    fn forward(&mut self, now: Time) {
        while self.engine.forward_due(now, FLUSH_AT) {
            self.flush();
        }
        self.flush();
    }

    /// Sends what waits in the outbox, hands events and DTLS over.
    fn flush(&mut self) {
        let Self { index, engine, udp, tcp, poller, sender, common, .. } = self;
        let mailbox = &common.mailbox;
        let sent = sender.send(engine.written(), udp, tcp, poller);
        engine.counters.packets_out += sent.packets;
        engine.counters.bytes_out += sent.bytes;
        engine.counters.send_drops += sent.drops;
        if let Some(error) = sender.take_refusal() {
            mailbox.post(Event::SegmentationOff { worker: *index as u32, message: error.to_string() });
        }
        for event in engine.take_events() {
            mailbox.post(event);
        }
        for (session, datagram) in engine.take_dtls() {
            mailbox.post_dtls(session, datagram);
        }
    }

    fn each_second(&mut self, now: Time) {
        self.next_second = now + SECOND;
        let engine = &self.engine;
        self.tcp.drop_strangers(now, |connection, remote| engine.knows(&Path::Tcp { connection, remote }));
        let numbers = WorkerNumbers {
            worker: self.index as u32,
            port: self.port,
            cpu_s: thread_cpu_s(),
            gso: self.sender.segments(),
            ..WorkerNumbers::default()
        };
        self.common.stats.post(self.index, self.engine.snapshot(now, numbers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_once_with_its_message() {
        let mailbox = Mailbox::new().unwrap();
        guard(3, &mailbox, || panic!("index {} out of range", 7));
        guard(4, &mailbox, || Err(io::ErrorKind::OutOfMemory.into()));
        guard(5, &mailbox, || Ok(()));
        let told = mailbox.take_events();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0], Event::WorkerFailed { worker: 3, message: "index 7 out of range".into() });
    }
}
