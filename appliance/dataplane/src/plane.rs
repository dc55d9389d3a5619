//! The data plane as its caller sees it: workers, their queues, one mailbox.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;
use crate::command::{Command, Routes};
use crate::event::Mailbox;
use crate::stats::StatsBoard;
use crate::tap::buffer::{ReadEnd, buffer};
use crate::worker::{self, BindError, Common, Sending, Sockets, WorkerHandle};

/// Why the data plane did not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be bound.
    Bind(BindError),
    /// The system gave no thread or descriptor.
    System(std::io::Error),
}

/// Running workers.
pub struct DataPlane {
    workers: Mutex<Vec<WorkerHandle>>,
    routes: Mutex<Routes>,
    ports: Vec<u16>,
    mailbox: Arc<Mailbox>,
    stats: Arc<StatsBoard>,
    unknown_ids: AtomicU64,
    clock: Clock,
}

impl DataPlane {
    /// Binds and starts; worker i takes port + i, or whatever the kernel gives for port 0.
    pub fn start(
        hosts: &[IpAddr],
        port: u16,
        workers: usize,
        tcp: bool,
        max_sessions: usize,
    ) -> Result<Self, StartError> {
        Self::start_with(hosts, port, workers, tcp, max_sessions, Sending::default())
    }

    /// The same, sending in another way than the one that ships.
    pub fn start_with(
        hosts: &[IpAddr],
        port: u16,
        workers: usize,
        tcp: bool,
        max_sessions: usize,
        sending: Sending,
    ) -> Result<Self, StartError> {
        let mut bound = Vec::new();
        for index in 0..workers {
            let port = if port == 0 { 0 } else { port + index as u16 };
            bound.push(Sockets::bind(hosts, port, tcp).map_err(StartError::Bind)?);
        }
        let mailbox = Arc::new(Mailbox::new().map_err(StartError::System)?);
        let stats = Arc::new(StatsBoard::new(workers));
        let clock = Clock::start();
        let common = Common { clock, mailbox: mailbox.clone(), stats: stats.clone() };
        let ports = bound.iter().map(Sockets::port).collect();
        let mut handles = Vec::new();
        for (index, sockets) in bound.into_iter().enumerate() {
            match worker::start(index, sockets, max_sessions, sending, common.clone()) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    handles.iter_mut().for_each(WorkerHandle::stop);
                    return Err(StartError::System(error));
                }
            }
        }
        Ok(Self {
            workers: Mutex::new(handles),
            routes: Mutex::default(),
            ports,
            mailbox,
            stats,
            unknown_ids: AtomicU64::new(0),
            clock,
        })
    }

    /// UDP and TCP port of each worker.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Events and DTLS.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// The numbers as JSON.
    pub fn stats(&self) -> Vec<u8> {
        self.stats.json(self.unknown_ids.load(Ordering::Relaxed))
    }

    /// Opens a room on a worker. False when there is no such worker.
    pub fn add_room(&self, room: u64, worker: usize, audio_last_n: usize) -> bool {
        if worker >= self.ports.len() {
            return false;
        }
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).add_room(room, worker);
        self.send(Command::AddRoom { room, audio_last_n });
        true
    }

    /// Queues a command for the worker that owns what it names; one that names nothing known is counted. Nothing
    /// happens after `stop`.
    pub fn send(&self, command: Command) {
        // held until the command is queued, so that two threads cannot overtake each other between the two
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        match routes.route(&command) {
            Some(worker) => {
                if let Some(handle) = self.workers.lock().unwrap_or_else(PoisonError::into_inner).get(worker)
                {
                    handle.send(command);
                }
            }
            None => drop(self.unknown_ids.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Taps a producer; one that is not known gives a tap that has ended. `max_bytes` of records may wait to be taken;
    /// no layer of a picture above `max_layer` is wanted.
    pub fn open_tap(&self, tap: u64, producer: u64, max_bytes: usize, max_layer: u8) -> ReadEnd {
        let (end, reader) = buffer(max_bytes);
        self.send(Command::OpenTap { tap, producer, max_layer, end });
        reader
    }

    /// Microseconds since the Unix epoch, by the clock of the taps' records.
    pub fn now_us(&self) -> i64 {
        self.clock.unix_us()
    }

    /// Stops the threads and closes the sockets; idempotent.
    pub fn stop(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter_mut().for_each(WorkerHandle::stop);
        workers.clear();
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        self.stop();
    }
}
