//! Datagrams on their way out, in one growing slab that is emptied after each batch.
//!
//! Packets are built and encrypted in place in the slab. Entries keep the destination apart from the bytes, so the
//! shell may order them by destination and hand runs of equal size to the kernel as one message (UDP_SEGMENT) without
//! touching the bytes again.

use super::path::Path;

/// One datagram of the slab.
#[derive(Clone, Copy, Debug)]
struct Entry {
    path: Path,
    start: u32,
    len: u32,
}

/// Datagrams to send, in order.
#[derive(Default)]
pub struct Outbox {
    slab: Vec<u8>,
    entries: Vec<Entry>,
}

impl Outbox {
    /// Reserves `room` bytes, lets `write` fill them, keeps as many as it returns; None keeps nothing.
    pub fn push_with(
        &mut self,
        path: Path,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        let start = self.slab.len();
        self.slab.resize(start + room, 0);
        match write(&mut self.slab[start..]) {
            Some(len) if len <= room => {
                self.slab.truncate(start + len);
                self.entries.push(Entry { path, start: start as u32, len: len as u32 });
                Some(len)
            }
            _ => {
                self.slab.truncate(start);
                None
            }
        }
    }

    /// Copies a finished datagram in.
    pub fn push(&mut self, path: Path, datagram: &[u8]) {
        let start = self.slab.len() as u32;
        self.slab.extend_from_slice(datagram);
        self.entries.push(Entry { path, start, len: datagram.len() as u32 });
    }

    /// The datagrams in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Path, &[u8])> {
        self.entries.iter().map(|e| (e.path, &self.slab[e.start as usize..(e.start + e.len) as usize]))
    }

    /// Number of datagrams.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything and keeps the memory for the next batch.
    pub fn clear(&mut self) {
        self.slab.clear();
        self.entries.clear();
    }
}
