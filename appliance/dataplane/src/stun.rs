//! STUN as an ICE-lite agent needs it (RFC 8489, RFC 8445 §7.3): reads Binding requests, writes their responses.
//!
//! Knows no addresses but the one it is told to reflect, no credentials but those it is handed, and keeps no state.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time, hmac};

use crate::wire::{Malformed, Reader};

/// RFC 8489 §5.
const MAGIC_COOKIE: u32 = 0x2112_A442;
/// RFC 8489 §14.7: CRC-32 is XORed with "STUN".
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// RFC 8489 §5: type, length, cookie, transaction id.
const HEADER: usize = 20;
/// HMAC-SHA1 (RFC 8489 §14.5).
const INTEGRITY: usize = 20;
/// RFC 8489 §14.3: a USERNAME has fewer than 509 bytes.
const MAX_USERNAME: usize = 508;
/// Unknown attributes that a 420 lists at most; more are answered with the first ones.
pub const MAX_UNKNOWN: usize = 8;

/// Message types: method Binding in its classes (RFC 8489 §5).
pub mod message_type {
    /// Binding request.
    pub const REQUEST: u16 = 0x0001;
    /// Binding indication: ICE keep-alive, never answered.
    pub const INDICATION: u16 = 0x0011;
    /// Binding success response.
    pub const SUCCESS: u16 = 0x0101;
    /// Binding error response.
    pub const ERROR: u16 = 0x0111;
}

/// Attribute types that appear here (IANA STUN registry).
pub mod attribute {
    /// RFC 8489 §14.3.
    pub const USERNAME: u16 = 0x0006;
    /// RFC 8489 §14.5.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// RFC 8489 §14.8.
    pub const ERROR_CODE: u16 = 0x0009;
    /// RFC 8489 §14.13.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// RFC 8489 §14.9.
    pub const REALM: u16 = 0x0014;
    /// RFC 8489 §14.10.
    pub const NONCE: u16 = 0x0015;
    /// RFC 8489 §14.6.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    /// RFC 8489 §14.2.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// RFC 8445 §16.1.
    pub const PRIORITY: u16 = 0x0024;
    /// RFC 8445 §16.1.
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// RFC 8489 §14.7.
    pub const FINGERPRINT: u16 = 0x8028;
    /// RFC 8445 §16.1.
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// RFC 8445 §16.1.
    pub const ICE_CONTROLLING: u16 = 0x802A;
}

/// Why a datagram is not a Binding request that can be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunError {
    /// Not well-formed STUN; drop it.
    Malformed(Malformed),
    /// FINGERPRINT is present and wrong; drop it.
    Fingerprint,
    /// Well-formed, but of this other type; responses and indications are not for an ICE-lite agent.
    NotBindingRequest(u16),
    /// A request without USERNAME or MESSAGE-INTEGRITY (RFC 8489 §9.1.3 would answer 400; nobody honest sends it).
    Unauthenticated,
    /// Comprehension-required attributes that are not known (RFC 8489 §6.3.1): authenticate, then answer 420.
    UnknownAttributes {
        /// Of the request.
        transaction_id: [u8; 12],
        /// The first ones; only `count` of them are meaningful.
        types: [u16; MAX_UNKNOWN],
        /// 1..=[`MAX_UNKNOWN`].
        count: usize,
    },
}

impl From<Malformed> for StunError {
    fn from(error: Malformed) -> Self {
        StunError::Malformed(error)
    }
}

/// Whether a datagram's first byte is STUN's (RFC 7983 §7: 0..=3).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4
}

/// Any STUN message with checked lengths and a checked FINGERPRINT, if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    /// Offset of the MESSAGE-INTEGRITY attribute's header.
    integrity_at: Option<usize>,
}

impl<'a> Message<'a> {
    /// Walks the attributes once.
    ///
    /// # Errors
    /// [`StunError::Malformed`] and [`StunError::Fingerprint`] only.
    pub fn parse_untrusted(raw: &'a [u8]) -> Result<Self, StunError> {
        let mut reader = Reader::new(raw);
        let message_type = reader.u16()?;
        let length = usize::from(reader.u16()?);
        if message_type & 0xC000 != 0 || reader.u32()? != MAGIC_COOKIE {
            return Err(Malformed("not STUN").into());
        }
        if length % 4 != 0 || length + HEADER != raw.len() {
            return Err(Malformed("STUN length is not the datagram's").into());
        }
        let mut message = Message { raw, integrity_at: None };
        let mut at = HEADER;
        while at < raw.len() {
            let mut reader = Reader::new(&raw[at..]);
            let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
            reader.take(length.next_multiple_of(4))?;
            let next = raw.len() - reader.rest().len();
            match kind {
                attribute::MESSAGE_INTEGRITY if message.integrity_at.is_none() => {
                    if length != INTEGRITY {
                        return Err(Malformed("MESSAGE-INTEGRITY is not 20 bytes").into());
                    }
                    message.integrity_at = Some(at);
                }
                attribute::FINGERPRINT => {
                    if length != 4 || next != raw.len() {
                        return Err(Malformed("FINGERPRINT is not 4 bytes at the end").into());
                    }
                    if (crc32(&raw[..at]) ^ FINGERPRINT_XOR).to_be_bytes() != raw[at + 4..] {
                        return Err(StunError::Fingerprint);
                    }
                }
                _ => {}
            }
            at = next;
        }
        Ok(message)
    }

    /// One of [`message_type`], or another method.
    pub fn message_type(&self) -> u16 {
        u16::from_be_bytes([self.raw[0], self.raw[1]])
    }

    /// Chosen by the requester, repeated in the response.
    pub fn transaction_id(&self) -> [u8; 12] {
        *self.raw[8..].first_chunk().expect("parse_untrusted checked the header")
    }

    /// Attributes up to MESSAGE-INTEGRITY, itself excluded: those behind it are to be ignored (RFC 8489 §14.5).
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let end = self.integrity_at.unwrap_or(self.raw.len());
        let mut reader = Reader::new(&self.raw[HEADER..end]);
        std::iter::from_fn(move || {
            let (kind, length) = (reader.u16().ok()?, usize::from(reader.u16().ok()?));
            let value = reader.take(length).ok()?;
            reader.take(length.wrapping_neg() % 4).ok()?;
            Some((kind, value))
        })
    }

    /// Whether MESSAGE-INTEGRITY is present and right for `key`: the password itself for ICE's short-term credentials.
    /// Constant time in the comparison.
    pub fn verify(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let tag = integrity(key, &self.raw[..at]);
        constant_time::verify_slices_are_equal(tag.as_ref(), &self.raw[at + 4..at + 4 + INTEGRITY]).is_ok()
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 §14.2), if present and well-formed.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        let (_, value) = self.attributes().find(|&(kind, _)| kind == attribute::XOR_MAPPED_ADDRESS)?;
        let (head, address) = value.split_first_chunk::<4>()?;
        let port = u16::from_be_bytes([head[2], head[3]]) ^ (MAGIC_COOKIE >> 16) as u16;
        let ip: IpAddr = match (head[1], address.len()) {
            (1, 4) => (u32::from_be_bytes(*address.first_chunk()?) ^ MAGIC_COOKIE).to_be_bytes().into(),
            (2, 16) => (u128::from_be_bytes(*address.first_chunk()?) ^ self.mask()).to_be_bytes().into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// ERROR-CODE as a number, 300..=699 (RFC 8489 §14.8), if present.
    pub fn error_code(&self) -> Option<u16> {
        let (_, value) = self.attributes().find(|&(kind, _)| kind == attribute::ERROR_CODE)?;
        let head = value.first_chunk::<4>()?;
        Some(u16::from(head[2] & 7) * 100 + u16::from(head[3]))
    }

    /// Cookie ‖ transaction id, the mask of IPv6 addresses.
    fn mask(&self) -> u128 {
        address_mask(&self.transaction_id())
    }
}

/// A connectivity check (RFC 8445 §7.2.2). Not authenticated until [`BindingRequest::verify`] says so.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    message: Message<'a>,
    /// To be repeated in the response.
    pub transaction_id: [u8; 12],
    /// "local:remote" as the receiver of the request sees it.
    pub username: &'a str,
    /// PRIORITY of the peer-reflexive candidate that the check would make.
    pub priority: Option<u32>,
    /// The controlling agent nominates this pair.
    pub use_candidate: bool,
    /// Tie-breaker of a peer that believes to control: right, the ICE-lite side is controlled.
    pub ice_controlling: Option<u64>,
    /// Tie-breaker of a peer that believes to be controlled: answer 487 (RFC 8445 §7.3.1.1).
    pub ice_controlled: Option<u64>,
}

impl BindingRequest<'_> {
    /// The part of the username before the colon: the ufrag of the agent that receives the request.
    pub fn local_ufrag(&self) -> &str {
        self.username.split_once(':').map_or(self.username, |(local, _)| local)
    }

    /// The part behind the colon: the sender's ufrag.
    pub fn remote_ufrag(&self) -> &str {
        self.username.split_once(':').map_or("", |(_, remote)| remote)
    }

    /// Whether MESSAGE-INTEGRITY is right for the receiver's ICE password. Constant time in the comparison. `raw` is the
    /// datagram that was parsed.
    pub fn verify(&self, raw: &[u8], password: &[u8]) -> bool {
        debug_assert!(std::ptr::eq(raw, self.message.raw), "verify the datagram that was parsed");
        self.message.verify(password)
    }
}

/// Reads a Binding request. Nothing is authenticated yet.
///
/// # Errors
/// See [`StunError`]; only [`StunError::UnknownAttributes`] deserves an answer, and only after [`Message::verify`].
pub fn parse_request_untrusted(raw: &[u8]) -> Result<BindingRequest<'_>, StunError> {
    let message = Message::parse_untrusted(raw)?;
    if message.message_type() != message_type::REQUEST {
        return Err(StunError::NotBindingRequest(message.message_type()));
    }
    if message.integrity_at.is_none() {
        return Err(StunError::Unauthenticated);
    }
    let mut username = None;
    let (mut priority, mut use_candidate, mut ice_controlling, mut ice_controlled) =
        (None, false, None, None);
    let (mut types, mut count) = ([0; MAX_UNKNOWN], 0);
    for (kind, value) in message.attributes() {
        let mut reader = Reader::new(value);
        match kind {
            // the first of repeated attributes counts (RFC 8489 §14)
            attribute::USERNAME if username.is_none() => username = Some(value),
            attribute::PRIORITY if priority.is_none() => priority = Some(reader.u32()?),
            attribute::USE_CANDIDATE => use_candidate = true,
            attribute::ICE_CONTROLLING if ice_controlling.is_none() => ice_controlling = Some(reader.u64()?),
            attribute::ICE_CONTROLLED if ice_controlled.is_none() => ice_controlled = Some(reader.u64()?),
            attribute::USERNAME | attribute::PRIORITY | attribute::REALM | attribute::NONCE => {}
            attribute::MESSAGE_INTEGRITY_SHA256 | attribute::XOR_MAPPED_ADDRESS => {}
            0x0000..=0x7FFF if count < MAX_UNKNOWN => {
                types[count] = kind;
                count += 1;
            }
            _ => {} // comprehension-optional: SOFTWARE, GOOG-NETWORK-INFO, …
        }
    }
    let transaction_id = message.transaction_id();
    if count > 0 {
        return Err(StunError::UnknownAttributes { transaction_id, types, count });
    }
    let username = username.ok_or(StunError::Unauthenticated)?;
    if username.len() > MAX_USERNAME {
        return Err(Malformed("USERNAME longer than 508 bytes").into());
    }
    let username = std::str::from_utf8(username).map_err(|_| Malformed("USERNAME is not UTF-8"))?;
    Ok(BindingRequest {
        message,
        transaction_id,
        username,
        priority,
        use_candidate,
        ice_controlling,
        ice_controlled,
    })
}

mod response;
pub use response::{MAX_SUCCESS, write_error, write_request, write_success};

fn address_mask(transaction_id: &[u8; 12]) -> u128 {
    let mut low = [0; 16];
    low[4..].copy_from_slice(transaction_id);
    u128::from(MAGIC_COOKIE) << 96 | u128::from_be_bytes(low)
}

/// HMAC-SHA1 over `before`, everything in front of the MESSAGE-INTEGRITY attribute, with the header's length set as if
/// the message ended behind that attribute (RFC 8489 §14.5).
fn integrity(key: &[u8], before: &[u8]) -> hmac::Tag {
    let length = (before.len() - HEADER + 4 + INTEGRITY) as u16; // both callers hold at most a 16-bit length
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    context.update(&before[..2]);
    context.update(&length.to_be_bytes());
    context.update(&before[4..]);
    context.sign()
}

/// ITU-T V.42 CRC-32, reflected, as RFC 8489 §14.7 asks for; a table of 16 keeps it small, messages are short and few.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut i = 0;
        while i < 16 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 4 {
                value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0u32, |crc, &byte| {
        let crc = crc ^ u32::from(byte);
        let crc = crc >> 4 ^ TABLE[(crc & 15) as usize];
        crc >> 4 ^ TABLE[(crc & 15) as usize]
    })
}

#[cfg(test)]
mod tests;
