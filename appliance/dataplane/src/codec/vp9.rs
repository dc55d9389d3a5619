//! VP9 payload descriptor, RFC 9628 §4.2, as far as forwarding needs it: read, and its counters rewritten in place when a
//! consumer changes its source.

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
    /// Whether the picture id takes 15 bits.
    pub wide_picture_id: bool,
    picture_id_at: usize,
    tl0_at: usize,
    /// Where the references (flexible mode) and the scalability structure begin, which forwarding does not read.
    rest_at: usize,
    flexible: bool,
    structured: bool,
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
            wide_picture_id: false,
            picture_id_at: 0,
            tl0_at: 0,
            rest_at: 0,
            flexible: flags & 0x10 != 0,
            structured: flags & 0x02 != 0,
        };
        let mut at = 1;
        if flags & 0x80 != 0 {
            let &high = payload.get(at)?;
            descriptor.picture_id_at = at;
            descriptor.wide_picture_id = high & 0x80 != 0;
            descriptor.picture_id = Some(if descriptor.wide_picture_id {
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
                descriptor.tl0_at = at;
                descriptor.tl0_pic_idx = Some(*payload.get(at)?);
                at += 1;
            }
        }
        descriptor.rest_at = at;
        Some(descriptor)
    }

    /// What follows the whole descriptor in the payload that it was read from; None if the payload ends inside it.
    pub fn payload_untrusted<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let mut at = self.rest_at;
        if self.flexible && self.inter_picture {
            // up to three P_DIFF, each of which says in N whether another follows
            for _ in 0..3 {
                at += 1;
                if payload.get(at - 1)? & 1 == 0 {
                    break;
                }
            }
        }
        if self.structured {
            let &head = payload.get(at)?; // N_S, Y, G
            at += 1;
            if head & 0x10 != 0 {
                at += 4 * (usize::from(head >> 5) + 1);
            }
            if head & 0x08 != 0 {
                let &pictures = payload.get(at)?;
                at += 1;
                for _ in 0..pictures {
                    at += 1 + usize::from(payload.get(at)? >> 2 & 3); // T, U, R
                }
            }
        }
        payload.get(at..)
    }

    /// Frame facts. A picture starts with the lowest spatial layer; without P that is where decoders can start.
    pub fn info(&self) -> FrameInfo {
        let lowest = self.spatial.unwrap_or(0) == 0;
        let key_frame = self.starts_frame && !self.inter_picture && lowest;
        FrameInfo {
            key_frame,
            starts_frame: self.starts_frame && lowest,
            ends_frame: self.ends_frame,
            temporal: self.temporal,
            spatial: self.spatial,
            discardable: false,
            // Of the picture's own temporal layer: RFC 9628 §4.2.1 speaks of the layers above, but libwebrtc's pictures
            // (GofInfoVP9, up_switch) and other forwarders mean their own
            switching_point: key_frame || self.switching_up || self.temporal == Some(0),
            inter_picture: self.inter_picture,
            not_for_upper: self.not_reference_for_upper,
            number: None,
        }
    }

    /// Write other counters in place, in the width the sender chose; fields that the packet lacks stay away.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) {
        if self.picture_id.is_some() {
            if self.wide_picture_id {
                let bytes = (picture_id & 0x7fff | 0x8000).to_be_bytes();
                payload[self.picture_id_at..self.picture_id_at + 2].copy_from_slice(&bytes);
            } else {
                payload[self.picture_id_at] = picture_id as u8 & 0x7f;
            }
        }
        if self.tl0_pic_idx.is_some() {
            payload[self.tl0_at] = tl0_pic_idx;
        }
    }
}
