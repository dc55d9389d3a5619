//! What forwarding must know of a video payload: key frames, layers, and the counters that a switch must keep continuous.
//!
//! Owns the payload descriptors of RTP payload formats; refuses to know packets around them. Everything here reads bytes
//! of a stranger: malformed means None or "not a key frame", never a panic.

pub mod dependency_descriptor;
pub mod h264;
pub mod red;
pub mod vp8;
pub mod vp9;

use dependency_descriptor::Head;

/// Payload formats that forwarding tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// Opus in redundant blocks, RFC 2198.
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RTP payload format for AV1 (AOM, v1.0).
    Av1,
    /// Forwarded without a look inside.
    Other,
}

impl Codec {
    /// From the first part of a format string, as "vp9/0" or "h264/42e01f/1".
    pub fn from_format(format: &str) -> Codec {
        match format.split('/').next() {
            Some("opus") => Codec::Opus,
            Some("red") => Codec::Red,
            Some("vp8") => Codec::Vp8,
            Some("vp9") => Codec::Vp9,
            Some("h264") => Codec::H264,
            Some("av1") => Codec::Av1,
            _ => Codec::Other,
        }
    }

    /// Every packet is a beginning, and none is repaired.
    pub fn is_sound(self) -> bool {
        matches!(self, Codec::Opus | Codec::Red)
    }
}

/// What one packet says of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// The packet begins a key frame: a decoder can start here.
    pub key_frame: bool,
    /// The packet is the first of its frame. H.264 tells it for key frames only.
    pub starts_frame: bool,
    /// The packet is the last of its frame, which is one spatial layer of a picture. VP9 and descriptors tell it.
    pub ends_frame: bool,
    /// Temporal layer, where told.
    pub temporal: Option<u8>,
    /// Spatial layer, where told (VP9 SVC).
    pub spatial: Option<u8>,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// From this frame on, frames of its temporal layer may be forwarded (an up-switch point).
    pub switching_point: bool,
    /// Refers to pictures before it (VP9).
    pub inter_picture: bool,
    /// No frame of a higher spatial layer refers to this one (VP9).
    pub not_for_upper: bool,
    /// Number of the frame by its dependency descriptor.
    pub number: Option<u16>,
}

/// Of a packet that is a frame by itself.
const WHOLE: FrameInfo = FrameInfo {
    key_frame: true,
    starts_frame: true,
    temporal: None,
    spatial: None,
    discardable: false,
    switching_point: true,
    ends_frame: true,
    inter_picture: false,
    not_for_upper: false,
    number: None,
};

/// Read the payload of one RTP packet, with its dependency descriptor extension if it has one. None if malformed. Layers
/// that only the descriptor's templates tell are not filled in.
pub fn inspect_untrusted(codec: Codec, payload: &[u8], dd: Option<&[u8]>) -> Option<FrameInfo> {
    let head = dd.and_then(Head::parse_untrusted);
    let info = match codec {
        Codec::Vp8 => vp8::Descriptor::parse_untrusted(payload)?.info(payload),
        Codec::Vp9 => vp9::Descriptor::parse_untrusted(payload)?.info(),
        Codec::H264 => h264::inspect_untrusted(payload)?,
        Codec::Av1 => inspect_av1_untrusted(payload, head)?,
        Codec::Red => return red::Headers::parse_untrusted(payload).map(|_| WHOLE),
        Codec::Opus | Codec::Other => return Some(WHOLE),
    };
    Some(match head {
        Some(head) => FrameInfo { number: Some(head.frame_number), ends_frame: head.end_of_frame, ..info },
        None => info,
    })
}

/// AV1 payload format §4.4: `|Z|Y|W W|N|-|-|-|`; N marks the first packet of a coded video sequence.
fn inspect_av1_untrusted(payload: &[u8], dd: Option<Head>) -> Option<FrameInfo> {
    let &aggregation = payload.first()?;
    let (continues, new_sequence) = (aggregation & 0x80 != 0, aggregation & 0x08 != 0);
    if continues && new_sequence {
        return None; // §4.4: Z must be 0 when N is 1
    }
    let mut info = FrameInfo { key_frame: new_sequence, starts_frame: !continues, ..FrameInfo::default() };
    if let Some(dd) = dd {
        info.starts_frame = dd.start_of_frame;
        // N on a packet within a frame contradicts the descriptor: a decoder cannot start there
        info.key_frame = dd.start_of_frame && (new_sequence || dd.has_structure);
    }
    info.switching_point = info.key_frame;
    Some(info)
}

/// Whether a packet is the first one of its picture for sure, whatever was lost before it.
pub fn begins_for_sure(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => vp8::Descriptor::parse_untrusted(payload).is_some_and(|d| d.starts_frame),
        Codec::Vp9 => vp9::Descriptor::parse_untrusted(payload)
            .is_some_and(|d| d.starts_frame && d.spatial.unwrap_or(0) == 0),
        Codec::H264 => h264::starts_access_unit(payload),
        Codec::Av1 => payload.first().is_some_and(|aggregation| aggregation & 0x88 == 0x08),
        Codec::Opus | Codec::Red | Codec::Other => false,
    }
}

/// Picture id and TL0PICIDX of a payload whose format has them; without the latter it is 0.
pub fn counters(codec: Codec, payload: &[u8]) -> Option<(u16, u8)> {
    let (picture_id, tl0_pic_idx) = match codec {
        Codec::Vp8 => vp8::Descriptor::parse_untrusted(payload).map(|d| (d.picture_id, d.tl0_pic_idx))?,
        Codec::Vp9 => vp9::Descriptor::parse_untrusted(payload).map(|d| (d.picture_id, d.tl0_pic_idx))?,
        _ => return None,
    };
    Some((picture_id?, tl0_pic_idx.unwrap_or(0)))
}

/// Adds to the counters in place, in the width that the sender chose; returns what they are then.
pub fn shift_counters(codec: Codec, payload: &mut [u8], picture: u16, tl0: u8) -> Option<(u16, u8)> {
    let (before, tl0_before) = counters(codec, payload)?;
    let (picture, tl0) = (before.wrapping_add(picture), tl0_before.wrapping_add(tl0));
    match codec {
        Codec::Vp8 => vp8::Descriptor::parse_untrusted(payload)?.rewrite(payload, picture, tl0),
        _ => vp9::Descriptor::parse_untrusted(payload)?.rewrite(payload, picture, tl0),
    }
    Some((picture, tl0))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
