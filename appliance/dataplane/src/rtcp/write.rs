//! Writers of single RTCP packets into a caller's buffer; write one behind the other to make a compound. Each returns the
//! bytes written.

use super::{FMT_APPLICATION, FMT_FIR, FMT_NACK, FMT_PLI, ReportBlock, packet_type};
use crate::wire::{NoRoom, Writer};

/// Report blocks and sources per packet: a five-bit count.
const MAX_COUNT: usize = 31;

/// Writes header and `body`, then sets the length.
fn packet(
    out: &mut [u8],
    packet_type: u8,
    count: usize,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), NoRoom>,
) -> Result<usize, NoRoom> {
    if count > MAX_COUNT {
        return Err(NoRoom);
    }
    let mut writer = Writer::new(out);
    writer.u8(0x80 | count as u8)?;
    writer.u8(packet_type)?;
    writer.u16(0)?;
    body(&mut writer)?;
    let words = u16::try_from(writer.len() / 4 - 1).map_err(|_| NoRoom)?;
    writer.set_u16(2, words);
    Ok(writer.len())
}

fn put_blocks(writer: &mut Writer<'_>, blocks: &[ReportBlock]) -> Result<(), NoRoom> {
    for block in blocks {
        writer.u32(block.ssrc)?;
        writer.u8(block.fraction_lost)?;
        writer.u24(block.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32)?;
        writer.u32(block.highest_sequence)?;
        writer.u32(block.jitter)?;
        writer.u32(block.last_sender_report)?;
        writer.u32(block.delay_since_last)?;
    }
    Ok(())
}

/// Sender report (RFC 3550 §6.4.1); at most 31 blocks.
///
/// # Errors
/// [`NoRoom`] if `out` is too small or there are too many blocks.
pub fn sender_report(
    out: &mut [u8],
    ssrc: u32,
    ntp: u64,
    rtp_timestamp: u32,
    packets: u32,
    octets: u32,
    blocks: &[ReportBlock],
) -> Result<usize, NoRoom> {
    packet(out, packet_type::SENDER_REPORT, blocks.len(), |writer| {
        writer.u32(ssrc)?;
        writer.u64(ntp)?;
        writer.u32(rtp_timestamp)?;
        writer.u32(packets)?;
        writer.u32(octets)?;
        put_blocks(writer, blocks)
    })
}

/// Receiver report (RFC 3550 §6.4.2); at most 31 blocks.
///
/// # Errors
/// [`NoRoom`] if `out` is too small or there are too many blocks.
pub fn receiver_report(out: &mut [u8], ssrc: u32, blocks: &[ReportBlock]) -> Result<usize, NoRoom> {
    packet(out, packet_type::RECEIVER_REPORT, blocks.len(), |writer| {
        writer.u32(ssrc)?;
        put_blocks(writer, blocks)
    })
}

/// Source description with one chunk and a CNAME (RFC 3550 §6.5.1), which must have at most 255 bytes.
///
/// # Errors
/// [`NoRoom`] if `out` is too small or the name too long.
pub fn sdes_cname(out: &mut [u8], ssrc: u32, cname: &str) -> Result<usize, NoRoom> {
    packet(out, packet_type::SDES, 1, |writer| {
        writer.u32(ssrc)?;
        writer.u8(1)?;
        writer.u8(u8::try_from(cname.len()).map_err(|_| NoRoom)?)?;
        writer.put(cname.as_bytes())?;
        // RFC 3550 §6.5: the list ends with one or more null octets, up to the next 32-bit boundary
        writer.zeros(4 - writer.len() % 4)
    })
}

/// Goodbye without a reason (RFC 3550 §6.6); at most 31 sources.
///
/// # Errors
/// [`NoRoom`] if `out` is too small or there are too many sources.
pub fn bye(out: &mut [u8], ssrcs: &[u32]) -> Result<usize, NoRoom> {
    packet(out, packet_type::BYE, ssrcs.len(), |writer| ssrcs.iter().try_for_each(|&ssrc| writer.u32(ssrc)))
}

/// Generic NACK (RFC 4585 §6.2.1) of `lost`, which should ascend (modulo 2^16) to pack well. Writes as many as fit into
/// `out`; the caller asks for the others later. An empty list writes nothing and returns 0.
///
/// # Errors
/// [`NoRoom`] if not even one fits.
pub fn nack(out: &mut [u8], sender_ssrc: u32, media_ssrc: u32, lost: &[u16]) -> Result<usize, NoRoom> {
    let Some((&first, others)) = lost.split_first() else { return Ok(0) };
    let room = out.len();
    packet(out, packet_type::RTPFB, usize::from(FMT_NACK), |writer| {
        writer.u32(sender_ssrc)?;
        writer.u32(media_ssrc)?;
        let (mut base, mut mask) = (first, 0u16);
        for &sequence in others {
            let behind = sequence.wrapping_sub(base);
            match behind {
                0 => {}
                1..=16 => mask |= 1 << (behind - 1),
                _ if writer.len() + 8 > room => break,
                _ => {
                    writer.u16(base)?;
                    writer.u16(mask)?;
                    (base, mask) = (sequence, 0);
                }
            }
        }
        writer.u16(base)?;
        writer.u16(mask)
    })
}

/// Picture loss indication (RFC 4585 §6.3.1).
///
/// # Errors
/// [`NoRoom`] if `out` is too small.
pub fn pli(out: &mut [u8], sender_ssrc: u32, media_ssrc: u32) -> Result<usize, NoRoom> {
    packet(out, packet_type::PSFB, usize::from(FMT_PLI), |writer| {
        writer.u32(sender_ssrc)?;
        writer.u32(media_ssrc)
    })
}

/// Full intra request for one source (RFC 5104 §4.3.1); `sequence` rises with every new request, not with repeats.
///
/// # Errors
/// [`NoRoom`] if `out` is too small.
pub fn fir(out: &mut [u8], sender_ssrc: u32, media_ssrc: u32, sequence: u8) -> Result<usize, NoRoom> {
    packet(out, packet_type::PSFB, usize::from(FMT_FIR), |writer| {
        writer.u32(sender_ssrc)?;
        writer.u32(0)?;
        writer.u32(media_ssrc)?;
        writer.u8(sequence)?;
        writer.u24(0)
    })
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2), rounded down to 18 significant bits; at most
/// 255 sources.
///
/// # Errors
/// [`NoRoom`] if `out` is too small or there are too many sources.
pub fn remb(out: &mut [u8], sender_ssrc: u32, bitrate_bps: u64, ssrcs: &[u32]) -> Result<usize, NoRoom> {
    packet(out, packet_type::PSFB, usize::from(FMT_APPLICATION), |writer| {
        writer.u32(sender_ssrc)?;
        writer.u32(0)?;
        writer.put(b"REMB")?;
        writer.u8(u8::try_from(ssrcs.len()).map_err(|_| NoRoom)?)?;
        let exponent = (64 - bitrate_bps.leading_zeros()).saturating_sub(18);
        writer.u24(exponent << 18 | (bitrate_bps >> exponent) as u32)?;
        ssrcs.iter().try_for_each(|&ssrc| writer.u32(ssrc))
    })
}
