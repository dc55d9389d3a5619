//! Bits of a descriptor, most significant first: read within bounds, written within bounds.

/// Reads bits; None past the end.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From a bit on.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next bit to be read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// `f(n)`: an unsigned number of at most 32 bits.
    pub(super) fn take(&mut self, count: usize) -> Option<u32> {
        if self.at + count > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bytes[self.at / 8] >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// `f(1)` as a flag.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// `ns(n)`: a number below `limit` (AV1 specification §4.10.7).
    pub(super) fn below(&mut self, limit: u32) -> Option<u32> {
        let width = (u32::BITS - limit.leading_zeros()) as usize;
        let short = (1u32 << width) - limit;
        let value = self.take(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        let extra = self.take(1)?;
        Some((value << 1) - short + extra)
    }
}

/// Writes bits; None past the end.
pub(super) struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// From the first bit on; what is there before is overwritten bytewise.
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// `f(n)`.
    pub(super) fn put(&mut self, value: u32, count: usize) -> Option<()> {
        for shift in (0..count).rev() {
            let byte = self.bytes.get_mut(self.at / 8)?;
            if self.at.is_multiple_of(8) {
                *byte = 0;
            }
            *byte |= ((value >> shift & 1) as u8) << (7 - self.at % 8);
            self.at += 1;
        }
        Some(())
    }

    /// Copies bits.
    pub(super) fn copy(&mut self, from: &mut Reader<'_>, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| {
            let bit = from.take(1)?;
            self.put(bit, 1)
        })
    }

    /// Bytes written; the last one ends in zeros.
    pub(super) fn len(&self) -> usize {
        self.at.div_ceil(8)
    }
}
