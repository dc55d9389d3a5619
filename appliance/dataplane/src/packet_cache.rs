//! Sent-again storage: the packets of one producer layer's last second in plaintext, for retransmission to any consumer.
//!
//! Packets lie in chunks one behind the other, in the order in which they came; an index by sequence number says where.
//! A chunk whose packets are all too old takes the next ones, so that a stream of even rate allocates nothing, and a
//! layer takes what its last second takes: 380 kB of 3 Mbit/s, 40 kB of 150 kbit/s. Memory grows when the rate does,
//! and goes when the rate falls for good. Rejected: one slot of an MTU for each of 1024 packets, allocated at once: 1.5 MB
//! whatever the stream, seven tenths of what a publishing client took.

use crate::units::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// Older packets are of no use to a jitter buffer, by MEDIA-NOTES §4.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Packets kept at the most, by MEDIA-NOTES §4.
const MAX_PACKETS: usize = 2048;
/// The index begins with so many: a second of 500 kbit/s.
const FIRST_PACKETS: usize = 64;
/// Thirteen packets of 1200 bytes: a slow layer has two, and at most a packet's length at the end stays empty.
const CHUNK_BYTES: usize = 16 * 1024;
/// A second of 12 Mbit/s, 1.5 MB: what a publisher that is policed may take.
const MAX_CHUNKS: usize = 96;
/// A chunk that was not needed for so long is given back: key frames come more often, and need some more for a second.
const SPARE: Duration = Duration::from_secs(4);
/// Bytes kept of one packet: an Ethernet MTU. Longer packets are not kept.
const PACKET_BYTES: usize = 1500;

/// Where a packet lies; `length` 0: nowhere.
#[derive(Clone, Copy, Default)]
struct Slot {
    extended: u64,
    at: Time,
    chunk: u32,
    offset: u16,
    length: u16,
}

impl Slot {
    fn is_fresh(&self, now: Time) -> bool {
        self.length > 0 && now.since(self.at) <= MAX_AGE
    }
}

struct Chunk {
    bytes: Box<[u8]>,
    /// When its last packet came.
    newest: Time,
}

impl Chunk {
    fn is_idle(&self, now: Time, idle: Duration) -> bool {
        now.since(self.newest) > idle
    }
}

/// The storage; nothing before the first packet came.
#[derive(Default)]
pub struct PacketCache {
    /// By extended sequence number modulo their number, which is a power of two.
    slots: Vec<Slot>,
    chunks: VecDeque<Chunk>,
    /// Number of the front chunk; chunks count up, and one that takes packets anew gets a new number.
    front: u32,
    /// Bytes taken of the back chunk.
    used: usize,
}

impl PacketCache {
    /// An empty cache.
    pub fn new() -> PacketCache {
        PacketCache::default()
    }

    /// Keep `packet` under its extended sequence number. A number from before the oldest kept is not.
    pub fn insert(&mut self, now: Time, extended: u64, packet: &[u8]) {
        if packet.len() > PACKET_BYTES {
            return;
        }
        let Some(index) = self.slot_for(now, extended) else { return };
        if self.chunks.is_empty() || self.used + packet.len() > CHUNK_BYTES {
            self.next_chunk(now);
        }
        let number = self.front.wrapping_add(self.chunks.len() as u32 - 1);
        let Some(chunk) = self.chunks.back_mut() else { return };
        chunk.bytes[self.used..self.used + packet.len()].copy_from_slice(packet);
        chunk.newest = now;
        let (offset, length) = (self.used as u16, packet.len() as u16);
        self.slots[index] = Slot { extended, at: now, chunk: number, offset, length };
        self.used += packet.len();
    }

    /// The packet of this extended number, if it is kept and not older than a second.
    pub fn get(&self, now: Time, extended: u64) -> Option<&[u8]> {
        self.get_dated(now, extended).map(|(_, packet)| packet)
    }

    /// The same, with the time of its arrival.
    pub fn get_dated(&self, now: Time, extended: u64) -> Option<(Time, &[u8])> {
        let slot = self.slots.get(extended as usize & self.slots.len().wrapping_sub(1))?;
        if slot.extended != extended || !slot.is_fresh(now) {
            return None;
        }
        let chunk = self.chunks.get(slot.chunk.wrapping_sub(self.front) as usize)?;
        let start = usize::from(slot.offset);
        Some((slot.at, chunk.bytes.get(start..start + usize::from(slot.length))?))
    }

    /// Forget everything, for a producer that starts a new sequence.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
    }

    /// Gives the memory back of a stream that has stopped; called now and then.
    pub fn tidy(&mut self, now: Time) {
        if self.chunks.back().is_some_and(|newest| newest.is_idle(now, SPARE)) {
            *self = PacketCache::new();
        }
    }

    /// Bytes allocated.
    pub fn allocated(&self) -> usize {
        self.chunks.len() * CHUNK_BYTES + self.slots.len() * size_of::<Slot>()
    }

    /// Where the index has room for a number; it grows rather than push out a packet of the last second. None if a newer
    /// one is there.
    fn slot_for(&mut self, now: Time, extended: u64) -> Option<usize> {
        loop {
            let index = extended as usize & self.slots.len().wrapping_sub(1);
            match self.slots.get(index) {
                None => self.slots = vec![Slot::default(); FIRST_PACKETS],
                Some(slot) if slot.length > 0 && slot.extended > extended => return None,
                Some(slot)
                    if slot.extended != extended && slot.is_fresh(now) && self.slots.len() < MAX_PACKETS =>
                {
                    self.grow_index();
                }
                Some(_) => return Some(index),
            }
        }
    }

    fn grow_index(&mut self) {
        let size = 2 * self.slots.len();
        let slots = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        // two that were apart stay so: numbers that differ modulo the old size do modulo the new one
        for slot in slots.into_iter().filter(|slot| slot.length > 0) {
            self.slots[slot.extended as usize & (size - 1)] = slot;
        }
    }

    /// Makes a chunk with room the last one.
    fn next_chunk(&mut self, now: Time) {
        while self.chunks.len() > 1 && self.chunks[1].is_idle(now, SPARE) {
            self.drop_front();
        }
        let reusable = self.chunks.front().is_some_and(|oldest| oldest.is_idle(now, MAX_AGE));
        let chunk = if reusable || self.chunks.len() >= MAX_CHUNKS { self.drop_front() } else { None };
        let bytes = chunk.map_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice(), |chunk| chunk.bytes);
        self.chunks.push_back(Chunk { bytes, newest: now });
        self.used = 0;
    }

    fn drop_front(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.front = self.front.wrapping_add(1);
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u64, length: usize) -> Vec<u8> {
        number.to_be_bytes().into_iter().cycle().take(length).collect()
    }

    /// Inserts `rate` packets of `length` bytes each second for `seconds`; returns the next time and number.
    fn stream(
        cache: &mut PacketCache,
        from: (Time, u64),
        rate: u64,
        length: usize,
        seconds: u64,
    ) -> (Time, u64) {
        for n in 0..rate * seconds {
            let now = from.0 + Duration::from_micros(n * 1_000_000 / rate);
            cache.insert(now, from.1 + n, &packet(from.1 + n, length));
        }
        (from.0 + Duration::from_secs(seconds), from.1 + rate * seconds)
    }

    #[test]
    fn the_last_second_is_kept_and_what_is_older_forgotten() {
        let mut cache = PacketCache::new();
        let (now, next) = stream(&mut cache, (Time::from_millis(10), 65_000), 300, 1200, 5);
        for number in next - 299..next {
            assert_eq!(cache.get(now, number), Some(&packet(number, 1200)[..]), "{number}");
        }
        assert_eq!(cache.get(now, next - 302), None, "too old");
        assert_eq!(cache.get(now, next), None, "not sent yet");
        assert_eq!(cache.get(now + Duration::from_secs(1), next - 1), None, "too old by then");
    }

    #[test]
    fn memory_follows_the_rate() {
        let mut cache = PacketCache::new();
        assert_eq!(cache.allocated(), 0);
        let at = stream(&mut cache, (Time::from_millis(10), 65_000), 300, 1200, 10);
        let fast = cache.allocated();
        assert!((360_000..440_000).contains(&fast), "{fast} bytes for 360 kB a second");
        let at = stream(&mut cache, at, 300, 1200, 10);
        assert_eq!(cache.allocated(), fast, "the rate is the same");
        let (now, next) = stream(&mut cache, at, 30, 600, 30);
        assert!(cache.allocated() < 120_000, "{} bytes for 18 kB a second", cache.allocated());
        assert_eq!(cache.get(now, next - 29), Some(&packet(next - 29, 600)[..]));
        cache.tidy(now + Duration::from_secs(1));
        assert!(cache.get(now, next - 1).is_some(), "a pause is not the end");
        cache.tidy(now + Duration::from_secs(5));
        assert_eq!(cache.allocated(), 0);
        stream(&mut cache, (now, next), 10_000, 1500, 3);
        assert!(cache.allocated() <= MAX_CHUNKS * CHUNK_BYTES + MAX_PACKETS * size_of::<Slot>());
    }

    #[test]
    fn a_straggler_does_not_push_out_a_newer_packet() {
        let mut cache = PacketCache::new();
        for number in 3000..3000 + 2 * MAX_PACKETS as u64 {
            cache.insert(Time(number), number, b"many in a moment");
        }
        let (old, new) = (3000, 3000 + MAX_PACKETS as u64);
        cache.insert(Time(9000), old, b"old");
        assert_eq!((cache.get(Time(9000), new).is_some(), cache.get(Time(9000), old)), (true, None));
        let next = new + MAX_PACKETS as u64;
        cache.insert(Time(9000), next, &[0; PACKET_BYTES + 1]);
        assert_eq!(cache.get(Time(9000), next), None, "longer than what is kept");
        cache.clear();
        assert_eq!(cache.get(Time(9000), new), None);
        cache.insert(Time(9001), 7, b"anew");
        assert_eq!(cache.get(Time(9001), 7), Some(&b"anew"[..]));
    }

    /// Against a map: whatever comes, in any order and at any rate, a packet is found whole or not at all, and each of the
    /// last second is while there are not too many.
    #[test]
    fn what_is_found_is_what_was_kept() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let mut cache = PacketCache::new();
        let mut kept = std::collections::HashMap::new();
        let (mut now, mut newest) = (Time::from_millis(10), 70_000u64);
        for step in 0..20_000 {
            now += Duration::from_micros(if step % 4000 < 2000 { next(4000) } else { next(40_000) });
            newest += 1 + u64::from(next(50) == 0) * next(20);
            let number = newest - if next(10) == 0 { next(40) } else { 0 };
            let bytes = packet(number ^ step, 1 + next(1500) as usize);
            let before = cache.get(now, number).map(<[u8]>::to_vec);
            cache.insert(now, number, &bytes);
            assert!(before.is_none_or(|before| kept.get(&number).is_some_and(|(_, b)| *b == before)));
            kept.insert(number, (now, bytes));
            if next(2000) == 0 {
                cache = PacketCache::new(); // so that it grows at many numbers
                kept.clear();
                continue;
            }
            let asked = newest - next(600);
            match (cache.get(now, asked), kept.get(&asked)) {
                (Some(found), Some((at, bytes))) => assert!(found == bytes && now - *at <= MAX_AGE),
                (Some(_), None) => panic!("{asked} was never kept"),
                (None, Some((at, _))) => assert!(now - *at > MAX_AGE, "{asked} is lost"),
                (None, None) => {}
            }
        }
    }
}
