//! The mark in each payload: which stream, which packet, sent when. It stands behind the codec's own header, so that it
//! survives servers that rewrite RTP headers and payload descriptors.

use _dataplane::codec::vp8;

/// Bytes of a mark.
pub const LENGTH: usize = 24;
/// Bytes of the Opus table of contents (RFC 6716 §3.1).
const OPUS_HEAD: usize = 1;
/// Bytes of a VP8 frame header: frame tag, and in key frames start code and size (RFC 6386 §9.1).
const INTER_HEAD: usize = 3;
const KEY_HEAD: usize = 10;

const MAGIC: [u8; 4] = *b"PLYm";

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the stream in this run.
    pub stream: u32,
    /// Counts the packets of a stream from zero.
    pub sequence: u64,
    /// Microseconds of the wall clock when it was given to the socket.
    pub sent_us: u64,
}

impl Mark {
    /// Writes the mark at the front of `out`, which must have [`LENGTH`] bytes.
    pub fn write(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&self.stream.to_be_bytes());
        out[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        out[16..24].copy_from_slice(&self.sent_us.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
        let word = |at: usize| u64::from_be_bytes(*bytes[at..].first_chunk().expect("24 bytes"));
        (bytes[..4] == MAGIC).then(|| Self { stream: word(0) as u32, sequence: word(8), sent_us: word(16) })
    }

    /// The mark of an RTP payload of VP8; None if it has none, as padding.
    pub fn of_vp8(payload: &[u8]) -> Option<Self> {
        let descriptor = vp8::Descriptor::parse_untrusted(payload)?;
        let body = payload.get(descriptor.length..)?;
        let head = match (descriptor.starts_frame, body.first()?) {
            (false, _) => 0,
            (true, tag) if tag & 1 == 0 => KEY_HEAD, // P = 0 is a key frame
            (true, _) => INTER_HEAD,
        };
        Self::read(body.get(head..)?)
    }

    /// The mark of an RTP payload of Opus.
    pub fn of_opus(payload: &[u8]) -> Option<Self> {
        Self::read(payload.get(OPUS_HEAD..)?)
    }
}

/// Where a packet stands in its VP8 frame, for [`write_vp8_head`].
#[derive(Clone, Copy, Debug)]
pub struct Vp8Place {
    /// First packet of its frame.
    pub first: bool,
    /// The frame is a key frame.
    pub key: bool,
    /// Picture id, 15 bits.
    pub picture: u16,
    /// Running index of base-layer frames.
    pub tl0: u8,
}

/// Writes payload descriptor (RFC 7741 §4.2) and frame header at the front of `out`; returns their length.
pub fn write_vp8_head(out: &mut [u8], place: Vp8Place) -> usize {
    let [high, low] = (place.picture | 0x8000).to_be_bytes();
    // X, S; then I, L, T; picture id, TL0PICIDX, TID 0 with Y
    out[..6].copy_from_slice(&[0x80 | u8::from(place.first) << 4, 0xE0, high, low, place.tl0, 0x20]);
    if !place.first {
        return 6;
    }
    // RFC 6386 §9.1: P (0 in key frames), version 0, show_frame, 19 bits of first partition size
    let tag = u32::from(!place.key) | 1 << 4 | 500 << 5;
    out[6..9].copy_from_slice(&tag.to_le_bytes()[..3]);
    if !place.key {
        return 6 + INTER_HEAD;
    }
    out[9..12].copy_from_slice(&[0x9D, 0x01, 0x2A]);
    out[12..14].copy_from_slice(&1280u16.to_le_bytes());
    out[14..16].copy_from_slice(&720u16.to_le_bytes());
    6 + KEY_HEAD
}

/// Writes an Opus table of contents: CELT, fullband, 20 ms, mono, one frame. Returns its length.
pub fn write_opus_head(out: &mut [u8]) -> usize {
    out[0] = 31 << 3;
    OPUS_HEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_behind_every_head() {
        let mark = Mark { stream: 7, sequence: 1 << 40, sent_us: 1_764_000_000_000_000 };
        for (first, key) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut payload = [0u8; 64];
            let head = write_vp8_head(&mut payload, Vp8Place { first, key, picture: 0x7fff, tl0: 255 });
            mark.write(&mut payload[head..]);
            assert_eq!(Mark::of_vp8(&payload), Some(mark), "first {first}, key {key}");
            let info =
                _dataplane::codec::inspect_untrusted(_dataplane::codec::Codec::Vp8, &payload, None).unwrap();
            assert_eq!((info.starts_frame, info.key_frame), (first, first && key));
        }
        let mut payload = [0u8; 64];
        let head = write_opus_head(&mut payload);
        mark.write(&mut payload[head..]);
        assert_eq!(Mark::of_opus(&payload), Some(mark));
    }

    #[test]
    fn other_payloads_have_no_mark() {
        assert_eq!(Mark::of_vp8(&[]), None);
        assert_eq!(Mark::of_vp8(&[0x90, 0xE0, 0x80]), None);
        assert_eq!(Mark::of_vp8(&[0; 200]), None);
        assert_eq!(Mark::of_opus(&[0xF8, b'P', b'L']), None);
    }
}
