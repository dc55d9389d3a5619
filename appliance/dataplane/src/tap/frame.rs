//! A frame from the payloads of its packets, in order and without gaps, in the form that files keep it in.
//!
//! Everything here reads bytes of a stranger: what is malformed costs that frame.

use super::av1::Av1;
use super::h264::H264;
use super::vp8::Vp8;
use super::vp9::Vp9;
use crate::codec::Codec;
use crate::wire::Malformed;

/// Bytes of a frame at most: a key frame of a shared screen in 4K has two millions.
pub const MAX_FRAME: usize = 4 << 20;

/// What a frame is to a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It can start here.
    Key,
    /// It needs what came before.
    Delta,
    /// There is no picture in it.
    Nothing,
}

enum Form {
    Vp8(Vp8),
    Vp9(Vp9),
    H264(H264),
    Av1(Av1),
}

/// Puts frames of one codec together, one after the other.
pub struct Depacketiser {
    codec: Codec,
    form: Form,
    out: Vec<u8>,
}

impl Depacketiser {
    /// None for what is not a picture.
    pub fn new(codec: Codec) -> Option<Self> {
        let form = match codec {
            Codec::Vp8 => Form::Vp8(Vp8::default()),
            Codec::Vp9 => Form::Vp9(Vp9::default()),
            Codec::H264 => Form::H264(H264::default()),
            Codec::Av1 => Form::Av1(Av1::default()),
            Codec::Opus | Codec::Red | Codec::Other => return None,
        };
        Some(Self { codec, form, out: Vec::new() })
    }

    /// Of which codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Forgets what there is of a frame.
    pub fn begin(&mut self) {
        self.out.clear();
        // a burst is given back: frames of more than 256 KiB are rare
        self.out.shrink_to(256 << 10);
        match &mut self.form {
            Form::Vp8(form) => *form = Vp8::default(),
            Form::Vp9(form) => form.begin(),
            Form::H264(form) => form.begin(),
            Form::Av1(form) => form.begin(),
        }
    }

    /// Takes the payload of the frame's next packet.
    ///
    /// # Errors
    /// [`Malformed`]: the frame is lost, `begin` another one.
    pub fn push_untrusted(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let out = &mut self.out;
        match &mut self.form {
            Form::Vp8(form) => form.push_untrusted(payload, out)?,
            Form::Vp9(form) => form.push_untrusted(payload, out)?,
            Form::H264(form) => form.push_untrusted(payload, out)?,
            Form::Av1(form) => form.push_untrusted(payload, out)?,
        }
        let pending = if let Form::Av1(form) = &self.form { form.pending() } else { 0 };
        if self.out.len() + pending > MAX_FRAME { Err(Malformed("frame longer than 4 MiB")) } else { Ok(()) }
    }

    /// The last packet was taken: what the frame is, its bytes are in `frame`.
    ///
    /// # Errors
    /// [`Malformed`]: the frame is lost.
    pub fn finish(&mut self) -> Result<Finished, Malformed> {
        match &mut self.form {
            Form::Vp8(_) => Vp8::finish(&self.out),
            Form::Vp9(form) => form.finish(&mut self.out),
            Form::H264(form) => form.finish(&mut self.out),
            Form::Av1(form) => form.finish(),
        }
    }

    /// The frame that was finished.
    pub fn frame(&self) -> &[u8] {
        &self.out
    }
}
