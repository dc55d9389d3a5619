//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104, draft-alvestrand-rmcat-remb): reads compound packets, writes single ones.
//!
//! Knows no streams and keeps no state. The body of transport-wide feedback is read by
//! [`crate::transport_feedback::parse_untrusted`].

use crate::wire::{Malformed, Reader};

mod write;
pub use write::{bye, fir, nack, pli, receiver_report, remb, sdes_cname, sender_report};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Transport-layer feedback.
    pub const RTPFB: u8 = 205;
    /// Payload-specific feedback.
    pub const PSFB: u8 = 206;
}

/// RTPFB: generic NACK (RFC 4585 §6.2.1).
pub(crate) const FMT_NACK: u8 = 1;
/// RTPFB: transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
pub(crate) const FMT_TRANSPORT: u8 = 15;
/// PSFB: picture loss indication (RFC 4585 §6.3.1).
pub(crate) const FMT_PLI: u8 = 1;
/// PSFB: full intra request (RFC 5104 §4.3.1).
pub(crate) const FMT_FIR: u8 = 4;
/// PSFB: application layer feedback (RFC 4585 §6.4), of which REMB is one.
pub(crate) const FMT_APPLICATION: u8 = 15;

/// One report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that is reported on.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning: 24 bits, signed (duplicates count against it).
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 if there was none.
    pub last_sender_report: u32,
    /// Delay since that report in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    /// Round-trip time in 1/65536 s at `now_ntp_middle`, the middle 32 bits of the arrival time (RFC 3550 §6.4.1); `None`
    /// without a report or if the figures are absurd.
    pub fn round_trip(&self, now_ntp_middle: u32) -> Option<u32> {
        if self.last_sender_report == 0 {
            return None;
        }
        let round_trip =
            now_ntp_middle.wrapping_sub(self.last_sender_report).wrapping_sub(self.delay_since_last);
        // a clock that runs backwards gives a "negative" time; more than a minute is no round trip
        (round_trip < 60 << 16).then_some(round_trip)
    }
}

/// Report blocks, still packed.
#[derive(Clone, Copy, Debug)]
pub struct ReportBlocks<'a>(&'a [[u8; 24]]);

impl ReportBlocks<'_> {
    /// 0..=31.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> {
        self.0.iter().map(|block| {
            let word =
                |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
            ReportBlock {
                ssrc: word(0),
                fraction_lost: block[4],
                cumulative_lost: (word(4) << 8) as i32 >> 8,
                highest_sequence: word(8),
                jitter: word(12),
                last_sender_report: word(16),
                delay_since_last: word(20),
            }
        })
    }
}

/// Sequence numbers of a generic NACK, still packed as (PID, BLP) pairs.
#[derive(Clone, Copy, Debug)]
pub struct NackList<'a>(&'a [[u8; 4]]);

impl NackList<'_> {
    /// The sequence numbers in order; at most 17 per pair, so at most 17/4 per byte of the packet.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|&[a, b, c, d]| {
            let (first, mask) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            std::iter::once(first).chain(
                (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1)),
            )
        })
    }
}

/// A list of SSRCs, still packed.
#[derive(Clone, Copy, Debug)]
pub struct SsrcList<'a>(&'a [[u8; 4]]);

impl SsrcList<'_> {
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|&bytes| u32::from_be_bytes(bytes))
    }
}

/// Entries of a full intra request, still packed.
#[derive(Clone, Copy, Debug)]
pub struct FirList<'a>(&'a [[u8; 8]]);

impl FirList<'_> {
    /// (media source, command sequence number) in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u8)> {
        self.0.iter().map(|&[a, b, c, d, sequence, ..]| (u32::from_be_bytes([a, b, c, d]), sequence))
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// RFC 3550 §6.4.1.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// NTP time, 32.32 fixed point.
        ntp: u64,
        /// The same instant in RTP time.
        rtp_timestamp: u32,
        /// Packets sent since the beginning, wrapping.
        packets: u32,
        /// Payload bytes sent since the beginning, wrapping.
        octets: u32,
        /// What the sender receives.
        blocks: ReportBlocks<'a>,
    },
    /// RFC 3550 §6.4.2.
    ReceiverReport {
        /// The reporter.
        ssrc: u32,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// RFC 3550 §6.5; the chunks are not read, identity comes from signaling.
    Sdes,
    /// RFC 3550 §6.6.
    Bye {
        /// The sources that leave.
        ssrcs: SsrcList<'a>,
    },
    /// RFC 4585 §6.2.1.
    Nack {
        /// Who asks.
        sender_ssrc: u32,
        /// Whose packets.
        media_ssrc: u32,
        /// Which packets.
        lost: NackList<'a>,
    },
    /// RFC 4585 §6.3.1.
    Pli {
        /// Who asks.
        sender_ssrc: u32,
        /// Whose key frame.
        media_ssrc: u32,
    },
    /// RFC 5104 §4.3.1.
    Fir {
        /// Who asks.
        sender_ssrc: u32,
        /// Whose key frames.
        entries: FirList<'a>,
    },
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
    TransportFeedback {
        /// Who reports.
        sender_ssrc: u32,
        /// Meaningless for transport-wide numbers.
        media_ssrc: u32,
        /// What follows the two SSRCs, for [`crate::transport_feedback::parse_untrusted`].
        body: &'a [u8],
    },
    /// draft-alvestrand-rmcat-remb-03 §2.2.
    Remb {
        /// Who reports.
        sender_ssrc: u32,
        /// Finite: saturates at `u64::MAX`.
        bitrate_bps: u64,
        /// The sources that the estimate covers.
        ssrcs: SsrcList<'a>,
    },
    /// Another type or format; to be ignored (RFC 3550 §6.1).
    Unknown {
        /// Packet type.
        packet_type: u8,
        /// Count or feedback message type.
        format: u8,
    },
}

/// Iterates the packets of a compound. Reduced-size packets (RFC 5506) are accepted: any packet may come first. Ends after
/// the first error.
pub fn parse_untrusted(compound: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, Malformed>> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let result = next_packet(&mut rest);
        if result.is_err() {
            rest = &[];
        }
        Some(result)
    })
}

fn next_packet<'a>(rest: &mut &'a [u8]) -> Result<Packet<'a>, Malformed> {
    let mut reader = Reader::new(rest);
    let (first, packet_type, words) = (reader.u8()?, reader.u8()?, usize::from(reader.u16()?));
    if first >> 6 != 2 {
        return Err(Malformed("RTCP version is not 2"));
    }
    let mut body = reader.take(words * 4)?;
    *rest = reader.rest();
    if first & 0x20 != 0 {
        // RFC 3550 §6.4.1 pads the last packet only and by a multiple of four; libwebrtc pads each transport-wide feedback
        // to a word with one to three bytes, wherever it stands, so neither can be asked for
        let padding = usize::from(*body.last().ok_or(Malformed("RTCP padding without a body"))?);
        if padding == 0 || padding > body.len() {
            return Err(Malformed("RTCP padding zero or longer than the packet"));
        }
        body = &body[..body.len() - padding];
    }
    read_body(packet_type, first & 0x1F, body)
}

fn read_body(packet_type: u8, format: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut reader = Reader::new(body);
    Ok(match (packet_type, format) {
        (packet_type::SENDER_REPORT, count) => Packet::SenderReport {
            ssrc: reader.u32()?,
            ntp: reader.u64()?,
            rtp_timestamp: reader.u32()?,
            packets: reader.u32()?,
            octets: reader.u32()?,
            blocks: ReportBlocks(chunks(reader.take(24 * usize::from(count))?)),
        },
        (packet_type::RECEIVER_REPORT, count) => Packet::ReceiverReport {
            ssrc: reader.u32()?,
            blocks: ReportBlocks(chunks(reader.take(24 * usize::from(count))?)),
        },
        (packet_type::SDES, _) => Packet::Sdes,
        (packet_type::BYE, count) => {
            Packet::Bye { ssrcs: SsrcList(chunks(reader.take(4 * usize::from(count))?)) }
        }
        (packet_type::RTPFB, FMT_NACK) => Packet::Nack {
            sender_ssrc: reader.u32()?,
            media_ssrc: reader.u32()?,
            lost: NackList(chunks(reader.rest())),
        },
        (packet_type::RTPFB, FMT_TRANSPORT) => Packet::TransportFeedback {
            sender_ssrc: reader.u32()?,
            media_ssrc: reader.u32()?,
            body: reader.rest(),
        },
        (packet_type::PSFB, FMT_PLI) => Packet::Pli { sender_ssrc: reader.u32()?, media_ssrc: reader.u32()? },
        (packet_type::PSFB, FMT_FIR) => {
            let sender_ssrc = reader.u32()?;
            reader.u32()?; // RFC 5104 §4.3.1.1: media source is 0, the entries name theirs
            Packet::Fir { sender_ssrc, entries: FirList(chunks(reader.rest())) }
        }
        (packet_type::PSFB, FMT_APPLICATION) if body.get(8..12) == Some(b"REMB") => {
            let sender_ssrc = reader.u32()?;
            reader.take(8)?;
            let (count, exponent_mantissa) = (reader.u8()?, reader.u24()?);
            let (exponent, mantissa) = (exponent_mantissa >> 18, u64::from(exponent_mantissa & 0x3_FFFF));
            let bitrate_bps =
                if mantissa.leading_zeros() >= exponent { mantissa << exponent } else { u64::MAX };
            let ssrcs = SsrcList(chunks(reader.take(4 * usize::from(count))?));
            Packet::Remb { sender_ssrc, bitrate_bps, ssrcs }
        }
        _ => Packet::Unknown { packet_type, format },
    })
}

/// Whole chunks; bodies are multiples of four bytes, and what does not fill a last larger chunk is ignored.
fn chunks<const N: usize>(bytes: &[u8]) -> &[[u8; N]] {
    bytes.as_chunks().0
}

/// Middle 32 bits of an NTP time: what report blocks carry (RFC 3550 §4).
pub const fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests;
