//! Sent-again storage: the newest packets of one producer layer in plaintext, for retransmission to any consumer.
//!
//! One ring allocated at the start; nothing is allocated per packet.

use crate::units::Time;
use std::time::Duration;

/// Packets kept, by MEDIA-NOTES §4.
const SLOTS: usize = 2048;
/// Older packets are of no use to a jitter buffer, by MEDIA-NOTES §4.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Bytes a slot holds: an Ethernet MTU. Longer packets are not kept.
const SLOT_BYTES: usize = 1500;

#[derive(Clone, Copy, Default)]
struct Slot {
    extended: u64,
    at: Time,
    length: u16,
}

/// The ring; 3 MB once the first packet came, nothing before.
pub struct PacketCache {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    capacity: usize,
}

impl Default for PacketCache {
    fn default() -> PacketCache {
        PacketCache::new()
    }
}

impl PacketCache {
    /// An empty cache of 2048 packets.
    pub fn new() -> PacketCache {
        PacketCache::with_capacity(SLOTS)
    }

    /// An empty cache of `packets`, for producers of few packets per second.
    pub fn with_capacity(packets: usize) -> PacketCache {
        PacketCache { slots: Vec::new(), bytes: Vec::new(), capacity: packets.max(1) }
    }

    /// Keep `packet` under its extended sequence number. A number from before the ring's oldest is not kept.
    pub fn insert(&mut self, now: Time, extended: u64, packet: &[u8]) {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); self.capacity];
            self.bytes = vec![0; self.capacity * SLOT_BYTES];
        }
        let index = extended as usize % self.capacity;
        let slot = &mut self.slots[index];
        if packet.len() > SLOT_BYTES || (slot.length > 0 && slot.extended > extended) {
            return;
        }
        *slot = Slot { extended, at: now, length: packet.len() as u16 };
        self.bytes[index * SLOT_BYTES..index * SLOT_BYTES + packet.len()].copy_from_slice(packet);
    }

    /// The packet of this extended number, if it is kept and not older than a second.
    pub fn get(&self, now: Time, extended: u64) -> Option<&[u8]> {
        let index = extended as usize % self.capacity;
        let slot = self.slots.get(index)?;
        let fresh = slot.length > 0 && slot.extended == extended && now.since(slot.at) <= MAX_AGE;
        fresh.then(|| &self.bytes[index * SLOT_BYTES..index * SLOT_BYTES + usize::from(slot.length)])
    }

    /// Forget everything, for a producer that starts a new sequence.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_the_old_forgotten() {
        let mut cache = PacketCache::with_capacity(64);
        let now = Time::from_millis(10);
        for number in 65_530..65_730u64 {
            cache.insert(now, number, &number.to_be_bytes());
        }
        assert_eq!(cache.get(now, 65_729), Some(&65_729u64.to_be_bytes()[..]));
        assert_eq!(cache.get(now, 65_666), Some(&65_666u64.to_be_bytes()[..]));
        assert_eq!(cache.get(now, 65_665), None, "overwritten");
        assert_eq!(cache.get(now, 65_730), None, "not sent yet");
        assert_eq!(cache.get(now + Duration::from_millis(1001), 65_729), None, "too old");
    }

    #[test]
    fn a_straggler_does_not_push_out_a_newer_packet() {
        let mut cache = PacketCache::with_capacity(8);
        cache.insert(Time(1), 100, b"new");
        cache.insert(Time(2), 92, b"old");
        assert_eq!(cache.get(Time(3), 100), Some(&b"new"[..]));
        assert_eq!(cache.get(Time(3), 92), None);
        cache.insert(Time(3), 101, &[0; SLOT_BYTES + 1]);
        assert_eq!(cache.get(Time(3), 101), None, "longer than a slot");
        cache.clear();
        assert_eq!(cache.get(Time(3), 100), None);
    }
}
