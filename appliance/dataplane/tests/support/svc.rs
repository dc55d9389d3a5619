//! A publisher of VP9 with spatial and temporal layers in one SSRC, and a subscriber that decodes what it gets: each frame
//! carries in its payload which frames it refers to.

use std::collections::{BTreeMap, BTreeSet};

use _dataplane::codec::dependency_descriptor::{self, Structure};
use _dataplane::codec::vp9;
use _dataplane::rtp::{HeaderBuilder, RtpView};
use _dataplane::units::extend_seq;

/// Bits of a descriptor.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: usize) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let byte =
            |bits: &[bool]| bits.iter().enumerate().fold(0, |b, (i, bit)| b | u8::from(*bit) << (7 - i));
        self.0.chunks(8).map(byte).collect()
    }
}

const TEMPORAL: usize = 3;
const PATTERN: [usize; 4] = [0, 2, 1, 2];

/// The publisher.
pub struct Source {
    pub ssrc: u32,
    pub spatial: usize,
    /// Spatial layers depend on each other at key frames only.
    pub key_only: bool,
    /// Has dependency descriptors.
    pub described: bool,
    pub want_key: bool,
    pub key_frames: u64,
    pub sequence: u16,
    pub timestamp: u32,
    picture: u16,
    place: usize,
    number: u32,
    /// Last frame of each chain.
    chains: [u32; 3],
    /// Numbers of the frames that may be referred to: by spatial layer those of T0 and T1.
    known: [[u32; 2]; 3],
}

impl Source {
    pub fn new(ssrc: u32, spatial: usize, key_only: bool, described: bool) -> Self {
        Self {
            ssrc,
            spatial,
            key_only,
            described,
            want_key: true,
            key_frames: 0,
            sequence: (ssrc as u16).wrapping_mul(7919) | 0xff00,
            timestamp: ssrc.wrapping_mul(2_654_435_761),
            picture: ssrc as u16 & 0x7fff,
            place: 0,
            number: ssrc >> 3 | 0xfff0,
            chains: [0; 3],
            known: [[0; 2]; 3],
        }
    }

    /// The packets of the next picture, without MID if `mid` is 0.
    pub fn picture(&mut self, payload_type: u8, mid: u8, descriptor: u8) -> Vec<Vec<u8>> {
        let key = std::mem::take(&mut self.want_key);
        if key {
            self.place = 0;
            self.key_frames += 1;
        }
        let (place, temporal) = (self.place, PATTERN[self.place]);
        self.place = (self.place + 1) % 4;
        self.timestamp = self.timestamp.wrapping_add(3000);
        self.picture = self.picture.wrapping_add(1) & 0x7fff;
        let mut packets = Vec::new();
        for spatial in 0..self.spatial {
            self.number += 1;
            let number = self.number;
            let mut refs = Vec::new();
            if !key {
                refs.push(self.known[spatial][usize::from(place == 3)]);
            }
            let between = key || !self.key_only;
            if spatial > 0 && between {
                refs.push(number - 1);
            }
            match temporal {
                0 => self.known[spatial] = [number; 2],
                1 => self.known[spatial][1] = number,
                _ => {}
            }
            let needed = |target: usize| {
                target % TEMPORAL >= temporal
                    && (target / TEMPORAL == spatial || (between && target / TEMPORAL > spatial))
            };
            let described =
                self.describe(key && spatial == 0, number, (spatial, temporal), &refs, key, needed);
            if temporal == 0 {
                let upper = if between { self.spatial } else { spatial + 1 };
                self.chains[spatial..upper].fill(number);
            }
            for (first, last) in [(true, false), (false, true)] {
                let mut dd = Bits::default();
                dd.put(u32::from(first), 1).put(u32::from(last), 1);
                dd.0.extend(&described.0);
                let bytes = if first { dd.bytes() } else { later(&dd) };
                let top = spatial + 1 == self.spatial;
                let not_for_upper = self.key_only && !key;
                let flags = 0x80
                    | u8::from(!key) << 6
                    | 0x20
                    | 0x10
                    | u8::from(first) << 3
                    | u8::from(last) << 2
                    | u8::from(top || not_for_upper);
                let [high, low] = (self.picture | 0x8000).to_be_bytes();
                let switch = u8::from(place < 3) << 4;
                let layers =
                    (temporal as u8) << 5 | switch | (spatial as u8) << 1 | u8::from(spatial > 0 && between);
                let mut payload = vec![flags, high, low, layers];
                if !key {
                    payload.push(4 << 1); // P_DIFF, flexible mode; nothing here reads it
                }
                payload.extend(self.ssrc.to_be_bytes());
                payload.extend(number.to_be_bytes());
                payload.push(refs.len() as u8);
                refs.iter().for_each(|r| payload.extend(r.to_be_bytes()));
                payload.resize(payload.len() + 200 * (spatial + 1), 0xee);
                let mut extensions: Vec<(u8, &[u8])> = vec![(mid, b"0")];
                if self.described {
                    extensions.push((descriptor, &bytes));
                }
                let header = HeaderBuilder {
                    payload_type,
                    marker: last && top,
                    sequence: self.sequence,
                    timestamp: self.timestamp,
                    ssrc: self.ssrc,
                    padding: false,
                    extensions: &extensions,
                };
                self.sequence = self.sequence.wrapping_add(1);
                let mut packet = vec![0; 400];
                let length = header.write(&mut packet).unwrap();
                packet.truncate(length);
                packet.extend(payload);
                packets.push(packet);
            }
        }
        packets
    }

    /// All of a descriptor behind its first two bits.
    fn describe(
        &self,
        structure: bool,
        number: u32,
        (spatial, temporal): (usize, usize),
        refs: &[u32],
        key: bool,
        needed: impl Fn(usize) -> bool,
    ) -> Bits {
        let targets = self.spatial * TEMPORAL;
        let mut bits = Bits::default();
        let template = 7 + (spatial * TEMPORAL + temporal) as u32;
        bits.put(template, 6).put(number & 0xffff, 16);
        bits.put(u32::from(structure) << 4 | 0b00111, 5);
        if structure {
            bits.put(7, 6).put(targets as u32 - 1, 5);
            for one in 1..=targets {
                let next = if one == targets {
                    3
                } else if one % TEMPORAL == 0 {
                    2
                } else {
                    1
                };
                bits.put(next, 2);
            }
            for one in 0..targets {
                for target in 0..targets {
                    let lower = one % TEMPORAL <= target % TEMPORAL;
                    let same = one / TEMPORAL == target / TEMPORAL;
                    let below = !self.key_only && one / TEMPORAL <= target / TEMPORAL;
                    bits.put(if lower && (same || below) { 2 } else { 0 }, 2);
                }
            }
            bits.0.extend(vec![false; targets]); // references are always told by the frame itself
            let (count, limit) = (self.spatial as u32, targets as u32 + 1);
            below(&mut bits, count, limit);
            (0..targets).for_each(|target| below(&mut bits, (target / TEMPORAL) as u32, count));
            bits.0.extend(vec![false; 4 * targets * self.spatial]);
            bits.put(0, 1);
        }
        for target in 0..targets {
            let indication = match (needed(target), temporal) {
                (false, _) => 0,
                (true, 2) => 1,
                (true, _) => 2,
            };
            bits.put(indication, 2);
        }
        refs.iter().for_each(|r| {
            bits.put(2, 2).put(number - r - 1, 8);
        });
        bits.put(0, 2);
        for chain in 0..self.spatial {
            bits.put(if key && spatial == 0 { 0 } else { number - self.chains[chain] }, 8);
        }
        bits
    }
}

/// The same without the structure, which only the first packet of a frame has.
fn later(bits: &Bits) -> Vec<u8> {
    let with_structure = bits.0[24];
    if !with_structure {
        return bits.bytes();
    }
    bits.bytes()[..3].to_vec()
}

/// `ns(n)`.
fn below(bits: &mut Bits, value: u32, limit: u32) {
    let width = (32 - limit.leading_zeros()) as usize;
    let short = (1 << width) - limit;
    if value < short {
        bits.put(value, width - 1)
    } else {
        bits.put(value + short, width)
    };
}

/// One frame that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub source: u32,
    pub number: u32,
    pub spatial: u8,
    pub temporal: u8,
    pub timestamp: u32,
    /// Its last packet ends the picture.
    pub ends_picture: bool,
    refs: Vec<u32>,
    whole: (bool, bool),
    described: Option<u16>,
    picture: u16,
}

/// The subscriber.
#[derive(Default)]
pub struct Decoder {
    pub packets: BTreeMap<u64, Vec<u8>>,
    highest: u64,
}

impl Decoder {
    pub fn take(&mut self, packet: &[u8]) {
        let sequence = RtpView::parse_untrusted(packet).unwrap().sequence();
        let seq = if self.packets.is_empty() {
            1 << 16 | u64::from(sequence)
        } else {
            extend_seq(self.highest, sequence)
        };
        self.highest = self.highest.max(seq);
        self.packets.insert(seq, packet.to_vec());
    }

    /// Checks what a decoder relies on, and returns the frames in order.
    pub fn frames(&self, descriptor: u8) -> Vec<Seen> {
        let mut frames: Vec<Seen> = Vec::new();
        let mut structure = Structure::default();
        let mut last = None;
        for (seq, packet) in &self.packets {
            assert!(last.is_none_or(|last| last + 1 == *seq), "a gap before {seq}");
            last = Some(*seq);
            let view = RtpView::parse_untrusted(packet).unwrap();
            let payload = view.payload();
            if payload.is_empty() {
                continue; // it fills the number of one that was overtaken and then left out
            }
            let read = vp9::Descriptor::parse_untrusted(payload).unwrap();
            let body = &payload[if read.inter_picture { 5 } else { 4 }..];
            let word = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
            let described = view.extension(descriptor).map(|bytes| {
                let read = dependency_descriptor::parse_untrusted(bytes, &mut structure);
                read.map_or_else(
                    || u16::from_be_bytes([bytes[1], bytes[2]]),
                    |read| {
                        if read.head.start_of_frame && structure.target_count() > 1 {
                            let active = read.active_targets.expect("the first packet says what is sent");
                            assert!(active & read.frame.present != 0, "a frame that nobody needs: {read:?}");
                        }
                        read.frame.number
                    },
                )
            });
            let number = word(4);
            if frames.last().is_none_or(|f| (f.source, f.number) != (word(0), number)) {
                assert!(read.starts_frame, "frame {number} begins in its middle");
                frames.push(Seen {
                    source: word(0),
                    number,
                    spatial: read.spatial.unwrap(),
                    temporal: read.temporal.unwrap(),
                    timestamp: view.timestamp(),
                    ends_picture: false,
                    refs: (0..usize::from(body[8])).map(|i| word(9 + 4 * i)).collect(),
                    whole: (false, false),
                    described,
                    picture: read.picture_id.unwrap(),
                });
            }
            let frame = frames.last_mut().unwrap();
            frame.ends_picture |= view.marker();
            frame.whole = (frame.whole.0 | read.starts_frame, frame.whole.1 | read.ends_frame);
            assert_eq!(frame.described, described, "one number for a frame");
        }
        check(&frames);
        frames
    }
}

fn check(frames: &[Seen]) {
    let mut got = BTreeSet::new();
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(frame.whole, (true, true), "{frame:?}");
        for refers in &frame.refs {
            assert!(got.contains(&(frame.source, *refers)), "{frame:?} refers to what was left out");
        }
        got.insert((frame.source, frame.number));
        let Some(before) = index.checked_sub(1).map(|i| &frames[i]) else { continue };
        let ahead = frame.timestamp.wrapping_sub(before.timestamp) as i32;
        assert_eq!(
            before.ends_picture,
            ahead > 0,
            "the marker is where the picture ends: {before:?} {frame:?}"
        );
        let pictures = frame.picture.wrapping_sub(before.picture) & 0x7fff;
        assert_eq!(pictures > 0, ahead > 0, "{before:?} {frame:?}");
        if before.source != frame.source {
            assert_eq!((pictures, frame.refs.len()), (1, 0), "a source begins at once and alone");
        }
        if let (Some(one), Some(two)) = (before.described, frame.described) {
            let step = two.wrapping_sub(one);
            assert!(step > 0 && step < 100, "{before:?} {frame:?}");
            assert!(before.source == frame.source || step == 1, "{before:?} {frame:?}");
        }
    }
}
