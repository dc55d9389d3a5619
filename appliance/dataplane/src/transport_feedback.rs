//! Transport-wide congestion control feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01: the receiver's log of
//! arrivals and its feedback packets, and the reader of a peer's.
//!
//! Owns no clock; bounded in memory and in work whatever the peer sends.

use crate::units::{Time, extend_seq, first_extended};

/// Arrivals remembered at the most: at 10 kpps the longest feedback interval (200 ms) has 2000. 64 kB.
const LOG: usize = 4096;
/// And at first: the longest interval at 1280 pps, 4.5 Mbit/s of pictures and sound. 4 kB.
const FIRST_LOG: usize = 256;
/// Statuses in one feedback packet: at worst 2 bytes of chunk and 2 of delta each, so that 1200 bytes hold them.
const MAX_STATUSES: usize = 290;
/// Delta unit: 250 µs (§3.1.5).
const DELTA_US: i64 = 250;
/// Reference time unit: 64 ms (§3.1).
const REFERENCE_US: i64 = 64_000;
/// Statuses that a peer's packet may announce: at 5 kpps to one peer, more than a second and a half. Without it, 22 bytes
/// of run-length chunks ask for 65535 steps of work.
const MAX_ANNOUNCED: u16 = 8192;
/// RTCP header, sender and media SSRC, and the feedback's own fixed fields.
const FIXED: usize = 20;

const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// What arrived of one sender's transport-wide sequence, not yet told to it.
pub struct ArrivalLog {
    /// (extended sequence number, arrival in µs) by number modulo the size, a power of two that grows with what is not
    /// told yet; sequence 0: empty.
    slots: Vec<(u64, u64)>,
    /// First number that the next feedback tells.
    base: u64,
    highest: u64,
    pending: bool,
    feedback_count: u8,
}

impl Default for ArrivalLog {
    fn default() -> ArrivalLog {
        ArrivalLog::new()
    }
}

impl ArrivalLog {
    /// An empty log.
    pub fn new() -> ArrivalLog {
        ArrivalLog { slots: vec![(0, 0); FIRST_LOG], base: 0, highest: 0, pending: false, feedback_count: 0 }
    }

    /// A packet with this transport-wide sequence number arrived.
    pub fn on_packet(&mut self, now: Time, seq: u16) {
        let extended = if self.highest == 0 { first_extended(seq) } else { extend_seq(self.highest, seq) };
        if self.highest == 0 {
            self.base = extended;
        }
        while self.slots.len() < LOG && self.base + self.slots.len() as u64 <= extended {
            self.grow();
        }
        let size = self.slots.len() as u64;
        if extended + size <= self.highest {
            return; // too late to be told
        }
        let slot = &mut self.slots[(extended & (size - 1)) as usize];
        if slot.0 == extended {
            return; // the first arrival counts
        }
        *slot = (extended, now.0);
        self.highest = self.highest.max(extended);
        self.base = self.base.min(extended).max(self.highest.saturating_sub(size - 1));
        self.pending = true;
    }

    fn grow(&mut self) {
        let size = 2 * self.slots.len();
        let slots = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
        for slot in slots.into_iter().filter(|slot| slot.0 != 0) {
            self.slots[slot.0 as usize & (size - 1)] = slot;
        }
    }

    /// Whether something is left to tell.
    pub fn has_pending(&self) -> bool {
        self.pending
    }

    fn arrival(&self, extended: u64) -> Option<i64> {
        let (number, at) = self.slots[extended as usize & (self.slots.len() - 1)];
        (number == extended).then_some(at as i64)
    }

    /// Write the next feedback packet into `out` (1200 bytes are always enough) and return its length; None when
    /// nothing is left to tell. Call again until None: a long interval takes several packets.
    pub fn build(&mut self, out: &mut [u8], sender_ssrc: u32, media_ssrc: u32) -> Option<usize> {
        if !self.pending {
            return None;
        }
        let first_received = (self.base..=self.highest).find(|&n| self.arrival(n).is_some())?;
        // Leading losses that do not fit beside the first arrival are told by themselves being skipped over.
        let base = self.base.max(first_received.saturating_sub(MAX_STATUSES as u64 / 2));
        let reference = self.arrival(first_received)?.div_euclid(REFERENCE_US);
        let mut symbols = [NOT_RECEIVED; MAX_STATUSES];
        let mut deltas = [0i16; MAX_STATUSES];
        let (mut count, mut clock) = (0, reference * REFERENCE_US);
        for number in base..=self.highest.min(base + MAX_STATUSES as u64 - 1) {
            if let Some(at) = self.arrival(number) {
                let steps = (at - clock + DELTA_US / 2).div_euclid(DELTA_US);
                let Ok(delta) = i16::try_from(steps) else { break }; // the next packet takes a new reference
                symbols[count] = if (0..=255).contains(&delta) { SMALL_DELTA } else { LARGE_DELTA };
                deltas[count] = delta;
                clock += steps * DELTA_US;
            }
            count += 1;
        }
        let length = write(out, &symbols[..count], &deltas[..count], base, reference, self.feedback_count)?;
        out[4..8].copy_from_slice(&sender_ssrc.to_be_bytes());
        out[8..12].copy_from_slice(&media_ssrc.to_be_bytes());
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.base = base + count as u64;
        self.pending = self.base <= self.highest;
        Some(length)
    }
}

/// Lay the packet out; the two SSRCs are the caller's. None if `out` is too short.
fn write(
    out: &mut [u8],
    symbols: &[u8],
    deltas: &[i16],
    base: u64,
    reference: i64,
    number: u8,
) -> Option<usize> {
    if out.len() < FIXED + symbols.len() * 2 + symbols.len() * 2 + 4 {
        return None;
    }
    out[12..14].copy_from_slice(&(base as u16).to_be_bytes());
    out[14..16].copy_from_slice(&(symbols.len() as u16).to_be_bytes());
    out[16..20].copy_from_slice(&(((reference as u32) << 8) | u32::from(number)).to_be_bytes());
    let (mut at, mut next) = (FIXED, 0);
    while next < symbols.len() {
        let (chunk, taken) = chunk(&symbols[next..]);
        out[at..at + 2].copy_from_slice(&chunk.to_be_bytes());
        at += 2;
        next += taken;
    }
    for (&symbol, &delta) in symbols.iter().zip(deltas) {
        match symbol {
            SMALL_DELTA => {
                out[at] = delta as u8;
                at += 1;
            }
            LARGE_DELTA => {
                out[at..at + 2].copy_from_slice(&delta.to_be_bytes());
                at += 2;
            }
            _ => {}
        }
    }
    let padding = (4 - at % 4) % 4;
    out[at..at + padding].fill(0);
    if padding > 0 {
        out[at + padding - 1] = padding as u8; // RFC 3550 §6.4.1
    }
    at += padding;
    out[0] = 0x80 | if padding > 0 { 0x20 } else { 0 } | 15; // FMT 15
    out[1] = 205; // RTPFB
    out[2..4].copy_from_slice(&((at / 4 - 1) as u16).to_be_bytes());
    Some(at)
}

/// The next status chunk (§3.1.3, §3.1.4) and how many statuses it tells.
fn chunk(symbols: &[u8]) -> (u16, usize) {
    let run = symbols.iter().take(0x1fff).take_while(|&&s| s == symbols[0]).count();
    if run >= 14 || run == symbols.len() {
        return ((u16::from(symbols[0]) << 13) | run as u16, run);
    }
    let one_bit = symbols.iter().take(14).all(|&s| s != LARGE_DELTA);
    let (taken, width) = if one_bit { (symbols.len().min(14), 1) } else { (symbols.len().min(7), 2) };
    let mut bits = if one_bit { 0x8000 } else { 0xc000 };
    for (i, &symbol) in symbols[..taken].iter().enumerate() {
        bits |= u16::from(symbol) << (14 - width * (i + 1));
    }
    (bits, taken)
}

/// A peer's feedback, checked: iterate for (sequence number, arrival in µs since the peer's own origin, or None if lost).
#[derive(Clone)]
pub struct Feedback<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    seq: u16,
    left: u16,
    clock_us: i64,
    /// Current chunk: statuses left in it, and how to read them.
    chunk_left: u16,
    chunk: u16,
    chunk_index: u16,
}

impl<'a> Feedback<'a> {
    /// Read the feedback control information: what follows the two SSRCs, padding removed. None if it is malformed.
    pub fn parse_untrusted(fci: &'a [u8]) -> Option<Feedback<'a>> {
        let (fixed, mut rest) = fci.split_at_checked(8)?;
        let seq = u16::from_be_bytes([fixed[0], fixed[1]]);
        let count = u16::from_be_bytes([fixed[2], fixed[3]]);
        if count > MAX_ANNOUNCED {
            return None;
        }
        let reference = i32::from_be_bytes([fixed[4], fixed[5], fixed[6], 0]) >> 8;
        let (chunks, mut told) = (rest, 0u32);
        while told < u32::from(count) {
            let (head, tail) = rest.split_at_checked(2)?;
            let chunk = u16::from_be_bytes([head[0], head[1]]);
            let statuses = chunk_length(chunk);
            if statuses == 0 {
                return None;
            }
            told += u32::from(statuses);
            rest = tail;
        }
        Some(Feedback {
            chunks: &chunks[..chunks.len() - rest.len()],
            deltas: rest,
            seq,
            left: count,
            clock_us: i64::from(reference) * REFERENCE_US,
            chunk_left: 0,
            chunk: 0,
            chunk_index: 0,
        })
    }

    /// Statuses that follow.
    pub fn len(&self) -> usize {
        usize::from(self.left)
    }

    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    fn next_symbol(&mut self) -> Option<u8> {
        if self.chunk_left == 0 {
            let (head, tail) = self.chunks.split_at_checked(2)?;
            self.chunks = tail;
            self.chunk = u16::from_be_bytes([head[0], head[1]]);
            self.chunk_left = chunk_length(self.chunk);
            self.chunk_index = 0;
        }
        let chunk = self.chunk;
        let symbol = match chunk >> 14 {
            0 | 1 => (chunk >> 13) & 3,
            2 => (chunk >> (13 - self.chunk_index)) & 1,
            _ => (chunk >> (12 - 2 * self.chunk_index)) & 3,
        };
        self.chunk_index += 1;
        self.chunk_left -= 1;
        if chunk >> 15 == 0 {
            self.chunk_index = 0; // a run repeats its one symbol
        }
        Some(symbol as u8)
    }
}

fn chunk_length(chunk: u16) -> u16 {
    match chunk >> 14 {
        0 | 1 => chunk & 0x1fff,
        2 => 14,
        _ => 7,
    }
}

impl Iterator for Feedback<'_> {
    type Item = (u16, Option<i64>);

    /// Ends early where deltas are missing or a status is reserved (3): what was read before is still true.
    fn next(&mut self) -> Option<(u16, Option<i64>)> {
        if self.left == 0 {
            return None;
        }
        let symbol = self.next_symbol()?;
        let steps = match symbol {
            NOT_RECEIVED => None,
            SMALL_DELTA => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i64::from(delta))
            }
            LARGE_DELTA => {
                let (delta, rest) = self.deltas.split_at_checked(2)?;
                self.deltas = rest;
                Some(i64::from(i16::from_be_bytes([delta[0], delta[1]])))
            }
            _ => {
                self.left = 0;
                return None;
            }
        };
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        self.left -= 1;
        let arrival = steps.map(|steps| {
            self.clock_us += steps * DELTA_US; // at most 65535 × 2^15 × 250 µs: far from overflow
            self.clock_us
        });
        Some((seq, arrival))
    }
}

#[cfg(test)]
#[path = "transport_feedback_tests.rs"]
mod tests;
