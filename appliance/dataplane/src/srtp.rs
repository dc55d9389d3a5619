//! SRTP and SRTCP (RFC 3711, RFC 7714) for the two profiles of WebRTC: one [`Context`] per direction of a session.
//!
//! Owns key derivation, packet indices (roll-over counters), replay windows and the transforms, all in place and without
//! allocation per packet. Knows nothing of DTLS (the caller brings the master key) and nothing of what packets mean.
//! Key schedules are computed once per context. An SSRC gets state only after one of its packets was authentic, and at
//! most [`MAX_SSRCS`] get any.
//!
//! Rejected: unencrypted SRTCP (E = 0), master key identifiers and key derivation rates: WebRTC uses none of them
//! (RFC 8827 §6.5), so they are refused instead of half-supported. AES comes from AWS-LC (assembly with AES-NI, VAES and
//! the ARMv8 equivalents), because GCM is the cost of the whole forwarding path.

use std::fmt;

use aws_lc_rs::constant_time;

use crate::rtp;
use crate::wire::Malformed;

mod cipher;
mod index;

use cipher::SessionKeys;
use index::SsrcTable;

/// Most bytes that protecting an RTP packet adds: the GCM tag (RFC 7714 §14.2).
pub const RTP_OVERHEAD: usize = 16;
/// Most bytes that protecting an RTCP packet adds: the tag and the index word.
pub const RTCP_OVERHEAD: usize = 16 + 4;
/// SSRCs per context. The largest legitimate user is a client with 25 seats: audio, video and RTX each, doubled for the
/// SSRCs of RTCP and of earlier negotiations.
pub const MAX_SSRCS: usize = 256;

/// Bytes of an RTCP header and its sender's SSRC, which stay in the clear (RFC 3711 §3.4).
const RTCP_HEADER: usize = 8;
/// E flag of the SRTCP index word.
const ENCRYPTED: u32 = 0x8000_0000;

/// A protection profile of DTLS-SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// RFC 7714 §14.2, preferred: half the cost of the other.
    AeadAes128Gcm,
    /// RFC 5764 §4.1.2, which every WebRTC endpoint must have.
    Aes128CmSha1_80,
}

impl Profile {
    /// By OpenSSL's name; `None` for every other profile.
    pub fn from_openssl_name(name: &str) -> Option<Profile> {
        match name {
            "SRTP_AEAD_AES_128_GCM" => Some(Profile::AeadAes128Gcm),
            "SRTP_AES128_CM_SHA1_80" => Some(Profile::Aes128CmSha1_80),
            _ => None,
        }
    }

    /// Bytes of master key ‖ master salt.
    pub const fn key_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => 16 + 12,
            Profile::Aes128CmSha1_80 => 16 + 14,
        }
    }

    /// Bytes that protecting an RTP packet adds.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Profile::AeadAes128Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Bytes that protecting an RTCP packet adds.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }
}

/// Why a packet was not protected or unprotected. No state changed and the packet must be dropped: after
/// [`SrtpError::Auth`] its bytes may be garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpError {
    /// Not authentic under this key.
    Auth,
    /// Its index was seen before or lies behind the replay window. When protecting: the index was used before, and using
    /// it again would leak the key stream (a retransmission goes over RTX, RFC 4588, with a number of its own).
    Replay,
    /// Not RTP/RTCP, shorter than its header and tag, or not encrypted.
    Malformed(Malformed),
    /// Authentic, but [`MAX_SSRCS`] others came first.
    TooManySsrcs,
    /// 2^48 RTP or 2^31 RTCP packets under one key (RFC 3711 §9.2).
    Exhausted,
    /// The caller's buffer has no room behind the packet.
    NoRoom,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SrtpError::Auth => f.write_str("packet is not authentic"),
            SrtpError::Replay => f.write_str("packet index was used before or is too old"),
            SrtpError::Malformed(malformed) => malformed.fmt(f),
            SrtpError::TooManySsrcs => write!(f, "more than {MAX_SSRCS} SSRCs"),
            SrtpError::Exhausted => f.write_str("key is used up"),
            SrtpError::NoRoom => f.write_str("no room for the authentication tag"),
        }
    }
}

impl std::error::Error for SrtpError {}

impl From<Malformed> for SrtpError {
    fn from(error: Malformed) -> Self {
        SrtpError::Malformed(error)
    }
}

/// Master key ‖ salt is not as long as the profile asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeyLength {
    /// What the profile needs.
    pub expected: usize,
    /// What came.
    pub got: usize,
}

impl fmt::Display for BadKeyLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SRTP master key and salt must be {} bytes, got {}", self.expected, self.got)
    }
}

impl std::error::Error for BadKeyLength {}

/// One direction of one session: use one context to send and another, with the peer's key, to receive.
pub struct Context {
    profile: Profile,
    master: Vec<u8>,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_ssrcs: SsrcTable,
    rtcp_ssrcs: SsrcTable,
}

impl fmt::Debug for Context {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Context {
    /// Derives the session keys (RFC 3711 §4.3) from `master`, the master key followed by the master salt.
    ///
    /// # Errors
    /// [`BadKeyLength`].
    pub fn new(profile: Profile, master: &[u8]) -> Result<Context, BadKeyLength> {
        let bad = BadKeyLength { expected: profile.key_len(), got: master.len() };
        if master.len() != profile.key_len() {
            return Err(bad);
        }
        let (key, salt) = master.split_first_chunk::<16>().ok_or(bad)?;
        Ok(Context {
            profile,
            master: master.to_vec(),
            rtp: SessionKeys::derive(profile, key, salt, cipher::LABEL_RTP),
            rtcp: SessionKeys::derive(profile, key, salt, cipher::LABEL_RTCP),
            rtp_ssrcs: SsrcTable::new(),
            rtcp_ssrcs: SsrcTable::new(),
        })
    }

    /// The profile given to [`Context::new`].
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether this context was made from the same profile and master key. A second context from them would start its
    /// packet indices at zero again and so repeat nonces: keep this one instead.
    pub fn is_from(&self, profile: Profile, master: &[u8]) -> bool {
        self.profile == profile && constant_time::verify_slices_are_equal(&self.master, master).is_ok()
    }

    /// SSRCs that have state: (RTP, RTCP).
    pub fn ssrc_counts(&self) -> (usize, usize) {
        (self.rtp_ssrcs.len(), self.rtcp_ssrcs.len())
    }

    /// Checks and decrypts an SRTP packet in place; the first bytes of `packet`, as many as returned, are then the RTP
    /// packet.
    ///
    /// # Errors
    /// See [`SrtpError`]; the packet must then be dropped.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = rtp::header_len_untrusted(packet)?;
        let body = packet.len().checked_sub(header + self.profile.rtp_overhead());
        body.ok_or(Malformed("shorter than its SRTP tag"))?;
        let ssrc = u32_at(packet, 8);
        let slot = self.rtp_ssrcs.find(ssrc);
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let index = self.rtp_ssrcs.guess(slot, sequence);
        self.rtp_ssrcs.check(slot, index)?;
        let length = self.rtp.open_rtp(packet, header, ssrc, index)?;
        self.rtp_ssrcs.mark(slot, ssrc, index)?;
        Ok(length)
    }

    /// Encrypts the RTP packet in the first `len` bytes of `buf` in place and appends the tag; `buf` needs
    /// [`Profile::rtp_overhead`] bytes behind the packet. Returns the length of the SRTP packet.
    ///
    /// # Errors
    /// [`SrtpError::Replay`] if this SSRC used the sequence number before (see there), and the others as named.
    pub fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let header = rtp::header_len_untrusted(buf.get(..len).ok_or(SrtpError::NoRoom)?)?;
        let out = buf.get_mut(..len + self.profile.rtp_overhead()).ok_or(SrtpError::NoRoom)?;
        let (slot, ssrc, index) = self.next_rtp_index(out)?;
        self.rtp.seal_rtp(out, header, ssrc, index);
        self.rtp_ssrcs.mark(slot, ssrc, index)?;
        Ok(out.len())
    }

    /// Like [`Context::protect_rtp`], with the plaintext payload read from elsewhere instead of copied first: `out` holds
    /// an RTP header in its first `header_len` bytes and receives payload and tag behind it. This is the forwarding path:
    /// one decrypted packet, many receivers.
    ///
    /// # Errors
    /// As [`Context::protect_rtp`]; [`SrtpError::Malformed`] also if the header is not `header_len` long.
    pub fn protect_rtp_from(
        &mut self,
        out: &mut [u8],
        header_len: usize,
        payload: &[u8],
    ) -> Result<usize, SrtpError> {
        let length = header_len + payload.len() + self.profile.rtp_overhead();
        let out = out.get_mut(..length).ok_or(SrtpError::NoRoom)?;
        if rtp::header_len_untrusted(&out[..header_len])? != header_len {
            return Err(Malformed("header length is not the header's").into());
        }
        let (slot, ssrc, index) = self.next_rtp_index(out)?;
        self.rtp.seal_rtp_from(out, header_len, payload, ssrc, index);
        self.rtp_ssrcs.mark(slot, ssrc, index)?;
        Ok(length)
    }

    fn next_rtp_index(&mut self, packet: &[u8]) -> Result<(Option<usize>, u32, u64), SrtpError> {
        let ssrc = u32_at(packet, 8);
        let slot = self.rtp_ssrcs.find(ssrc);
        if slot.is_none() && self.rtp_ssrcs.is_full() {
            return Err(SrtpError::TooManySsrcs);
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let index = self.rtp_ssrcs.guess(slot, sequence);
        if index >> 48 != 0 {
            return Err(SrtpError::Exhausted);
        }
        self.rtp_ssrcs.check(slot, index)?;
        Ok((slot, ssrc, index))
    }

    /// Checks and decrypts an SRTCP packet in place; the first bytes of `packet`, as many as returned, are then the
    /// compound RTCP packet.
    ///
    /// # Errors
    /// See [`SrtpError`]; the packet must then be dropped.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        if packet.len() < RTCP_HEADER + self.profile.rtcp_overhead() {
            return Err(Malformed("shorter than its SRTCP trailer").into());
        }
        if packet[0] >> 6 != 2 {
            return Err(Malformed("RTCP version is not 2").into());
        }
        let word = self.rtcp.index_word(packet);
        if word & ENCRYPTED == 0 {
            return Err(Malformed("SRTCP without encryption").into());
        }
        let (ssrc, index) = (u32_at(packet, 4), word & !ENCRYPTED);
        let slot = self.rtcp_ssrcs.find(ssrc);
        self.rtcp_ssrcs.check(slot, u64::from(index))?;
        let length = self.rtcp.open_rtcp(packet, RTCP_HEADER, ssrc, word)?;
        self.rtcp_ssrcs.mark(slot, ssrc, u64::from(index))?;
        Ok(length)
    }

    /// Encrypts the compound RTCP packet in the first `len` bytes of `buf` in place and appends tag and index; `buf` needs
    /// [`Profile::rtcp_overhead`] bytes behind it. Returns the length of the SRTCP packet.
    ///
    /// # Errors
    /// As named in [`SrtpError`].
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buf.get(..len).ok_or(SrtpError::NoRoom)?;
        if len < RTCP_HEADER || packet[0] >> 6 != 2 {
            return Err(Malformed("not RTCP").into());
        }
        let ssrc = u32_at(packet, 4);
        let out = buf.get_mut(..len + self.profile.rtcp_overhead()).ok_or(SrtpError::NoRoom)?;
        let slot = self.rtcp_ssrcs.find(ssrc);
        if slot.is_none() && self.rtcp_ssrcs.is_full() {
            return Err(SrtpError::TooManySsrcs);
        }
        let index = self.rtcp_ssrcs.next(slot); // RFC 3711 §3.4: starts at zero, one more each time
        if index >= u64::from(ENCRYPTED) {
            return Err(SrtpError::Exhausted);
        }
        self.rtcp.seal_rtcp(out, RTCP_HEADER, ssrc, index as u32 | ENCRYPTED);
        self.rtcp_ssrcs.mark(slot, ssrc, index)?;
        Ok(out.len())
    }
}

fn u32_at(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

#[cfg(test)]
mod tests;
