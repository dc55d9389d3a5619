//! The bytes between a worker and whoever takes them: bounded, and dropped rather than waited for.
//!
//! The worker holds the lock for the copy of one frame, the reader for the exchange of two vectors, so that neither waits
//! for the other's work. Rejected: a lock-free ring of bytes. It takes its whole size from the start, for each track.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::{HEADER, Record};

/// Records without payload may take so much beside the bound: a mute is never dropped for a picture.
const MARKS: usize = 64 * 1024;
/// Memory of a reader that took little is given back from this size on.
const SPARE: usize = 256 * 1024;
/// Records that are written together: a clock, a gap, a frame.
const TOGETHER: usize = 3;

#[derive(Default)]
struct Shared {
    bytes: Mutex<Bytes>,
    lost: AtomicU64,
    ended: AtomicBool,
    closed: AtomicBool,
}

#[derive(Default)]
struct Bytes {
    records: Vec<u8>,
    /// A frame was dropped, and half of the room is not free yet: one gap and not many.
    full: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner) // whole records are appended, or nothing
}

/// Both ends of an empty buffer for `max_bytes`.
pub fn buffer(max_bytes: usize) -> (Arc<WriteEnd>, ReadEnd) {
    let shared = Arc::new(Shared::default());
    let reader = ReadEnd { shared: shared.clone(), spare: Mutex::default() };
    (Arc::new(WriteEnd { shared, max_bytes }), reader)
}

/// The worker's end. When the last reference to it goes, wherever that is, the tap has ended.
pub struct WriteEnd {
    shared: Arc<Shared>,
    max_bytes: usize,
}

impl std::fmt::Debug for WriteEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteEnd").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

impl WriteEnd {
    /// Appends all of at most three records, or nothing: false, and counted as one that was lost.
    pub fn write(&self, records: &[Record<'_>]) -> bool {
        let need: usize = records.iter().map(Record::len).sum();
        let mut headers = [[0; HEADER]; TOGETHER];
        for (header, record) in headers.iter_mut().zip(records) {
            *header = record.header();
        }
        let mut bytes = lock(&self.shared.bytes);
        let taken = bytes.records.len();
        bytes.full = if bytes.full { taken > self.max_bytes / 2 } else { taken + need > self.max_bytes };
        if bytes.full || taken + need > self.max_bytes {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        for (header, record) in headers.iter().zip(records) {
            bytes.append(header, record.payload, self.max_bytes);
        }
        true
    }

    /// Appends a record without payload, though there be no room for frames.
    pub fn mark(&self, record: &Record<'_>) {
        let header = record.header();
        let mut bytes = lock(&self.shared.bytes);
        if bytes.records.len() + HEADER <= self.max_bytes + MARKS {
            bytes.append(&header, &[], self.max_bytes + MARKS);
        }
    }

    /// The reader wants no more.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

impl Bytes {
    fn append(&mut self, header: &[u8; HEADER], payload: &[u8], most: usize) {
        let need = self.records.len() + HEADER + payload.len();
        if need > self.records.capacity() {
            let room = (2 * need).min(most).max(need);
            self.records.reserve_exact(room - self.records.len());
        }
        self.records.extend_from_slice(header);
        self.records.extend_from_slice(payload);
    }
}

/// The reader's end; closes the tap when it goes.
pub struct ReadEnd {
    shared: Arc<Shared>,
    spare: Mutex<Vec<u8>>,
}

impl ReadEnd {
    /// Hands all whole records since the last call to `read`.
    pub fn take<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        let mut spare = lock(&self.spare);
        spare.clear();
        std::mem::swap(&mut lock(&self.shared.bytes).records, &mut spare);
        let result = read(&spare);
        if spare.capacity() > SPARE.max(4 * spare.len()) {
            let keep = 2 * spare.len();
            spare.clear();
            spare.shrink_to(keep);
        }
        result
    }

    /// Frames that were dropped because there was no room.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Nothing more comes; `take` may still have a rest.
    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Asks the worker to end the tap, which it does within its next round.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Kind;
    use super::*;

    fn record(kind: Kind, payload: &[u8]) -> Record<'_> {
        Record {
            kind,
            codec: None,
            flags: 0,
            layer: 0,
            generation: 0,
            at_us: 0,
            rtp: 0,
            clock_rate: 1,
            payload,
        }
    }

    #[test]
    fn a_full_buffer_drops_until_half_of_it_is_free_and_marks_still_fit() {
        let (writer, reader) = buffer(1000);
        let frame = [7; 160];
        let write = || writer.write(&[record(Kind::Gap, &[]), record(Kind::Frame, &frame)]);
        assert_eq!([write(), write(), write(), write(), write()], [true, true, true, true, false]);
        assert!(!writer.write(&[record(Kind::Frame, &[])]), "it would fit, and be a frame behind a gap");
        writer.mark(&record(Kind::Muted, &[]));
        assert_eq!((reader.take(<[u8]>::len), reader.lost()), (4 * 240 + 40, 2));
        assert!(write());
        assert_eq!((reader.take(<[u8]>::len), reader.take(<[u8]>::len)), (240, 0));
    }

    #[test]
    fn marks_are_bounded_too() {
        let (writer, reader) = buffer(1000);
        (0..100_000).for_each(|_| writer.mark(&record(Kind::Muted, &[])));
        assert!(reader.take(<[u8]>::len) <= 1000 + MARKS);
    }

    #[test]
    fn each_end_sees_the_other_go() {
        let (writer, reader) = buffer(1000);
        assert!(!writer.is_closed() && !reader.has_ended());
        let other = writer.clone();
        writer.write(&[record(Kind::Frame, b"rest")]);
        drop(writer);
        assert!(!reader.has_ended());
        drop(other);
        assert!(reader.has_ended() && reader.take(<[u8]>::len) == 44);
        let (writer, reader) = buffer(1000);
        drop(reader);
        assert!(writer.is_closed());
    }

    #[test]
    fn memory_of_a_burst_is_given_back() {
        let (writer, reader) = buffer(8 << 20);
        let frame = vec![7; 1 << 20];
        (0..7).for_each(|_| assert!(writer.write(&[record(Kind::Frame, &frame)])));
        assert!(lock(&writer.shared.bytes).records.capacity() <= 8 << 20);
        for _ in 0..4 {
            reader.take(<[u8]>::len);
            writer.write(&[record(Kind::Frame, b"small")]);
        }
        let held = lock(&writer.shared.bytes).records.capacity() + lock(&reader.spare).capacity();
        assert!(held <= 2 * SPARE, "{held} bytes");
    }
}
