//! VP8 payload descriptor, RFC 7741 §4.2: read, and rewritten in place when a consumer changes its source.

use super::FrameInfo;

/// Where the fields of one packet's descriptor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes before the VP8 payload.
    pub length: usize,
    /// First packet of partition 0, that is, of the frame.
    pub starts_frame: bool,
    /// N: no other frame refers to this one.
    pub non_reference: bool,
    /// Picture id of 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Whether the picture id takes 15 bits.
    pub wide_picture_id: bool,
    /// Running index of base-layer frames.
    pub tl0_pic_idx: Option<u8>,
    /// Temporal layer.
    pub temporal: Option<u8>,
    /// Y: depends on the base layer only.
    pub layer_sync: bool,
    picture_id_at: usize,
    tl0_at: usize,
}

impl Descriptor {
    /// Read the descriptor at the head of `payload`; None if the payload ends inside it.
    pub fn parse_untrusted(payload: &[u8]) -> Option<Descriptor> {
        let &first = payload.first()?;
        let mut descriptor = Descriptor {
            length: 1,
            starts_frame: first & 0x10 != 0 && first & 0x07 == 0,
            non_reference: first & 0x20 != 0,
            picture_id: None,
            wide_picture_id: false,
            tl0_pic_idx: None,
            temporal: None,
            layer_sync: false,
            picture_id_at: 0,
            tl0_at: 0,
        };
        if first & 0x80 == 0 {
            return Some(descriptor);
        }
        let &flags = payload.get(1)?;
        let mut at = 2;
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
        if flags & 0x40 != 0 {
            descriptor.tl0_at = at;
            descriptor.tl0_pic_idx = Some(*payload.get(at)?);
            at += 1;
        }
        if flags & 0x30 != 0 {
            let &layer = payload.get(at)?;
            if flags & 0x20 != 0 {
                descriptor.temporal = Some(layer >> 6);
                descriptor.layer_sync = layer & 0x20 != 0;
            }
            at += 1;
        }
        descriptor.length = at;
        Some(descriptor)
    }

    /// Frame facts; `payload` is what the descriptor was read from. RFC 7741 §4.3: P = 0 in the payload header is a key frame.
    pub fn info(&self, payload: &[u8]) -> FrameInfo {
        let key_frame = self.starts_frame && payload.get(self.length).is_some_and(|header| header & 1 == 0);
        FrameInfo {
            key_frame,
            starts_frame: self.starts_frame,
            temporal: self.temporal,
            discardable: self.non_reference,
            switching_point: key_frame || self.layer_sync || self.temporal == Some(0),
            ..FrameInfo::default()
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
