//! What a session negotiated: payload types by format, header extension ids.
//!
//! Formats are compared as numbers on the packet path: equal strings get equal numbers, once per worker.

use std::collections::HashMap;

use crate::codec::Codec;

/// Number of a format string, equal on one worker if and only if the strings are equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormatId(u16);

/// A payload type as the caller describes it (`_dataplane.pyi`, `Payload`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadSpec {
    /// RTP payload type, 0..=127.
    pub payload_type: u8,
    /// "opus", "vp8", "h264/42e01f/1" …: equal strings may be forwarded to each other. "red/opus" (RFC 2198) carries
    /// blocks of what stands behind the stroke, which may be taken out of it.
    pub format: String,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx_payload_type: Option<u8>,
}

/// Header extension ids of a session, 0 where not negotiated (RFC 8285 reserves 0 for padding).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// Client-to-mixer audio level, RFC 6464.
    pub audio_level: u8,
    /// Absolute send time, 24 bits of 6.18 fixed-point seconds.
    pub abs_send_time: u8,
    /// Transport-wide sequence number.
    pub transport_cc: u8,
    /// MID, RFC 8843.
    pub mid: u8,
    /// RID, RFC 8852.
    pub rid: u8,
    /// Repaired RID, RFC 8852.
    pub repaired_rid: u8,
    /// Playout delay limits.
    pub playout_delay: u8,
    /// Coordination of video orientation, 3GPP TS 26.114.
    pub video_orientation: u8,
    /// AV1 dependency descriptor.
    pub dependency_descriptor: u8,
}

impl ExtensionIds {
    /// (theirs, ours) of every extension that is forwarded as it came.
    pub fn copied(&self, ours: &ExtensionIds) -> [(u8, u8); 3] {
        [
            (self.audio_level, ours.audio_level),
            (self.playout_delay, ours.playout_delay),
            (self.video_orientation, ours.video_orientation),
        ]
    }
}

/// Format strings of one worker and their numbers.
#[derive(Default)]
pub struct FormatNames(HashMap<String, u16>);

/// Distinct format strings that one worker tells apart; clients choose some of the text (H.264 profiles).
const MAX_FORMATS: usize = 4096;

impl FormatNames {
    fn intern(&mut self, name: &str) -> Option<FormatId> {
        if let Some(id) = self.0.get(name) {
            return Some(FormatId(*id));
        }
        if self.0.len() >= MAX_FORMATS {
            return None;
        }
        let id = self.0.len() as u16;
        self.0.insert(name.to_owned(), id);
        Some(FormatId(id))
    }
}

/// What a payload type of a session means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Media of a format.
    Media(MediaFormat),
    /// Retransmission of the media payload type in it (its `apt`, RFC 4588).
    Rtx(u8),
}

/// A media payload type of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaFormat {
    /// Which format.
    pub format: FormatId,
    /// What its blocks are, if it is RED.
    pub blocks: Option<FormatId>,
    /// How its payload is looked into.
    pub codec: Codec,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// RTP payload type on this session.
    pub payload_type: u8,
    /// Payload type of its retransmissions on this session.
    pub rtx_payload_type: Option<u8>,
}

/// The payload types of a session.
pub struct PayloadTable {
    by_type: Box<[Option<PayloadKind>; 128]>,
    media: Vec<MediaFormat>,
}

impl Default for PayloadTable {
    fn default() -> Self {
        Self { by_type: Box::new([None; 128]), media: Vec::new() }
    }
}

impl PayloadTable {
    /// Builds the table; later entries win where a payload type is named twice.
    pub fn new(payloads: &[PayloadSpec], names: &mut FormatNames) -> Self {
        let mut table = Self::default();
        for spec in payloads {
            let Some(format) = names.intern(&spec.format) else { continue };
            let media = MediaFormat {
                format,
                blocks: spec.format.strip_prefix("red/").and_then(|blocks| names.intern(blocks)),
                codec: Codec::from_format(&spec.format),
                clock_rate: spec.clock_rate.max(1),
                payload_type: spec.payload_type & 0x7f,
                rtx_payload_type: spec.rtx_payload_type.map(|p| p & 0x7f),
            };
            if let Some(rtx) = media.rtx_payload_type {
                table.by_type[rtx as usize] = Some(PayloadKind::Rtx(media.payload_type));
            }
            table.by_type[media.payload_type as usize] = Some(PayloadKind::Media(media));
            table.media.push(media);
        }
        table
    }

    /// What a payload type means.
    pub fn kind(&self, payload_type: u8) -> Option<PayloadKind> {
        self.by_type[(payload_type & 0x7f) as usize]
    }

    /// The media behind a payload type.
    pub fn media(&self, payload_type: u8) -> Option<MediaFormat> {
        match self.kind(payload_type)? {
            PayloadKind::Media(media) => Some(media),
            PayloadKind::Rtx(_) => None,
        }
    }

    /// The first payload type for retransmissions of pictures: padding goes out under it.
    pub fn padding_payload_type(&self) -> Option<u8> {
        self.media.iter().find_map(|m| m.rtx_payload_type)
    }

    /// How this session names a format of another session.
    pub fn by_format(&self, format: FormatId) -> Option<MediaFormat> {
        self.media.iter().find(|m| m.format == format).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(payload_type: u8, format: &str, rtx: Option<u8>) -> PayloadSpec {
        PayloadSpec { payload_type, format: format.into(), clock_rate: 90_000, rtx_payload_type: rtx }
    }

    #[test]
    fn formats_meet_by_their_text_across_sessions() {
        let mut names = FormatNames::default();
        let publisher = PayloadTable::new(&[spec(96, "vp8", Some(97)), spec(45, "av1/0", None)], &mut names);
        let subscriber = PayloadTable::new(&[spec(120, "vp8", Some(124))], &mut names);
        let vp8 = publisher.media(96).unwrap();
        assert_eq!(
            subscriber.by_format(vp8.format).map(|m| (m.payload_type, m.rtx_payload_type)),
            Some((120, Some(124)))
        );
        assert_eq!(publisher.kind(97), Some(PayloadKind::Rtx(96)));
        assert!(subscriber.by_format(publisher.media(45).unwrap().format).is_none());
        assert!(subscriber.kind(96).is_none());
    }
}
