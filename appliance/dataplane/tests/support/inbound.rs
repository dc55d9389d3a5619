//! What a test peer received on one m-line, and what every receiver relies on.

use std::collections::BTreeMap;

use _dataplane::command::Kind;
use _dataplane::units::Time;

/// One packet that a peer received, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub playout: Option<Vec<u8>>,
    /// Bytes of RED's older blocks with all headers; 0 without RED.
    pub older: usize,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    pub picture: u16,
    pub tl0: u8,
    pub temporal: u8,
    pub key_frame: bool,
    /// SSRC of the track it came from, and its index there.
    pub mark: Option<(u32, u64)>,
    pub mid: Vec<u8>,
    pub by_rtx: bool,
    pub at: Time,
}

/// One m-line that a peer receives on.
pub struct Inbound {
    pub consumer: u64,
    pub ssrc: u32,
    pub kind: Kind,
    pub got: BTreeMap<u64, Got>,
    pub duplicates: u64,
    pub highest: u64,
    pub rtx_packets: u64,
    /// (our arrival time, NTP, RTP) of sender reports.
    pub reports: Vec<(Time, u64, u32)>,
    /// Asks for nothing when false.
    pub repairs: bool,
    pub asked: BTreeMap<u64, (Time, u32)>,
}

impl Inbound {
    /// Checks what every receiver relies on: no gap, time never falls, one timestamp per frame, picture ids without a
    /// gap, marks of one source in order; returns the sources in order of appearance with how many packets each gave.
    pub fn assert_continuous(&self) -> Vec<(u32, u64)> {
        let mut sources: Vec<(u32, u64)> = Vec::new();
        let mut last: Option<(u64, &Got)> = None;
        for (seq, got) in &self.got {
            if let Some((before, earlier)) = last {
                assert_eq!(*seq, before + 1, "a gap after {before} of {:?}", self.ssrc);
                let step = got.timestamp.wrapping_sub(earlier.timestamp) as i32;
                assert!((0..90_000 * 60).contains(&step), "timestamp step {step} at {seq}");
                if self.kind == Kind::Video && got.mark.is_some() && earlier.mark.is_some() {
                    let pictures = got.picture.wrapping_sub(earlier.picture) & 0x7fff;
                    assert!(pictures <= 1, "picture {} after {}", got.picture, earlier.picture);
                    assert_eq!(pictures == 1, step > 0, "time and picture move together at {seq}");
                    let tl0 = got.tl0.wrapping_sub(earlier.tl0);
                    assert!(tl0 <= 1, "TL0PICIDX {} after {}", got.tl0, earlier.tl0);
                }
            }
            if let Some((source, index)) = got.mark {
                let switched = sources.last().is_none_or(|(s, _)| *s != source);
                if switched {
                    assert!(
                        self.kind == Kind::Audio || got.key_frame,
                        "{source:x} begins without a key frame"
                    );
                    sources.push((source, 0));
                } else if let Some((_, Got { mark: Some((_, before)), .. })) = last {
                    assert!(index > *before, "mark {index} after {before}");
                }
                sources.last_mut().unwrap().1 += 1;
            }
            assert_eq!(got.mid, format!("r{}", self.consumer).into_bytes());
            last = Some((*seq, got));
        }
        sources
    }
}
