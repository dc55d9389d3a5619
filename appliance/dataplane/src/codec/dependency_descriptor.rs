//! Dependency descriptor header extension (AV1 RTP payload format, appendix A), read whole and written anew.
//!
//! It says of each frame, whatever the codec, what it depends on, which *decode targets* (combinations of a spatial and a
//! temporal layer) need it, and by *chains* whether the frames before it were all there. A forwarder needs nothing else to
//! leave layers out. What is written anew is the frame number, which must not jump when a receiver's source changes, and
//! which decode targets are still there, so that nobody waits for the others.

mod bits;
mod structure;

use bits::{Reader, Writer};
use structure::read_indications;
pub use structure::{MAX_SPATIAL, Structure};

/// Templates that a structure may hold: their ids have 6 bits.
const MAX_TEMPLATES: usize = 64;
/// Decode targets: their count has 5 bits.
const MAX_TARGETS: usize = 32;
/// Chains: no more than decode targets.
const MAX_CHAINS: usize = 32;
/// Frames that one frame may refer to: 7 in AV1, 3 in VP9, and one to spare. The format itself has no bound.
const MAX_FDIFFS: usize = 8;
/// An element of a header extension (RFC 8285 §4.3).
pub const MAX_LENGTH: usize = 255;
/// Bits before the extended fields.
const HEAD_BITS: usize = 24;
/// Flags at the begin of the extended fields.
const FLAGS: usize = 5;

/// Distances to the frames that a frame refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fdiffs {
    count: u8,
    values: [u16; MAX_FDIFFS],
}

impl Fdiffs {
    fn push(&mut self, fdiff: u16) -> Option<()> {
        *self.values.get_mut(usize::from(self.count))? = fdiff;
        self.count += 1;
        Some(())
    }

    /// Each of them, 1 or more.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.values[..usize::from(self.count)].iter().copied()
    }
}

/// The fields that every descriptor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// First packet of its frame.
    pub start_of_frame: bool,
    /// Last packet of its frame.
    pub end_of_frame: bool,
    /// Template of the frame.
    pub template_id: u8,
    /// Frame number modulo 2^16.
    pub frame_number: u16,
    /// Says that a structure follows, as on key frames.
    pub has_structure: bool,
}

impl Head {
    /// Reads it; None if the bytes end inside.
    pub fn parse_untrusted(bytes: &[u8]) -> Option<Head> {
        let &[flags, high, low, ..] = bytes else { return None };
        Some(Head {
            start_of_frame: flags & 0x80 != 0,
            end_of_frame: flags & 0x40 != 0,
            template_id: flags & 0x3f,
            frame_number: u16::from_be_bytes([high, low]),
            has_structure: bytes.get(3).is_some_and(|extended| extended & 0x80 != 0),
        })
    }
}

/// One frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Frame number modulo 2^16.
    pub number: u16,
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Decode targets that need it, as bits.
    pub present: u32,
    /// Decode targets that may be begun with it, as bits.
    pub switches: u32,
    /// What it refers to.
    pub fdiffs: Fdiffs,
    /// Of each chain, the distance to its frame before this one; 0 begins the chain.
    pub chains: [u8; MAX_CHAINS],
}

/// One packet's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What every packet says.
    pub head: Head,
    /// Decode targets that the sender still makes, as bits (target 0 is the lowest), if told.
    pub active_targets: Option<u32>,
    /// The frame.
    pub frame: Frame,
}

/// Reads a descriptor by the newest structure, which becomes the attached one if there is one. None, and the structure is
/// as it was, if the bytes end inside a field, the template is unknown, or a bound is passed.
pub fn parse_untrusted(bytes: &[u8], structure: &mut Structure) -> Option<Descriptor> {
    let head = Head::parse_untrusted(bytes)?;
    if bytes.len() * 8 <= HEAD_BITS {
        let frame = read_frame(&mut Reader::at(bytes, HEAD_BITS), &head, structure, [false; 3])?;
        return Some(Descriptor { head, active_targets: None, frame });
    }
    let mut bits = Reader::at(bytes, HEAD_BITS);
    let (attached, active) = (bits.flag()?, bits.flag()?);
    let customs = [bits.flag()?, bits.flag()?, bits.flag()?];
    let fresh = if attached { Some(Structure::read(&mut bits)?) } else { None };
    let known = fresh.as_ref().unwrap_or(structure);
    let targets = usize::from(known.target_count());
    let active_targets = if active { Some(bits.take(targets)?) } else { None };
    let frame = read_frame(&mut bits, &head, known, customs)?;
    if let Some(fresh) = fresh {
        *structure = fresh;
    }
    Some(Descriptor { head, active_targets, frame })
}

/// `frame_dependency_definition()`; `customs`: own indications, references, chains.
fn read_frame(
    bits: &mut Reader<'_>,
    head: &Head,
    structure: &Structure,
    customs: [bool; 3],
) -> Option<Frame> {
    let template = structure.template(head.template_id)?;
    let mut frame = Frame {
        number: head.frame_number,
        spatial: template.spatial,
        temporal: template.temporal,
        present: template.present,
        switches: template.switches,
        fdiffs: template.fdiffs,
        chains: template.chains,
    };
    if customs[0] {
        (frame.present, frame.switches) = read_indications(bits, structure.target_count())?;
    }
    if customs[1] {
        frame.fdiffs = Fdiffs::default();
        loop {
            let size = bits.take(2)? as usize;
            if size == 0 {
                break;
            }
            frame.fdiffs.push(bits.take(4 * size)? as u16 + 1)?;
        }
    }
    if customs[2] {
        for chain in &mut frame.chains[..usize::from(structure.chain_count())] {
            *chain = bits.take(8)? as u8;
        }
    }
    Some(frame)
}

/// Writes a descriptor with another frame number and, if given, which decode targets (bits, how many there are) are sent;
/// returns its length. None if it is malformed or does not fit.
pub fn rewrite(bytes: &[u8], frame_number: u16, active: Option<(u32, u8)>, out: &mut [u8]) -> Option<usize> {
    let head = Head::parse_untrusted(bytes)?;
    let copy = out.get_mut(..bytes.len())?;
    copy.copy_from_slice(bytes);
    copy[1..3].copy_from_slice(&frame_number.to_be_bytes());
    let Some((mask, count)) = active else { return Some(bytes.len()) };
    let mut from = Reader::at(bytes, HEAD_BITS);
    let flags = if bytes.len() * 8 > HEAD_BITS { from.take(FLAGS)? } else { 0 };
    let begins = from.position();
    let count = if head.has_structure { Structure::read(&mut from)?.target_count() } else { count };
    let structure_bits = from.position() - begins;
    let mut to = Writer::new(&mut out[HEAD_BITS / 8..]);
    to.put(flags | ACTIVE_TARGETS, FLAGS)?;
    to.copy(&mut Reader::at(bytes, begins), structure_bits)?;
    to.put(mask, usize::from(count))?;
    if flags & ACTIVE_TARGETS != 0 {
        from.take(usize::from(count))?;
    }
    let rest = (bytes.len() * 8).saturating_sub(from.position());
    to.copy(&mut from, rest)?;
    Some(HEAD_BITS / 8 + to.len()).filter(|length| *length <= MAX_LENGTH)
}

/// `active_decode_targets_present_flag` among the flags.
const ACTIVE_TARGETS: u32 = 0b01000;

#[cfg(test)]
mod tests;
