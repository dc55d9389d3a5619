//! What forwarding must know of a video payload: key frames, layers, and the counters that a switch must keep continuous.
//!
//! Owns the payload descriptors of RTP payload formats; refuses to know packets around them. Everything here reads bytes
//! of a stranger: malformed means None or "not a key frame", never a panic.

pub mod dependency_descriptor;
pub mod h264;
pub mod vp8;
pub mod vp9;

use dependency_descriptor::DependencyDescriptor;

/// Payload formats that forwarding tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 7587.
    Opus,
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
            Some("vp8") => Codec::Vp8,
            Some("vp9") => Codec::Vp9,
            Some("h264") => Codec::H264,
            Some("av1") => Codec::Av1,
            _ => Codec::Other,
        }
    }
}

/// What one packet says of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// The packet begins a key frame: a decoder can start here.
    pub key_frame: bool,
    /// The packet is the first of its frame. H.264 tells it for key frames only.
    pub starts_frame: bool,
    /// Temporal layer, where told.
    pub temporal: Option<u8>,
    /// Spatial layer, where told (VP9 SVC).
    pub spatial: Option<u8>,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// From this frame on, frames of its temporal layer may be forwarded (an up-switch point).
    pub switching_point: bool,
}

/// Read the payload of one RTP packet, with its dependency descriptor extension if it has one. None if malformed.
pub fn inspect_untrusted(codec: Codec, payload: &[u8], dd: Option<&[u8]>) -> Option<FrameInfo> {
    match codec {
        Codec::Vp8 => vp8::Descriptor::parse_untrusted(payload).map(|d| d.info(payload)),
        Codec::Vp9 => vp9::Descriptor::parse_untrusted(payload).map(|d| d.info()),
        Codec::H264 => h264::inspect_untrusted(payload),
        Codec::Av1 => inspect_av1_untrusted(payload, dd),
        Codec::Opus | Codec::Other => Some(FrameInfo {
            key_frame: true,
            starts_frame: true,
            switching_point: true,
            ..FrameInfo::default()
        }),
    }
}

/// AV1 payload format §4.4: `|Z|Y|W W|N|-|-|-|`; N marks the first packet of a coded video sequence.
fn inspect_av1_untrusted(payload: &[u8], dd: Option<&[u8]>) -> Option<FrameInfo> {
    let &aggregation = payload.first()?;
    let (continues, new_sequence) = (aggregation & 0x80 != 0, aggregation & 0x08 != 0);
    if continues && new_sequence {
        return None; // §4.4: Z must be 0 when N is 1
    }
    let mut info = FrameInfo { key_frame: new_sequence, starts_frame: !continues, ..FrameInfo::default() };
    if let Some(dd) = dd.and_then(DependencyDescriptor::parse_untrusted) {
        info.starts_frame = dd.start_of_frame;
        // N on a packet within a frame contradicts the descriptor: a decoder cannot start there
        info.key_frame = dd.start_of_frame && (new_sequence || dd.structure.is_some());
    }
    info.switching_point = info.key_frame;
    Some(info)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
