//! An H.264 access unit from its packets (RFC 6184): NAL units behind start codes (H.264 annex B). What the last key frame's
//! decoder was set up with is kept, for key frames that come without it.

use super::frame::Finished;
use crate::wire::Malformed;

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const AUD: u8 = 9;
const LAST_SINGLE: u8 = 23;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Bytes kept of parameter sets; encoders send one of each, of some tens of bytes.
const MAX_PARAMETERS: usize = 4096;

/// What an access unit has.
#[derive(Clone, Copy, Default)]
struct Has {
    slice: bool,
    idr: bool,
    sps: bool,
    pps: bool,
}

/// The access unit that is being put together, and the parameter sets of those before.
#[derive(Default)]
pub struct H264 {
    has: Has,
    /// A NAL unit of this type is in fragments, the last of which is not here yet.
    open: Option<u8>,
    /// Where that one begins in the output.
    opened_at: usize,
    sps: Vec<u8>,
    pps: Vec<u8>,
}

impl H264 {
    /// Forgets what there is of an access unit.
    pub fn begin(&mut self) {
        (self.has, self.open) = (Has::default(), None);
    }

    /// Takes the next packet's payload.
    pub fn push_untrusted(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let &indicator = payload.first().ok_or(Malformed("empty H.264 payload"))?;
        let kind = indicator & 0x1f;
        if self.open.is_some() && kind != FU_A {
            return Err(Malformed("H.264 fragment without its last packet"));
        }
        match kind {
            1..=LAST_SINGLE => self.unit(payload, out),
            STAP_A => {
                let mut units = &payload[1..];
                while !units.is_empty() {
                    let cut = Malformed("H.264 aggregate past the end");
                    let (size, rest) = units.split_at_checked(2).ok_or(cut)?;
                    let size = usize::from(u16::from_be_bytes([size[0], size[1]]));
                    let (unit, rest) = rest.split_at_checked(size).ok_or(cut)?;
                    self.unit(unit, out)?;
                    units = rest;
                }
                Ok(())
            }
            FU_A => self.fragment(indicator, &payload[1..], out),
            _ => Err(Malformed("H.264 payload of the interleaved mode, which is not negotiated")),
        }
    }

    /// §5.8: indicator, then `S|E|R|type`, then a part of the unit.
    fn fragment(&mut self, indicator: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let (&header, part) = payload.split_first().ok_or(Malformed("H.264 fragment past the end"))?;
        let (kind, first, last) = (header & 0x1f, header & 0x80 != 0, header & 0x40 != 0);
        if first != self.open.is_none() || self.open.is_some_and(|open| open != kind) || first && last {
            return Err(Malformed("H.264 fragment out of place"));
        }
        if first {
            self.opened_at = out.len();
            out.extend_from_slice(&START_CODE);
            out.push(indicator & 0xe0 | kind);
            self.open = Some(kind);
        }
        out.extend_from_slice(part);
        if last {
            self.open = None;
            if !self.takes(&out[self.opened_at + START_CODE.len()..])? {
                out.truncate(self.opened_at);
            }
        }
        Ok(())
    }

    fn unit(&mut self, unit: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        if self.takes(unit)? {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(unit);
        }
        Ok(())
    }

    /// Takes in what a NAL unit is; whether it belongs into the file.
    fn takes(&mut self, unit: &[u8]) -> Result<bool, Malformed> {
        let &header = unit.first().ok_or(Malformed("empty H.264 NAL unit"))?;
        if header & 0x80 != 0 {
            return Err(Malformed("forbidden bit of an H.264 NAL unit"));
        }
        let kind = header & 0x1f;
        match kind {
            0 | STAP_A.. => return Err(Malformed("H.264 NAL unit within another")),
            SLICE..=IDR => {
                self.has.slice = true;
                self.has.idr |= kind == IDR;
            }
            SPS => keep(&mut self.sps, unit, &mut self.has.sps)?,
            PPS => keep(&mut self.pps, unit, &mut self.has.pps)?,
            _ => {}
        }
        Ok(kind != AUD)
    }

    /// What the access unit is; a key frame gets what its decoder needs.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Finished, Malformed> {
        if self.open.is_some() {
            return Err(Malformed("H.264 fragment without its last packet"));
        }
        let has = self.has;
        if !has.slice {
            return Ok(Finished::Nothing);
        }
        if !has.idr || self.sps.is_empty() || self.pps.is_empty() {
            return Ok(Finished::Delta);
        }
        if !has.sps || !has.pps {
            out.splice(0..0, self.sps.iter().chain(&self.pps).copied());
        }
        Ok(Finished::Key)
    }
}

/// Keeps a parameter set, beside those of the same access unit, in place of older ones.
fn keep(kept: &mut Vec<u8>, unit: &[u8], has: &mut bool) -> Result<(), Malformed> {
    if !*has {
        kept.clear();
        kept.shrink_to(MAX_PARAMETERS);
    }
    *has = true;
    if kept.len() + unit.len() > MAX_PARAMETERS {
        return Err(Malformed("H.264 parameter sets of more than 4 KiB"));
    }
    kept.extend_from_slice(&START_CODE);
    kept.extend_from_slice(unit);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(form: &mut H264, packets: &[&[u8]]) -> Result<(Finished, Vec<u8>), Malformed> {
        let mut out = Vec::new();
        form.begin();
        packets.iter().try_for_each(|packet| form.push_untrusted(packet, &mut out))?;
        form.finish(&mut out).map(|finished| (finished, out))
    }

    const AGGREGATE: [u8; 11] = [24, 0, 3, 0x67, 0x42, 0xE0, 0, 3, 0x68, 1, 2];
    const SETS: [u8; 14] = [0, 0, 0, 1, 0x67, 0x42, 0xE0, 0, 0, 0, 1, 0x68, 1, 2];

    #[test]
    fn aggregates_fragments_and_single_units() {
        let fragments: [&[u8]; 3] = [&[0x7C, 0x85, 1, 2], &[0x7C, 0x05, 3], &[0x7C, 0x45, 4]];
        let mut form = H264::default();
        let packets = [&AGGREGATE[..], fragments[0], fragments[1], fragments[2], &[0x41, 9]];
        let expected = [&SETS[..], &[0, 0, 0, 1, 0x65, 1, 2, 3, 4], &[0, 0, 0, 1, 0x41, 9]].concat();
        assert_eq!(unit(&mut form, &packets), Ok((Finished::Key, expected)));
        assert_eq!(unit(&mut form, &[&[0x41, 7]]), Ok((Finished::Delta, vec![0, 0, 0, 1, 0x41, 7])));
        // a delimiter goes; a key frame without parameter sets gets those of the one before
        let expected = [&SETS[..], &[0, 0, 0, 1, 0x65, 8]].concat();
        assert_eq!(unit(&mut form, &[&[0x09, 0xF0], &[0x65, 8]]), Ok((Finished::Key, expected)));
    }

    #[test]
    fn parameter_sets_apart_are_no_picture_and_are_kept() {
        let mut form = H264::default();
        assert_eq!(unit(&mut form, &[&[0x65, 8]]).unwrap().0, Finished::Delta, "nothing can decode it");
        assert_eq!(unit(&mut form, &[&AGGREGATE]).unwrap().0, Finished::Nothing);
        assert_eq!(unit(&mut form, &[&[0x65, 8]]).unwrap().0, Finished::Key);
        let other: [&[u8]; 3] = [&[0x67, 7], &[0x68, 8], &[0x65, 9]];
        let expected = [0, 0, 0, 1, 0x67, 7, 0, 0, 0, 1, 0x68, 8, 0, 0, 0, 1, 0x65, 9];
        assert_eq!(unit(&mut form, &other), Ok((Finished::Key, expected.to_vec())));
        let again = [&expected[..12], &[0, 0, 0, 1, 0x65, 1]].concat();
        assert_eq!(unit(&mut form, &[&[0x65, 1]]), Ok((Finished::Key, again)));
    }

    #[test]
    fn what_is_cut_or_nested_is_refused() {
        let refused: [&[&[u8]]; 10] = [
            &[&[]],
            &[&[24, 0, 9, 0x67]],
            &[&[24, 0, 0]],
            &[&[0x7C]],
            &[&[0x7C, 0x05, 3]],
            &[&[0x7C, 0x85, 1]],
            &[&[0x7C, 0x85, 1], &[0x41, 9]],
            &[&[0x7C, 0x85, 1], &[0x7C, 0x85, 1]],
            &[&[0x7C, 0x85, 1], &[0x7C, 0x41, 1]],
            &[&[25, 0, 0, 0, 1, 0x67]],
        ];
        for packets in refused {
            assert!(unit(&mut H264::default(), packets).is_err(), "{packets:?}");
        }
        assert!(unit(&mut H264::default(), &[&[24, 0, 3, 24, 0, 0]]).is_err());
        assert!(unit(&mut H264::default(), &[&[0xE5, 1]]).is_err());
        assert!(unit(&mut H264::default(), &[&[&[0x67][..], &[1; 5000]].concat()]).is_err());
    }
}
