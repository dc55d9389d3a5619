//! Datagrams on their way out, in one slab that is emptied after each batch.
//!
//! Packets are built and encrypted in place in the slab. Datagrams of equal size that follow each other on one path are
//! one message, which the shell may hand to the kernel whole (UDP_SEGMENT): they lie one behind the other already. The
//! last datagram of a message may be shorter. Rejected: sorting by destination before sending; whoever writes knows the
//! order, and what is written subscriber by subscriber is still in the cache when the kernel copies it.

use super::path::Path;

/// Datagrams of one message: UDP_MAX_SEGMENTS of the first kernels that had it (linux/udp.h; later ones take 128).
const MAX_SEGMENTS: usize = 64;
/// Bytes of one message: the longest UDP payload of IPv4 (RFC 768, RFC 791).
const MAX_MESSAGE: usize = 65_507;

/// One message of the slab.
#[derive(Clone, Copy, Debug)]
struct Entry {
    path: Path,
    start: usize,
    len: usize,
    /// Bytes of each datagram but the last.
    segment: usize,
}

impl Entry {
    /// Whether a datagram that lies behind this message may become its last one.
    fn takes(&self, path: &Path, len: usize) -> bool {
        (1..=self.segment).contains(&len)
            && self.len.is_multiple_of(self.segment)
            && self.len / self.segment < MAX_SEGMENTS
            && self.len + len <= MAX_MESSAGE
            && self.path == *path
    }
}

/// Datagrams to send, in order.
#[derive(Default)]
pub struct Outbox {
    /// Only ever grows, so that nothing is filled with zeros before it is written.
    slab: Vec<u8>,
    used: usize,
    entries: Vec<Entry>,
    datagrams: usize,
}

impl Outbox {
    /// Reserves `room` bytes, lets `write` fill them, keeps as many as it returns; None keeps nothing. What is in them
    /// before is of no meaning.
    pub fn push_with(
        &mut self,
        path: Path,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        let end = self.used + room;
        if self.slab.len() < end {
            self.slab.resize(end.next_power_of_two(), 0);
        }
        let len = write(&mut self.slab[self.used..end]).filter(|len| *len <= room)?;
        self.enter(path, len);
        Some(len)
    }

    /// Copies a finished datagram in.
    pub fn push(&mut self, path: Path, datagram: &[u8]) {
        self.push_with(path, datagram.len(), |out| {
            out.copy_from_slice(datagram);
            Some(datagram.len())
        });
    }

    fn enter(&mut self, path: Path, len: usize) {
        let start = self.used;
        self.used += len;
        self.datagrams += 1;
        match self.entries.last_mut() {
            Some(last) if last.takes(&path, len) => last.len += len,
            _ => self.entries.push(Entry { path, start, len, segment: len }),
        }
    }

    /// The datagrams in order.
    pub fn iter(&self) -> impl Iterator<Item = (Path, &[u8])> {
        self.messages()
            .flat_map(|(path, bytes, segment)| bytes.chunks(segment.max(1)).map(move |each| (path, each)))
    }

    /// The messages in order: path, datagrams one behind the other, bytes of each but the last.
    pub fn messages(&self) -> impl Iterator<Item = (Path, &[u8], usize)> {
        self.entries.iter().map(|e| (e.path, &self.slab[e.start..e.start + e.len], e.segment))
    }

    /// Number of datagrams.
    pub fn len(&self) -> usize {
        self.datagrams
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.used
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything and keeps the memory for the next batch.
    pub fn clear(&mut self) {
        self.used = 0;
        self.datagrams = 0;
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path::Udp { socket: 0, local: [192, 0, 2, 1].into(), remote: ([198, 51, 100, 9], port).into() }
    }

    fn shapes(outbox: &Outbox) -> Vec<(usize, usize)> {
        outbox.messages().map(|(_, bytes, segment)| (bytes.len(), segment)).collect()
    }

    #[test]
    fn equal_sizes_for_one_path_are_one_message_and_the_last_may_be_shorter() {
        let mut outbox = Outbox::default();
        let sent = [(1, 100), (1, 100), (1, 101), (1, 101), (1, 40), (1, 40), (2, 40), (1, 40), (1, 41)];
        for (value, (port, len)) in sent.into_iter().enumerate() {
            outbox.push(path(port), &vec![value as u8; len]);
        }
        assert_eq!(
            shapes(&outbox),
            [(200, 100), (242, 101), (40, 40), (40, 40), (40, 40), (41, 41)],
            "a frame whose packets differ by a byte is two runs"
        );
        let got: Vec<_> = outbox.iter().map(|(path, bytes)| (path.remote().port(), bytes.to_vec())).collect();
        let wanted: Vec<_> =
            sent.into_iter().enumerate().map(|(v, (port, len))| (port, vec![v as u8; len])).collect();
        assert_eq!(got, wanted);
        assert_eq!((outbox.len(), outbox.bytes()), (9, sent.iter().map(|s| s.1).sum()));
        outbox.clear();
        assert!(outbox.is_empty() && outbox.iter().next().is_none() && outbox.bytes() == 0);
    }

    #[test]
    fn a_message_never_grows_beyond_what_the_kernel_takes() {
        let mut outbox = Outbox::default();
        for _ in 0..200 {
            outbox.push(path(1), &[1; 10]);
        }
        assert_eq!(shapes(&outbox), [(640, 10), (640, 10), (640, 10), (80, 10)]);
        outbox.clear();
        for _ in 0..60 {
            outbox.push(path(1), &[1; 1250]);
        }
        assert_eq!(shapes(&outbox), [(65_000, 1250), (10_000, 1250)]);
    }

    #[test]
    fn what_could_not_be_written_leaves_nothing() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push_with(path(1), 8, |_| None), None);
        assert_eq!(outbox.push_with(path(1), 8, |_| Some(9)), None, "more than there was room for");
        assert!(outbox.is_empty());
    }
}
