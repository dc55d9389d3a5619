//! H.264 payloads, RFC 6184: whether a packet begins a key frame.

use super::FrameInfo;

const IDR: u8 = 5;
const SPS: u8 = 7;
const AUD: u8 = 9;
const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const FU_A: u8 = 28;
const FU_B: u8 = 29;

/// Read one payload; None if an aggregate or fragment is cut short.
pub fn inspect_untrusted(payload: &[u8]) -> Option<FrameInfo> {
    let &indicator = payload.first()?;
    let reference = indicator & 0x60 != 0; // nal_ref_idc
    let key_frame = match indicator & 0x1f {
        STAP_A => aggregate_has_key(&payload[1..])?,
        STAP_B => aggregate_has_key(payload.get(3..)?)?,
        FU_A | FU_B => {
            let &header = payload.get(1)?;
            header & 0x80 != 0 && starts_key(header & 0x1f)
        }
        nal_type => starts_key(nal_type),
    };
    Some(FrameInfo {
        key_frame,
        starts_frame: key_frame,
        discardable: !reference,
        switching_point: key_frame,
        ..FrameInfo::default()
    })
}

/// Whether the payload begins an access unit for sure: with a delimiter or an SPS (H.264 §7.4.1.2.3).
pub fn starts_access_unit(payload: &[u8]) -> bool {
    let first = match payload.first().map(|indicator| indicator & 0x1f) {
        Some(STAP_A) => payload.get(3).map(|header| header & 0x1f),
        other => other,
    };
    matches!(first, Some(SPS | AUD))
}

/// An SPS comes first in the key frames of every WebRTC encoder; a lone IDR counts for those that send the SPS apart.
fn starts_key(nal_type: u8) -> bool {
    matches!(nal_type, IDR | SPS)
}

/// §5.7.1: size (16 bits), NAL unit, and again.
fn aggregate_has_key(mut units: &[u8]) -> Option<bool> {
    let mut key = false;
    while !units.is_empty() {
        let (size, rest) = units.split_at_checked(2)?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([size[0], size[1]])))?;
        key |= starts_key(unit.first()? & 0x1f);
        units = rest;
    }
    Some(key)
}
