//! A VP9 picture from its packets (RFC 9628): the frames of its spatial layers, behind each other; where there are several,
//! with a superframe index (VP9 bitstream specification, annex B) behind them.

use super::frame::Finished;
use crate::codec::vp9::Descriptor;
use crate::wire::Malformed;

/// Annex B.2: frames in a superframe.
const MAX_LAYERS: usize = 8;

/// The picture that is being put together.
#[derive(Default)]
pub struct Vp9 {
    /// Where the layers' frames begin.
    starts: [usize; MAX_LAYERS],
    layers: usize,
    /// The layer's last packet is not here yet.
    open: bool,
    key: bool,
}

impl Vp9 {
    /// Forgets what there is.
    pub fn begin(&mut self) {
        *self = Self::default();
    }

    /// Takes the next packet's payload.
    pub fn push_untrusted(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let descriptor = Descriptor::parse_untrusted(payload);
        let descriptor = descriptor.ok_or(Malformed("VP9 descriptor past the end"))?;
        let data = descriptor.payload_untrusted(payload).ok_or(Malformed("VP9 descriptor past the end"))?;
        if descriptor.starts_frame == self.open {
            return Err(Malformed("VP9 frame without its first packet, or with two"));
        }
        if descriptor.starts_frame {
            if self.layers == MAX_LAYERS {
                return Err(Malformed("more VP9 layers than eight"));
            }
            if self.layers == 0 {
                self.key = !descriptor.inter_picture && descriptor.spatial.unwrap_or(0) == 0;
            }
            self.starts[self.layers] = out.len();
            self.layers += 1;
        }
        self.open = !descriptor.ends_frame;
        out.extend_from_slice(data);
        Ok(())
    }

    /// What the picture is; several layers get their index.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Finished, Malformed> {
        let starts = &self.starts[..self.layers];
        let ends = starts.iter().skip(1).copied().chain([out.len()]);
        let mut sizes = [0; MAX_LAYERS];
        for ((size, start), end) in sizes.iter_mut().zip(starts).zip(ends) {
            *size = end - start;
        }
        let sizes = &sizes[..self.layers];
        if self.open || sizes.is_empty() || sizes.contains(&0) {
            return Err(Malformed("VP9 frame without its last packet, or empty"));
        }
        if sizes.len() > 1 {
            let longest = sizes.iter().max().copied().unwrap_or(0);
            let width = (usize::BITS - longest.leading_zeros()).div_ceil(8) as usize;
            let marker = 0xC0 | (width as u8 - 1) << 3 | (sizes.len() as u8 - 1);
            out.push(marker);
            sizes.iter().for_each(|size| out.extend_from_slice(&size.to_le_bytes()[..width]));
            out.push(marker);
        }
        Ok(if self.key { Finished::Key } else { Finished::Delta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B, E, P, and the layer's number with a picture id and P_DIFF, flexible.
    fn packet(begins: bool, ends: bool, key: bool, spatial: u8, data: &[u8]) -> Vec<u8> {
        let flags = 0xB0 | u8::from(!key) << 6 | u8::from(begins) << 3 | u8::from(ends) << 2;
        let mut packet = vec![flags, 0x81, 0x23, spatial << 1];
        if !key {
            packet.extend([0x03, 0x02]); // two references
        }
        packet.extend(data);
        packet
    }

    fn picture(packets: &[Vec<u8>]) -> Result<(Finished, Vec<u8>), Malformed> {
        let (mut form, mut out) = (Vp9::default(), Vec::new());
        packets.iter().try_for_each(|packet| form.push_untrusted(packet, &mut out))?;
        form.finish(&mut out).map(|finished| (finished, out))
    }

    #[test]
    fn one_layer_is_itself() {
        let packets = [packet(true, false, true, 0, &[1, 2]), packet(false, true, true, 0, &[3])];
        assert_eq!(picture(&packets), Ok((Finished::Key, vec![1, 2, 3])));
        assert_eq!(picture(&[packet(true, true, false, 0, &[9])]), Ok((Finished::Delta, vec![9])));
        let structured = [0x8A | 4, 5, 0x38, 0, 64, 0, 48, 0, 128, 0, 96, 1, 0x24, 2, 3, 7];
        // V: two layers with sizes, and a picture group of one picture that refers to one
        assert_eq!(picture(&[structured.to_vec()]), Ok((Finished::Key, vec![3, 7])));
    }

    #[test]
    fn layers_are_joined_by_an_index() {
        let big = vec![5; 300];
        let packets = [
            packet(true, true, true, 0, &[1, 2]),
            packet(true, false, true, 1, &big),
            packet(false, true, true, 1, &[6]),
        ];
        let (finished, out) = picture(&packets).unwrap();
        assert_eq!((finished, out.len()), (Finished::Key, 303 + 6));
        assert_eq!(out[303..], [0xC9, 2, 0, 45, 1, 0xC9]);
    }

    #[test]
    fn half_pictures_are_refused() {
        let whole = |key, spatial| packet(true, true, key, spatial, &[1]);
        for packets in [
            vec![packet(false, true, true, 0, &[1])],
            vec![packet(true, false, true, 0, &[1])],
            vec![packet(true, false, true, 0, &[1]), whole(true, 1)],
            vec![packet(true, true, true, 0, &[])],
            vec![whole(false, 0)[..5].to_vec()],
            (0..9).map(|spatial| whole(true, spatial & 7)).collect(),
            vec![],
        ] {
            assert!(picture(&packets).is_err(), "{packets:?}");
        }
    }
}
