//! RTP headers (RFC 3550 §5.1) and their extensions (RFC 8285): a view over received bytes and a builder for fresh ones.
//!
//! Knows nothing of encryption, payload formats or what an extension id means.

use crate::wire::{Malformed, NoRoom, Reader, Writer};

/// Bytes of the header without contributing sources and extensions.
pub const FIXED_HEADER: usize = 12;

/// Largest UDP payload that the crate handles: an Ethernet frame's worth.
pub const MAX_PACKET: usize = 1500;

/// "defined by profile" field of one-byte header extensions (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xBEDE;
/// The same for two-byte extensions; the low four bits are application bits (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x1000;

/// Whether a datagram that is RTP or RTCP (first byte 128..=191, RFC 7983) is RTCP: RFC 5761 §4 reserves the packet
/// types 192..=223, which are the payload types 64..=95 with the marker bit.
#[inline]
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 2 && (192..=223).contains(&packet[1])
}

/// The form of the extension block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
    /// Another profile's: skipped whole.
    Foreign,
}

/// A parsed view of one RTP packet in the clear; borrows the packet.
#[derive(Clone, Copy, Debug)]
pub struct RtpView<'a> {
    packet: &'a [u8],
    extension_block: &'a [u8],
    form: Form,
    header_len: usize,
    payload_end: usize,
}

/// Where the header of an RTP packet ends, extensions included. Looks at nothing behind it, so that the rest may be
/// encrypted.
#[inline]
pub fn header_len_untrusted(packet: &[u8]) -> Result<usize, Malformed> {
    if packet.len() < FIXED_HEADER {
        return Err(Malformed("shorter than an RTP header"));
    }
    if packet[0] >> 6 != 2 {
        return Err(Malformed("RTP version is not 2"));
    }
    let mut length = FIXED_HEADER + 4 * usize::from(packet[0] & 0x0F);
    if packet[0] & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4).ok_or(Malformed("extension header past the end"))?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if length > packet.len() {
        return Err(Malformed("RTP header past the end"));
    }
    Ok(length)
}

impl<'a> RtpView<'a> {
    /// Checks lengths, padding and every extension element once; the accessors then cannot fail.
    ///
    /// # Errors
    /// [`Malformed`] if anything points past the end, the version is not 2, or the padding count is zero or too large.
    pub fn parse_untrusted(packet: &'a [u8]) -> Result<RtpView<'a>, Malformed> {
        let header_len = header_len_untrusted(packet)?;
        let (mut extension_block, mut form): (&[u8], Form) = (&[], Form::Foreign);
        if packet[0] & 0x10 != 0 {
            let at = FIXED_HEADER + 4 * usize::from(packet[0] & 0x0F);
            form = match u16::from_be_bytes([packet[at], packet[at + 1]]) {
                ONE_BYTE => Form::OneByte,
                profile if profile & 0xFFF0 == TWO_BYTE => Form::TwoByte,
                _ => Form::Foreign,
            };
            extension_block = &packet[at + 4..header_len];
        }
        let mut payload_end = packet.len();
        if packet[0] & 0x20 != 0 {
            // RFC 3550 §5.1: the last octet counts the padding, itself included
            let padding = usize::from(packet[packet.len() - 1]);
            if padding == 0 || padding > packet.len() - header_len {
                return Err(Malformed("padding longer than the payload or zero"));
            }
            payload_end -= padding;
        }
        let view = RtpView { packet, extension_block, form, header_len, payload_end };
        let mut elements = view.extensions();
        elements.by_ref().for_each(drop);
        if elements.overrun {
            return Err(Malformed("extension element past the end of its block"));
        }
        Ok(view)
    }

    /// The whole packet.
    pub const fn packet(&self) -> &'a [u8] {
        self.packet
    }

    /// Payload type, 0..=127.
    #[inline]
    pub const fn payload_type(&self) -> u8 {
        self.packet[1] & 0x7F
    }

    /// Marker bit.
    #[inline]
    pub const fn marker(&self) -> bool {
        self.packet[1] & 0x80 != 0
    }

    /// Sequence number.
    #[inline]
    pub const fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.packet[2], self.packet[3]])
    }

    /// Timestamp in the clock of the payload type.
    #[inline]
    pub const fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.packet[4], self.packet[5], self.packet[6], self.packet[7]])
    }

    /// Synchronisation source.
    #[inline]
    pub const fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.packet[8], self.packet[9], self.packet[10], self.packet[11]])
    }

    /// Number of contributing sources, 0..=15.
    pub const fn csrc_count(&self) -> usize {
        (self.packet[0] & 0x0F) as usize
    }

    /// Bytes before the payload.
    #[inline]
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// The payload without padding; may be empty.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        &self.packet[self.header_len..self.payload_end]
    }

    /// Bytes of padding, its count included.
    pub const fn padding_len(&self) -> usize {
        self.packet.len() - self.payload_end
    }

    /// The first extension element with this local identifier.
    #[inline]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|&(element, _)| element == id).map(|(_, data)| data)
    }

    /// Extension elements in order, one-byte and two-byte form alike: (id, data). Padding is left out.
    #[inline]
    pub const fn extensions(&self) -> Extensions<'a> {
        Extensions { rest: self.extension_block, form: self.form, overrun: false }
    }
}

/// Iterator of [`RtpView::extensions`].
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    form: Form,
    overrun: bool,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (id, length, head) = match (self.form, self.rest) {
                (Form::Foreign, _) | (_, []) => return None,
                (Form::OneByte, [0, ..]) | (Form::TwoByte, [0, ..]) => {
                    self.rest = &self.rest[1..]; // padding byte (RFC 8285 §4.1.2)
                    continue;
                }
                // RFC 8285 §4.2: id 15 stops the processing; id 0 with a length is skipped as padding by its length
                (Form::OneByte, &[first, ..]) if first >> 4 == 15 => return None,
                (Form::OneByte, &[first, ..]) => (first >> 4, usize::from(first & 0x0F) + 1, 1),
                (Form::TwoByte, &[id, length, ..]) => (id, usize::from(length), 2),
                (Form::TwoByte, _) => {
                    self.overrun = true;
                    return None;
                }
            };
            let Some(data) = self.rest.get(head..head + length) else {
                self.overrun = true;
                self.rest = &[];
                return None;
            };
            self.rest = &self.rest[head + length..];
            if id != 0 {
                return Some((id, data));
            }
        }
    }
}

/// A fresh RTP header, without contributing sources.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBuilder<'a> {
    /// 0..=127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in the clock of the payload type.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sets the padding bit; the caller appends the padding itself, its last byte the count.
    pub padding: bool,
    /// Elements (id 1..=255 except 15 in the one-byte form, ≤ 255 bytes). Written in the one-byte form unless an id
    /// above 14, more than 16 bytes or no bytes at all ask for the two-byte form.
    pub extensions: &'a [(u8, &'a [u8])],
}

impl HeaderBuilder<'_> {
    /// Writes the header and returns its length. Allocates nothing.
    ///
    /// # Errors
    /// [`NoRoom`] if `out` is too small, or an element cannot be written in any form (id 0, above 255 bytes).
    pub fn write(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(out);
        let extended = !self.extensions.is_empty();
        writer.u8(0x80 | u8::from(self.padding) << 5 | u8::from(extended) << 4)?;
        writer.u8(u8::from(self.marker) << 7 | (self.payload_type & 0x7F))?;
        writer.u16(self.sequence)?;
        writer.u32(self.timestamp)?;
        writer.u32(self.ssrc)?;
        if !extended {
            return Ok(writer.len());
        }
        let one_byte = self.extensions.iter().all(|&(id, data)| id <= 14 && (1..=16).contains(&data.len()));
        writer.u16(if one_byte { ONE_BYTE } else { TWO_BYTE })?;
        writer.u16(0)?;
        for &(id, data) in self.extensions {
            let length = u8::try_from(data.len()).map_err(|_| NoRoom)?;
            if id == 0 {
                return Err(NoRoom);
            }
            if one_byte {
                writer.u8(id << 4 | (length - 1))?;
            } else {
                writer.put(&[id, length])?;
            }
            writer.put(data)?;
        }
        writer.zeros(writer.len().wrapping_neg() % 4)?;
        let words = (writer.len() - FIXED_HEADER - 4) / 4;
        writer.set_u16(FIXED_HEADER + 2, u16::try_from(words).map_err(|_| NoRoom)?);
        Ok(writer.len())
    }
}

/// The original sequence number at the front of a retransmission's payload (RFC 4588 §4), and what follows it.
///
/// # Errors
/// [`Malformed`] if the payload is shorter than two bytes (a padding-only RTX packet has an empty one: check first).
pub fn split_rtx_untrusted(payload: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let mut reader = Reader::new(payload);
    let original = reader.u16()?;
    Ok((original, reader.rest()))
}

#[cfg(test)]
mod tests;
