//! Writers of STUN messages. Every one ends in MESSAGE-INTEGRITY (where a password is given) and FINGERPRINT.

use std::net::{IpAddr, SocketAddr};

use super::{FINGERPRINT_XOR, HEADER, MAGIC_COOKIE, address_mask, attribute, crc32, integrity, message_type};
use crate::wire::{NoRoom, Writer};

/// Length of the longest success response: header, IPv6 address, integrity, fingerprint. A check with USERNAME, PRIORITY,
/// a tie-breaker, integrity and fingerprint is never shorter, so that nothing is amplified.
pub const MAX_SUCCESS: usize = HEADER + 24 + 24 + 8;

fn begin(writer: &mut Writer<'_>, kind: u16, transaction_id: &[u8; 12]) -> Result<(), NoRoom> {
    writer.u16(kind)?;
    writer.u16(0)?;
    writer.u32(MAGIC_COOKIE)?;
    writer.put(transaction_id)
}

fn put(writer: &mut Writer<'_>, kind: u16, value: &[u8]) -> Result<(), NoRoom> {
    writer.u16(kind)?;
    writer.u16(u16::try_from(value.len()).map_err(|_| NoRoom)?)?;
    writer.put(value)?;
    writer.zeros(value.len().wrapping_neg() % 4)
}

fn finish(mut writer: Writer<'_>, password: Option<&[u8]>) -> Result<usize, NoRoom> {
    if let Some(password) = password {
        let tag = integrity(password, writer.written());
        put(&mut writer, attribute::MESSAGE_INTEGRITY, tag.as_ref())?;
    }
    // RFC 8489 §14.7: the length field includes the FINGERPRINT while the CRC is computed
    let length = u16::try_from(writer.len() + 8 - HEADER).map_err(|_| NoRoom)?;
    writer.set_u16(2, length);
    let fingerprint = crc32(writer.written()) ^ FINGERPRINT_XOR;
    put(&mut writer, attribute::FINGERPRINT, &fingerprint.to_be_bytes())?;
    Ok(writer.len())
}

/// Writes a Binding success response with XOR-MAPPED-ADDRESS, signed with the password of the agent that answers. Returns
/// its length, at most [`MAX_SUCCESS`].
///
/// # Errors
/// [`NoRoom`] if `out` is too small.
pub fn write_success(
    out: &mut [u8],
    transaction_id: &[u8; 12],
    mapped: SocketAddr,
    password: &[u8],
) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    begin(&mut writer, message_type::SUCCESS, transaction_id)?;
    let port = mapped.port() ^ (MAGIC_COOKIE >> 16) as u16;
    // a v4 address that came in on a dual-stack socket is still a v4 address to the peer
    match mapped.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let mut value = [0, 1, 0, 0, 0, 0, 0, 0];
            value[2..4].copy_from_slice(&port.to_be_bytes());
            value[4..].copy_from_slice(&(u32::from(ip) ^ MAGIC_COOKIE).to_be_bytes());
            put(&mut writer, attribute::XOR_MAPPED_ADDRESS, &value)?;
        }
        IpAddr::V6(ip) => {
            let mut value = [0; 20];
            value[1] = 2;
            value[2..4].copy_from_slice(&port.to_be_bytes());
            value[4..].copy_from_slice(&(u128::from(ip) ^ address_mask(transaction_id)).to_be_bytes());
            put(&mut writer, attribute::XOR_MAPPED_ADDRESS, &value)?;
        }
    }
    finish(writer, Some(password))
}

/// Writes a Binding error response: `code` 300..=699 (487 role conflict, 420 unknown attribute), `unknown` the types that
/// a 420 lists. Signed if a password is given. Returns its length.
///
/// # Errors
/// [`NoRoom`] if `out` is too small.
pub fn write_error(
    out: &mut [u8],
    transaction_id: &[u8; 12],
    code: u16,
    reason: &str,
    unknown: &[u16],
    password: Option<&[u8]>,
) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    begin(&mut writer, message_type::ERROR, transaction_id)?;
    writer.u16(attribute::ERROR_CODE)?;
    writer.u16(u16::try_from(4 + reason.len()).map_err(|_| NoRoom)?)?;
    writer.put(&[0, 0, (code / 100) as u8 & 7, (code % 100) as u8])?;
    writer.put(reason.as_bytes())?;
    writer.zeros(reason.len().wrapping_neg() % 4)?;
    if !unknown.is_empty() {
        writer.u16(attribute::UNKNOWN_ATTRIBUTES)?;
        writer.u16(u16::try_from(unknown.len() * 2).map_err(|_| NoRoom)?)?;
        for &kind in unknown {
            writer.u16(kind)?;
        }
        writer.zeros((unknown.len() * 2).wrapping_neg() % 4)?;
    }
    finish(writer, password)
}

/// Writes a Binding request as a controlling peer sends it (for tests and load generators; the server itself is ICE-lite
/// and sends none). `username` is "their ufrag:our ufrag", `password` theirs. Returns its length.
///
/// # Errors
/// [`NoRoom`] if `out` is too small.
pub fn write_request(
    out: &mut [u8],
    transaction_id: &[u8; 12],
    username: &str,
    priority: u32,
    ice_controlling: u64,
    use_candidate: bool,
    password: &[u8],
) -> Result<usize, NoRoom> {
    let mut writer = Writer::new(out);
    begin(&mut writer, message_type::REQUEST, transaction_id)?;
    put(&mut writer, attribute::USERNAME, username.as_bytes())?;
    put(&mut writer, attribute::PRIORITY, &priority.to_be_bytes())?;
    put(&mut writer, attribute::ICE_CONTROLLING, &ice_controlling.to_be_bytes())?;
    if use_candidate {
        put(&mut writer, attribute::USE_CANDIDATE, &[])?;
    }
    finish(writer, Some(password))
}
