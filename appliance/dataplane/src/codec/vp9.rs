//! VP9 payload descriptor, RFC 9628 §4.2, as far as forwarding needs it.

use super::FrameInfo;

/// One packet's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// B: first packet of a frame (of one spatial layer).
    pub starts_frame: bool,
    /// E: last packet of a frame.
    pub ends_frame: bool,
    /// P: predicted from earlier pictures.
    pub inter_picture: bool,
    /// Picture id of 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Temporal layer.
    pub temporal: Option<u8>,
    /// Spatial layer.
    pub spatial: Option<u8>,
    /// U: up to this temporal layer may be switched here.
    pub switching_up: bool,
    /// D: predicted from the layer below in the same picture.
    pub inter_layer: bool,
    /// Z: no frame of a higher spatial layer refers to this one.
    pub not_reference_for_upper: bool,
    /// Running index of base-layer pictures (non-flexible mode).
    pub tl0_pic_idx: Option<u8>,
}

impl Descriptor {
    /// Read the descriptor at the head of `payload`; None if the payload ends inside it.
    pub fn parse_untrusted(payload: &[u8]) -> Option<Descriptor> {
        let &flags = payload.first()?;
        let mut descriptor = Descriptor {
            starts_frame: flags & 0x08 != 0,
            ends_frame: flags & 0x04 != 0,
            inter_picture: flags & 0x40 != 0,
            picture_id: None,
            temporal: None,
            spatial: None,
            switching_up: false,
            inter_layer: false,
            not_reference_for_upper: flags & 0x01 != 0,
            tl0_pic_idx: None,
        };
        let mut at = 1;
        if flags & 0x80 != 0 {
            let &high = payload.get(at)?;
            descriptor.picture_id = Some(if high & 0x80 != 0 {
                at += 1;
                u16::from_be_bytes([high & 0x7f, *payload.get(at)?])
            } else {
                u16::from(high)
            });
            at += 1;
        }
        if flags & 0x20 != 0 {
            let &layer = payload.get(at)?;
            descriptor.temporal = Some(layer >> 5);
            descriptor.switching_up = layer & 0x10 != 0;
            descriptor.spatial = Some((layer >> 1) & 7);
            descriptor.inter_layer = layer & 1 != 0;
            at += 1;
            if flags & 0x10 == 0 {
                descriptor.tl0_pic_idx = Some(*payload.get(at)?);
            }
        }
        Some(descriptor)
    }

    /// Frame facts. A picture starts with the lowest spatial layer; without P that is where decoders can start.
    pub fn info(&self) -> FrameInfo {
        let lowest = self.spatial.unwrap_or(0) == 0;
        let key_frame = self.starts_frame && !self.inter_picture && lowest;
        FrameInfo {
            key_frame,
            starts_frame: self.starts_frame && lowest,
            temporal: self.temporal,
            spatial: self.spatial,
            discardable: false,
            switching_point: key_frame || self.switching_up || self.temporal == Some(0),
        }
    }
}
