//! Session keys and the two transforms: AEAD_AES_128_GCM (RFC 7714) and AES-CM with HMAC-SHA1-80 (RFC 3711 §4).
//!
//! Layouts: GCM puts the tag behind the ciphertext and SRTCP's index word last; CM puts the index word first.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac};

use super::{Profile, SrtpError};

/// RFC 3711 §4.3.2: first of the three labels (encryption, authentication, salt) of SRTP …
pub(super) const LABEL_RTP: u8 = 0;
/// … and of SRTCP.
pub(super) const LABEL_RTCP: u8 = 3;

const GCM_TAG: usize = 16;
const CM_TAG: usize = 10;
/// SRTCP's E flag and index.
const WORD: usize = 4;

/// Keys of one context for RTP or for RTCP.
pub(super) enum SessionKeys {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Cm { key: Box<EncryptingKey>, salt: [u8; 16], auth: Box<hmac::Key> },
}

/// AES in counter mode; of the master key, the pseudo-random function of [`derive`].
pub(super) fn prf(key: &[u8; 16]) -> EncryptingKey {
    let key = UnboundCipherKey::new(&cipher::AES_128, key).expect("the key is 16 bytes");
    EncryptingKey::ctr(key).expect("AES-128 has a counter mode")
}

fn apply_key_stream(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) {
    let iv = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(data, iv).expect("a counter mode takes every length");
}

/// AES-CM pseudo-random function (RFC 3711 §4.3.3) with key derivation rate 0. A shorter salt, as GCM's (RFC 7714 §11), is
/// padded with zeros on the right.
pub(super) fn derive<const N: usize>(key: &EncryptingKey, salt: &[u8], label: u8) -> [u8; N] {
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    let mut out = [0; N];
    apply_key_stream(key, iv, &mut out);
    out
}

impl SessionKeys {
    /// From session keys, for the vectors of RFC 7714.
    #[cfg(test)]
    pub(super) fn from_gcm_session(key: &[u8], salt: &[u8]) -> SessionKeys {
        let key = LessSafeKey::new(UnboundKey::new(&aead::AES_128_GCM, key).unwrap());
        SessionKeys::Gcm { key, salt: salt.try_into().unwrap() }
    }

    pub(super) fn derive(profile: Profile, master: &[u8; 16], salt: &[u8], label: u8) -> SessionKeys {
        let master = prf(master);
        let key: [u8; 16] = derive(&master, salt, label);
        match profile {
            Profile::AeadAes128Gcm => {
                let key = UnboundKey::new(&aead::AES_128_GCM, &key).expect("the key is 16 bytes");
                SessionKeys::Gcm { key: LessSafeKey::new(key), salt: derive(&master, salt, label + 2) }
            }
            Profile::Aes128CmSha1_80 => {
                let auth: [u8; 20] = derive(&master, salt, label + 1);
                let session_salt: [u8; 14] = derive(&master, salt, label + 2);
                let mut salt = [0; 16];
                salt[..14].copy_from_slice(&session_salt);
                let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
                SessionKeys::Cm { key: Box::new(prf(&key)), salt, auth: Box::new(auth) }
            }
        }
    }

    /// Opens a packet with a `header` and at least a tag behind it. Returns the plaintext's length.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        match self {
            SessionKeys::Gcm { key, salt } => {
                let end = packet.len() - GCM_TAG;
                let (head, body) = packet.split_at_mut(header);
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                key.open_in_place(nonce, Aad::from(&*head), body).map_err(|_| SrtpError::Auth)?;
                Ok(end)
            }
            SessionKeys::Cm { key, salt, auth } => {
                let (data, tag) = packet.split_at_mut(packet.len() - CM_TAG);
                check(tag, &cm_tag(auth, data, &roll_over(index)))?;
                apply_key_stream(key, cm_iv(salt, ssrc, index), &mut data[header..]);
                Ok(data.len())
            }
        }
    }

    /// Seals a packet whose last bytes, as many as the tag has, are free.
    #[inline]
    pub(super) fn seal_rtp(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) {
        match self {
            SessionKeys::Gcm { key, salt } => {
                let (data, tag) = packet.split_at_mut(packet.len() - GCM_TAG);
                let (head, body) = data.split_at_mut(header);
                gcm_seal(key, gcm_rtp_nonce(salt, ssrc, index), head, body, tag);
            }
            SessionKeys::Cm { key, salt, auth } => {
                let (data, tag) = packet.split_at_mut(packet.len() - CM_TAG);
                apply_key_stream(key, cm_iv(salt, ssrc, index), &mut data[header..]);
                tag.copy_from_slice(&cm_tag(auth, data, &roll_over(index)));
            }
        }
    }

    /// Seals `payload` into `packet` behind its `header`; `packet` is exactly header, payload and tag long.
    #[inline]
    pub(super) fn seal_rtp_from(
        &self,
        packet: &mut [u8],
        header: usize,
        payload: &[u8],
        ssrc: u32,
        index: u64,
    ) {
        match self {
            SessionKeys::Gcm { key, salt } => {
                let (data, tag) = packet.split_at_mut(packet.len() - GCM_TAG);
                let (head, body) = data.split_at_mut(header);
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                key.seal_out_of_place_scatter(nonce, Aad::from(&*head), payload, body, &[], tag)
                    .expect("lengths were made equal");
            }
            SessionKeys::Cm { .. } => {
                packet[header..header + payload.len()].copy_from_slice(payload);
                self.seal_rtp(packet, header, ssrc, index);
            }
        }
    }

    /// E flag and index of an SRTCP packet that is long enough for its trailer.
    pub(super) fn index_word(&self, packet: &[u8]) -> u32 {
        let behind = match self {
            SessionKeys::Gcm { .. } => 0,
            SessionKeys::Cm { .. } => CM_TAG,
        };
        let at = packet.len() - behind - WORD;
        u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
    }

    /// Opens an SRTCP packet that is long enough for its trailer. Returns the plaintext's length.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<usize, SrtpError> {
        match self {
            SessionKeys::Gcm { key, salt } => {
                let end = packet.len() - WORD;
                let (head, body) = packet[..end].split_at_mut(header);
                let aad = gcm_rtcp_aad(head, word);
                key.open_in_place(gcm_rtcp_nonce(salt, ssrc, word), Aad::from(aad), body)
                    .map_err(|_| SrtpError::Auth)?;
                Ok(end - GCM_TAG)
            }
            SessionKeys::Cm { key, salt, auth } => {
                let (data, tag) = packet.split_at_mut(packet.len() - CM_TAG);
                check(tag, &cm_tag(auth, data, &[]))?;
                let end = data.len() - WORD;
                apply_key_stream(key, cm_rtcp_iv(salt, ssrc, word), &mut data[header..end]);
                Ok(end)
            }
        }
    }

    /// Seals an RTCP packet whose last bytes, as many as tag and index word have, are free.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], header: usize, ssrc: u32, word: u32) {
        match self {
            SessionKeys::Gcm { key, salt } => {
                let (data, trailer) = packet.split_at_mut(packet.len() - GCM_TAG - WORD);
                let (tag, last) = trailer.split_at_mut(GCM_TAG);
                last.copy_from_slice(&word.to_be_bytes());
                let (head, body) = data.split_at_mut(header);
                let aad = gcm_rtcp_aad(head, word);
                gcm_seal(key, gcm_rtcp_nonce(salt, ssrc, word), &aad, body, tag);
            }
            SessionKeys::Cm { key, salt, auth } => {
                let (data, tag) = packet.split_at_mut(packet.len() - CM_TAG);
                let end = data.len() - WORD;
                data[end..].copy_from_slice(&word.to_be_bytes());
                apply_key_stream(key, cm_rtcp_iv(salt, ssrc, word), &mut data[header..end]);
                tag.copy_from_slice(&cm_tag(auth, data, &[]));
            }
        }
    }
}

fn gcm_seal(key: &LessSafeKey, nonce: Nonce, aad: &[u8], body: &mut [u8], tag: &mut [u8]) {
    key.seal_in_place_scatter(nonce, Aad::from(aad), body, &[], tag).expect("the tag has 16 bytes");
}

/// RFC 7714 §8.1: 00 00 ‖ SSRC ‖ ROC ‖ SEQ, XORed with the salt. `index` is ROC ‖ SEQ.
#[inline]
fn gcm_rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(xor(nonce, salt))
}

/// RFC 7714 §9.1: 00 00 ‖ SSRC ‖ 00 00 ‖ index, XORed with the salt.
fn gcm_rtcp_nonce(salt: &[u8; 12], ssrc: u32, word: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[8..].copy_from_slice(&(word & 0x7FFF_FFFF).to_be_bytes());
    Nonce::assume_unique_for_key(xor(nonce, salt))
}

/// RFC 7714 §9.2: the header ‖ E flag and index.
fn gcm_rtcp_aad(head: &[u8], word: u32) -> [u8; 12] {
    let mut aad = [0; 12];
    aad[..8].copy_from_slice(head);
    aad[8..].copy_from_slice(&word.to_be_bytes());
    aad
}

/// RFC 3711 §4.1.1: salt · 2^16 ⊕ SSRC · 2^64 ⊕ index · 2^16; `salt` is shifted already.
#[inline]
fn cm_iv(salt: &[u8; 16], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
    iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
    xor(iv, salt)
}

fn cm_rtcp_iv(salt: &[u8; 16], ssrc: u32, word: u32) -> [u8; 16] {
    cm_iv(salt, ssrc, u64::from(word & 0x7FFF_FFFF))
}

/// RFC 3711 §4.2: HMAC-SHA1 over the packet and, for SRTP, the roll-over counter behind it; the leftmost 80 bits.
#[inline]
fn cm_tag(auth: &hmac::Key, data: &[u8], behind: &[u8]) -> [u8; CM_TAG] {
    let mut context = hmac::Context::with_key(auth);
    context.update(data);
    context.update(behind);
    *context.sign().as_ref().first_chunk().expect("SHA-1 has 20 bytes")
}

fn check(got: &[u8], expected: &[u8; CM_TAG]) -> Result<(), SrtpError> {
    constant_time::verify_slices_are_equal(got, expected).map_err(|_| SrtpError::Auth)
}

fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[inline]
fn xor<const N: usize>(mut bytes: [u8; N], mask: &[u8; N]) -> [u8; N] {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    bytes
}

/// 48 bytes of AES-CM key stream, for the vectors of RFC 3711 appendix B.2.
#[cfg(test)]
pub(super) fn key_stream(key: &[u8], iv: &[u8]) -> [u8; 48] {
    let mut out = [0; 48];
    apply_key_stream(&prf(key.try_into().unwrap()), iv.try_into().unwrap(), &mut out);
    out
}
