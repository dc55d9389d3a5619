//! Packet indices per SSRC: the roll-over estimate of RFC 3711 §3.3.1 and a replay window (§3.3.2).

use super::{MAX_SSRCS, SrtpError};

/// Words of the window's ring. 1024 bits, as browsers use: RTX bursts and reordering at some 1000 packets a second stay
/// inside; the RFC asks for at least 64.
const WORDS: usize = 16;
/// Packets behind the newest that are still told apart. One word of the ring is always in the making (RFC 6479 §2).
pub(super) const WINDOW: u64 = (WORDS as u64 - 1) * 64;

/// State of one SSRC. The bitmap is the ring of RFC 6479: nothing is shifted when the window moves.
#[derive(Clone, Debug)]
struct Window {
    /// Largest authentic index.
    newest: u64,
    seen: [u64; WORDS],
}

impl Window {
    fn first(index: u64) -> Window {
        let mut window = Window { newest: index, seen: [0; WORDS] };
        window.set(index);
        window
    }

    fn set(&mut self, index: u64) {
        self.seen[(index / 64) as usize % WORDS] |= 1 << (index % 64);
    }

    fn is_fresh(&self, index: u64) -> bool {
        index > self.newest
            || self.newest - index < WINDOW
                && self.seen[(index / 64) as usize % WORDS] & 1 << (index % 64) == 0
    }

    fn mark(&mut self, index: u64) {
        if index > self.newest {
            let steps = (index / 64 - self.newest / 64).min(WORDS as u64);
            for step in 1..=steps {
                self.seen[(self.newest / 64 + step) as usize % WORDS] = 0;
            }
            self.newest = index;
        }
        self.set(index);
    }
}

/// SSRC → window; a slot, once given, stays. Scanned linearly: a session has a handful, and the last one found is tried
/// first, since packets come in runs.
#[derive(Debug)]
pub(super) struct SsrcTable {
    ssrcs: Vec<u32>,
    windows: Vec<Window>,
    last: usize,
}

impl SsrcTable {
    pub(super) fn new() -> SsrcTable {
        SsrcTable { ssrcs: Vec::new(), windows: Vec::new(), last: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.ssrcs.len() >= MAX_SSRCS
    }

    #[inline]
    pub(super) fn find(&mut self, ssrc: u32) -> Option<usize> {
        if self.ssrcs.get(self.last) != Some(&ssrc) {
            self.last = self.ssrcs.iter().position(|&known| known == ssrc)?;
        }
        Some(self.last)
    }

    /// The index that a sequence number most likely stands for: the one nearest to the newest (RFC 3711 §3.3.1, appendix
    /// A). Nothing lies before the first turn of the roll-over counter: there, as in libsrtp, a number that seems to is a
    /// jump ahead.
    #[inline]
    pub(super) fn guess(&self, slot: Option<usize>, sequence: u16) -> u64 {
        let Some(slot) = slot else { return u64::from(sequence) };
        let newest = self.windows[slot].newest;
        let step = sequence.wrapping_sub(newest as u16) as i16;
        newest.checked_add_signed(i64::from(step)).unwrap_or(u64::from(sequence))
    }

    #[inline]
    pub(super) fn check(&self, slot: Option<usize>, index: u64) -> Result<(), SrtpError> {
        match slot {
            Some(slot) if !self.windows[slot].is_fresh(index) => Err(SrtpError::Replay),
            _ => Ok(()),
        }
    }

    /// Next unused index of a sender that counts by itself.
    pub(super) fn next(&self, slot: Option<usize>) -> u64 {
        slot.map_or(0, |slot| self.windows[slot].newest + 1)
    }

    /// Remembers an authentic (or just sent) index.
    #[inline]
    pub(super) fn mark(&mut self, slot: Option<usize>, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        match slot {
            Some(slot) => self.windows[slot].mark(index),
            None if self.is_full() => return Err(SrtpError::TooManySsrcs),
            None => {
                self.last = self.ssrcs.len();
                self.ssrcs.push(ssrc);
                self.windows.push(Window::first(index));
            }
        }
        Ok(())
    }
}
