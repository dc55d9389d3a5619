//! What the workers tell the caller, and the two queues it takes: events, and DTLS for the thread that terminates it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_queue::{ArrayQueue, SegQueue};

use crate::io::EventFd;

/// Something that happened; ids are the caller's.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // field by field the variants of `_dataplane.pyi`
pub enum Event {
    SessionConnected { session: u64, address: String, tcp: bool },
    SessionPathChanged { session: u64, address: String, tcp: bool },
    SessionLost { session: u64 },
    ProducerStarted { producer: u64 },
    ProducerStalled { producer: u64 },
    ProducerLayersWanted { producer: u64, layers: Vec<bool> },
    ConsumerStarted { consumer: u64, producer: u64, layer: u8 },
    Speakers { room: u64, levels: Vec<(u64, f64)>, dominant: Option<u64> },
    SegmentationOff { worker: u32, message: String },
    WorkerFailed { worker: u32, message: String },
}

/// DTLS datagrams that may wait for the caller. A full handshake is about ten, and DTLS repeats what is lost, so a
/// caller that falls behind loses datagrams and not memory.
const DTLS_QUEUE: usize = 8192;

/// Queues from all workers to the caller.
pub struct Mailbox {
    events: SegQueue<Event>,
    dtls: ArrayQueue<(u64, Vec<u8>)>,
    dtls_dropped: AtomicU64,
    event_signal: Signal,
    dtls_signal: Signal,
}

/// An eventfd written once per burst.
struct Signal {
    fd: EventFd,
    raised: AtomicBool,
}

impl Signal {
    fn new() -> std::io::Result<Self> {
        Ok(Self { fd: EventFd::new()?, raised: AtomicBool::new(false) })
    }

    fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.fd.raise();
        }
    }

    /// To be called before draining: whatever is pushed after it raises the signal again.
    fn lower(&self) {
        self.fd.clear();
        self.raised.store(false, Ordering::Release);
    }
}

impl Mailbox {
    /// Empty queues. Errors: no file descriptor left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            events: SegQueue::new(),
            dtls: ArrayQueue::new(DTLS_QUEUE),
            dtls_dropped: AtomicU64::new(0),
            event_signal: Signal::new()?,
            dtls_signal: Signal::new()?,
        })
    }

    /// Tells the caller. Events are rare by construction (state changes, speakers at most five times a second).
    pub fn post(&self, event: Event) {
        self.events.push(event);
        self.event_signal.raise();
    }

    /// Hands a DTLS datagram over.
    pub fn post_dtls(&self, session: u64, datagram: Vec<u8>) {
        if self.dtls.push((session, datagram)).is_err() {
            self.dtls_dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.dtls_signal.raise();
    }

    /// Descriptor that is readable when `take_events` has something.
    pub fn event_fd(&self) -> i32 {
        self.event_signal.fd.raw()
    }

    /// Descriptor that is readable when `take_dtls` has something.
    pub fn dtls_fd(&self) -> i32 {
        self.dtls_signal.fd.raw()
    }

    /// Everything that happened since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        self.event_signal.lower();
        std::iter::from_fn(|| self.events.pop()).collect()
    }

    /// Every datagram since the last call.
    pub fn take_dtls(&self) -> Vec<(u64, Vec<u8>)> {
        self.dtls_signal.lower();
        std::iter::from_fn(|| self.dtls.pop()).take(DTLS_QUEUE).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_once_and_in_order() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.post(Event::SessionLost { session: 1 });
        mailbox.post(Event::SessionLost { session: 2 });
        assert!(mailbox.event_signal.fd.is_raised());
        let taken = mailbox.take_events();
        assert_eq!(taken, [Event::SessionLost { session: 1 }, Event::SessionLost { session: 2 }]);
        assert!(!mailbox.event_signal.fd.is_raised());
        assert!(mailbox.take_events().is_empty());
        mailbox.post(Event::SessionLost { session: 3 });
        assert!(mailbox.event_signal.fd.is_raised());
    }

    #[test]
    fn a_dtls_flood_loses_datagrams_and_not_memory() {
        let mailbox = Mailbox::new().unwrap();
        for _ in 0..DTLS_QUEUE + 10 {
            mailbox.post_dtls(1, vec![22]);
        }
        assert_eq!(mailbox.take_dtls().len(), DTLS_QUEUE);
        assert_eq!(mailbox.dtls_dropped.load(Ordering::Relaxed), 10);
    }
}
