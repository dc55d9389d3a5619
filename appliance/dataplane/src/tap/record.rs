//! One record of a journal: a header of 40 bytes, little-endian, and a payload.
//!
//! ```text
//! magic u32 | crc u32 | length u32 | kind u8 | codec u8 | flags u8 | layer u8 | generation u32 | at_us i64 | rtp i64 | clock_rate u32
//! ```
//!
//! The checksum is of everything behind it. `appliance/recorder/journal.py` reads this.

use crc32fast::Hasher;

use crate::codec::Codec;

/// "PRJ1".
pub const MAGIC: u32 = 0x314A_5250;
/// Bytes before the payload.
pub const HEADER: usize = 40;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A frame, in the payload.
    Frame = 1,
    /// The NTP time, in the payload, of an RTP timestamp, by a sender report.
    Clock = 2,
    /// Frames were lost before what follows.
    Gap = 3,
    /// The track is muted from here on.
    Muted = 4,
    /// And is not any more.
    Unmuted = 5,
}

/// A decoder can start here.
pub const KEY: u8 = 1;
/// Comes after a loss: cannot be decoded until the next key frame.
pub const AFTER_LOSS: u8 = 1 << 1;
/// Two bits above: quarter turns, clockwise, that the picture needs to stand upright (3GPP TS 26.114 §7.4.5).
pub const ROTATION_SHIFT: u8 = 2;

/// A record before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it says.
    pub kind: Kind,
    /// Of the frame.
    pub codec: Option<Codec>,
    /// `KEY`, `AFTER_LOSS`, rotation.
    pub flags: u8,
    /// Simulcast layer.
    pub layer: u8,
    /// How often the layer's numbering began anew.
    pub generation: u32,
    /// Arrival, microseconds since the Unix epoch.
    pub at_us: i64,
    /// RTP timestamp, unwrapped within (layer, generation).
    pub rtp: i64,
    /// Hz of `rtp`.
    pub clock_rate: u32,
    /// At most [`super::frame::MAX_FRAME`] bytes.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// The bytes before the payload.
    pub fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC.to_le_bytes());
        header[8..12].copy_from_slice(&(self.payload.len() as u32).to_le_bytes());
        header[12..16].copy_from_slice(&[
            self.kind as u8,
            self.codec.map_or(0, number),
            self.flags,
            self.layer,
        ]);
        header[16..20].copy_from_slice(&self.generation.to_le_bytes());
        header[20..28].copy_from_slice(&self.at_us.to_le_bytes());
        header[28..36].copy_from_slice(&self.rtp.to_le_bytes());
        header[36..40].copy_from_slice(&self.clock_rate.to_le_bytes());
        let mut checksum = Hasher::new();
        checksum.update(&header[8..]);
        checksum.update(self.payload);
        header[4..8].copy_from_slice(&checksum.finalize().to_le_bytes());
        header
    }

    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        HEADER + self.payload.len()
    }

    /// Never: there is a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Of a codec in the journal; 0 is none.
fn number(codec: Codec) -> u8 {
    match codec {
        Codec::Opus | Codec::Red => 1,
        Codec::Vp8 => 2,
        Codec::Vp9 => 3,
        Codec::H264 => 4,
        Codec::Av1 => 5,
        Codec::Other => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_by_hand() {
        let record = Record {
            kind: Kind::Frame,
            codec: Some(Codec::Vp8),
            flags: KEY | 3 << ROTATION_SHIFT,
            layer: 2,
            generation: 7,
            at_us: 1_700_000_000_000_001,
            rtp: -5,
            clock_rate: 90_000,
            payload: b"frame",
        };
        let header = record.header();
        assert_eq!(&header[..4], b"PRJ1");
        assert_eq!(header[8..20], [5, 0, 0, 0, 1, 2, 13, 2, 7, 0, 0, 0]);
        assert_eq!(header[20..28], 1_700_000_000_000_001_i64.to_le_bytes());
        assert_eq!((header[28], header[35], &header[36..]), (0xfb, 0xff, &90_000_u32.to_le_bytes()[..]));
        let covered = [&header[8..], b"frame"].concat();
        assert_eq!(header[4..8], crc32fast::hash(&covered).to_le_bytes());
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926, "the CRC-32 of zlib");
    }
}
