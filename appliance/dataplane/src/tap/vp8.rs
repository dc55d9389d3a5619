//! A VP8 frame from its packets (RFC 7741): the payloads without their descriptors.

use super::frame::Finished;
use crate::codec::vp8::Descriptor;
use crate::wire::Malformed;

/// The frame that is being put together.
#[derive(Default)]
pub struct Vp8 {
    began: bool,
}

impl Vp8 {
    /// Takes the next packet's payload.
    pub fn push_untrusted(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let descriptor =
            Descriptor::parse_untrusted(payload).ok_or(Malformed("VP8 descriptor past the end"))?;
        if descriptor.starts_frame == self.began {
            return Err(Malformed("VP8 frame without its first packet, or with two"));
        }
        self.began = true;
        out.extend_from_slice(&payload[descriptor.length..]);
        Ok(())
    }

    /// What the frame is. RFC 6386 §9.1: the lowest bit of its tag.
    pub fn finish(out: &[u8]) -> Result<Finished, Malformed> {
        match out.first() {
            Some(tag) if tag & 1 == 0 => Ok(Finished::Key),
            Some(_) => Ok(Finished::Delta),
            None => Err(Malformed("empty VP8 frame")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_go_and_order_is_kept() {
        let (mut form, mut out) = (Vp8::default(), Vec::new());
        form.push_untrusted(&[0x90, 0xE0, 0x81, 0x23, 7, 0x60, 0x10, 1, 2], &mut out).unwrap();
        form.push_untrusted(&[0x80, 0x80, 0x11, 3], &mut out).unwrap();
        assert_eq!((&out[..], Vp8::finish(&out)), (&[0x10, 1, 2, 3][..], Ok(Finished::Key)));
        assert_eq!(Vp8::finish(&[0x11]), Ok(Finished::Delta));
    }

    #[test]
    fn half_frames_are_refused() {
        let mut out = Vec::new();
        assert!(Vp8::default().push_untrusted(&[0, 1], &mut out).is_err(), "no beginning");
        assert!(Vp8::default().push_untrusted(&[0x90, 0xE0, 0x81], &mut out).is_err(), "cut short");
        let mut form = Vp8::default();
        form.push_untrusted(&[0x10, 1], &mut out).unwrap();
        assert!(form.push_untrusted(&[0x10, 1], &mut out).is_err(), "two beginnings");
        form = Vp8::default();
        out.clear();
        form.push_untrusted(&[0x10], &mut out).unwrap();
        assert!(Vp8::finish(&out).is_err(), "nothing in it");
    }
}
