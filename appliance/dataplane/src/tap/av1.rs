//! An AV1 temporal unit from its packets (RTP payload format for AV1, v1.0 §4): the OBUs in the low-overhead form, each with
//! its size, without temporal delimiters.

use super::frame::Finished;
use crate::wire::Malformed;

// AV1 bitstream specification §6.2.2
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// The temporal unit that is being put together.
#[derive(Default)]
pub struct Av1 {
    /// An OBU whose last fragment is not here yet.
    fragment: Option<Vec<u8>>,
    sequence: bool,
    /// The sequence is of still pictures, whose headers say nothing of their type.
    still: bool,
    /// Whether the first frame is a key frame; None before it.
    key: Option<bool>,
}

impl Av1 {
    /// Forgets what there is.
    pub fn begin(&mut self) {
        *self = Self::default();
    }

    /// Bytes of the OBU whose end is not here yet.
    pub fn pending(&self) -> usize {
        self.fragment.as_ref().map_or(0, Vec::len)
    }

    /// Takes the next packet's payload. §4.4: `|Z|Y|W W|N|-|-|-|`, then OBU elements.
    pub fn push_untrusted(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let (&aggregation, mut rest) = payload.split_first().ok_or(Malformed("empty AV1 payload"))?;
        let (continues, goes_on) = (aggregation & 0x80 != 0, aggregation & 0x40 != 0);
        let count = aggregation >> 4 & 3;
        if continues != self.fragment.is_some() {
            return Err(Malformed("AV1 fragment without the one before it"));
        }
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            // W elements, the last of which has no length; or, for 0, any number and each has
            let length = if index == count { rest.len() } else { leb128_untrusted(&mut rest)? };
            let (element, behind) =
                rest.split_at_checked(length).ok_or(Malformed("AV1 element past the end"))?;
            rest = behind;
            let mut whole = self.fragment.take();
            if goes_on && rest.is_empty() {
                whole.get_or_insert_default().extend_from_slice(element);
                self.fragment = whole;
                return if count == 0 || index == count { Ok(()) } else { Err(MISSING) };
            }
            match whole {
                Some(mut whole) => {
                    whole.extend_from_slice(element);
                    self.obu(&whole, out)?;
                }
                None => self.obu(element, out)?,
            }
        }
        if goes_on || (count != 0 && index != count) || index == 0 { Err(MISSING) } else { Ok(()) }
    }

    fn obu(&mut self, obu: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let cut = Malformed("AV1 OBU past the end");
        let &header = obu.first().ok_or(Malformed("empty AV1 OBU"))?;
        if header & 0x80 != 0 {
            return Err(Malformed("forbidden bit of an AV1 OBU"));
        }
        let (kind, head) = (header >> 3 & 15, if header & 0x04 != 0 { 2 } else { 1 });
        let mut body = obu.get(head..).ok_or(cut)?;
        if header & 0x02 != 0 {
            let size = leb128_untrusted(&mut body)?;
            body = body.get(..size).ok_or(cut)?;
        }
        match kind {
            TEMPORAL_DELIMITER | TILE_LIST | PADDING => return Ok(()),
            SEQUENCE_HEADER => {
                self.sequence = true;
                // §5.5.1: seq_profile (3), still_picture, reduced_still_picture_header
                self.still = body.first().ok_or(cut)? & 0x08 != 0;
            }
            FRAME | FRAME_HEADER => {
                // §5.9.2: show_existing_frame, frame_type (2)
                let key = self.still || body.first().ok_or(cut)? & 0xe0 == 0;
                self.key.get_or_insert(key);
            }
            _ => {}
        }
        out.push(header | 0x02);
        out.extend_from_slice(&obu[1..head]);
        let mut size = body.len();
        while size > 0x7f {
            out.push(size as u8 | 0x80);
            size >>= 7;
        }
        out.push(size as u8);
        out.extend_from_slice(body);
        Ok(())
    }

    /// What the temporal unit is. Key frames of real time come with their sequence header.
    pub fn finish(&self) -> Result<Finished, Malformed> {
        match self.key {
            _ if self.fragment.is_some() => Err(Malformed("AV1 fragment without the one behind it")),
            None => Ok(Finished::Nothing),
            Some(key) => Ok(if key && self.sequence { Finished::Key } else { Finished::Delta }),
        }
    }
}

const MISSING: Malformed = Malformed("fewer AV1 elements than announced");

/// AV1 bitstream specification §4.10.5, as far as a packet's length goes; moves `bytes` on.
fn leb128_untrusted(bytes: &mut &[u8]) -> Result<usize, Malformed> {
    let mut value = 0;
    for place in 0..8 {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed("AV1 length past the end"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| Malformed("AV1 length past the end"));
        }
    }
    Err(Malformed("AV1 length of more than eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(packets: &[&[u8]]) -> Result<(Finished, Vec<u8>), Malformed> {
        let (mut form, mut out) = (Av1::default(), Vec::new());
        packets.iter().try_for_each(|packet| form.push_untrusted(packet, &mut out))?;
        form.finish().map(|finished| (finished, out))
    }

    #[test]
    fn obus_get_their_sizes_and_delimiters_go() {
        // N, W = 3: a delimiter, a sequence header, a key frame
        let first = [0x38, 1, 0x10, 3, 0x08, 0, 9, 0x30, 0x10, 7];
        let expected = vec![0x0A, 2, 0, 9, 0x32, 2, 0x10, 7];
        assert_eq!(unit(&[&first]), Ok((Finished::Key, expected.clone())));
        // the same with lengths everywhere, and a size in the OBU already
        let sized = [0x08, 2, 0x12, 0, 4, 0x0A, 2, 0, 9, 3, 0x30, 0x10, 7];
        assert_eq!(unit(&[&sized]), Ok((Finished::Key, expected)));
        assert_eq!(unit(&[&[0x10, 0x30, 0x30]]), Ok((Finished::Delta, vec![0x32, 1, 0x30])));
        assert_eq!(unit(&[&[0x10, 0x30, 0x10]]).unwrap().0, Finished::Delta, "without a sequence header");
        assert_eq!(unit(&[&[0x18, 0x08, 0]]).unwrap().0, Finished::Nothing);
        assert_eq!(unit(&[&[0x10, 0x34, 0x20, 0x30]]), Ok((Finished::Delta, vec![0x36, 0x20, 1, 0x30])));
    }

    #[test]
    fn fragments_over_three_packets() {
        let long = [3; 200];
        let first = [&[0x68, 2, 0x08, 0, 0x30, 0x10][..], &long].concat();
        let second = [&[0xD0][..], &long].concat();
        let third = [&[0xA0, 1, 5][..], &[0x20, 0x30]].concat(); // ends it, and a tile group
        let (finished, out) = unit(&[&first, &second, &third]).unwrap();
        assert_eq!((finished, &out[..6]), (Finished::Key, &[0x0A, 1, 0, 0x32, 0x92, 0x03][..])); // 402
        assert_eq!((out.len(), &out[out.len() - 4..]), (6 + 402 + 3, &[5, 0x22, 1, 0x30][..]));
    }

    #[test]
    fn what_is_cut_is_refused() {
        let refused: [&[&[u8]]; 11] = [
            &[&[]],
            &[&[0x10]],
            &[&[0x00]],
            &[&[0x20, 5, 0x30]],
            &[&[0x20, 1, 0x30]],
            &[&[0x90, 0x30]],
            &[&[0x50, 0x30]],
            &[&[0x50, 0x30], &[0x10, 0x30]],
            &[&[0x10, 0x32, 9, 1]],
            &[&[0x10, 0x34]],
            &[&[0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]],
        ];
        for packets in refused {
            assert!(unit(packets).is_err(), "{packets:?}");
        }
        assert!(unit(&[&[0x10, 0xB0, 1]]).is_err());
    }
}
