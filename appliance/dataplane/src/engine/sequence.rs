//! One unbroken run of sequence numbers per consumer, whatever it is fed from.
//!
//! A consumer's stream is cut into *segments*: within one, output and input numbers differ by a constant, and so do
//! timestamps, picture ids and frame numbers. A new segment begins at each switch of source (a new *epoch*), and after each packet
//! that is left out. Kept long enough, segments answer both questions there are: which number a late packet gets, and
//! which packet a NACK means. Lost packets keep their number, so that a repair fits in; packets left out in order take
//! none, so that the receiver sees no gap.

use std::collections::VecDeque;

/// Segments kept: one second of dropping every other frame at 60 fps, and some switches.
const MAX_SEGMENTS: usize = 64;

/// What is constant within a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Caller's id of the producer.
    pub producer: u64,
    /// Layer of it.
    pub layer: u8,
    /// How often the layer's SSRC had changed by then: numbers of another generation mean other packets.
    pub generation: u32,
    /// Added to timestamps.
    pub timestamp_offset: u32,
    /// Added to picture ids of VP8 and VP9.
    pub picture_offset: u16,
    /// Added to TL0PICIDX of VP8 and VP9.
    pub tl0_offset: u8,
    /// Added to frame numbers of dependency descriptors.
    pub frame_offset: u16,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    epoch: u32,
    in_start: u64,
    out_start: u64,
    source: Source,
}

/// The mapping of one consumer.
#[derive(Debug)]
pub struct SequenceMap {
    segments: VecDeque<Segment>,
    epoch: u32,
    highest_in: u64,
    next_out: u64,
}

impl SequenceMap {
    /// Begins with an output number; extended numbers stay clear of zero so that late ones do not wrap below it.
    pub fn new(first_out: u16) -> Self {
        Self {
            segments: VecDeque::new(),
            epoch: 0,
            highest_in: 0,
            next_out: (1 << 16) + u64::from(first_out),
        }
    }

    /// The next output number that has not been given out.
    pub fn next_out(&self) -> u64 {
        self.next_out
    }

    /// The newest input number seen, in the numbers of the current source.
    pub fn highest_in(&self) -> u64 {
        self.highest_in
    }

    /// What the current segment adds.
    pub fn source(&self) -> Option<&Source> {
        self.segments.back().map(|s| &s.source)
    }

    /// Switches to a source whose first packet is `in_seq`; everything before that packet is left out.
    pub fn start(&mut self, in_seq: u64, source: Source) {
        self.epoch = self.epoch.wrapping_add(1);
        self.highest_in = in_seq.saturating_sub(1);
        self.push(Segment { epoch: self.epoch, in_start: in_seq, out_start: self.next_out, source });
    }

    fn push(&mut self, segment: Segment) {
        if self.segments.len() >= MAX_SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(segment);
    }

    /// The output number of a packet of the current source, or None if it came before the source was switched to, is
    /// too old, or was left out.
    pub fn forward(&mut self, in_seq: u64) -> Option<(u64, Source)> {
        let last = self.segments.back()?;
        if in_seq > self.highest_in {
            let out = last.out_start + (in_seq - last.in_start);
            let source = last.source;
            self.highest_in = in_seq;
            self.next_out = out + 1;
            return Some((out, source));
        }
        let mut following: Option<u64> = None;
        for segment in self.segments.iter().rev().take_while(|s| s.epoch == self.epoch) {
            if segment.in_start <= in_seq {
                let out = segment.out_start + (in_seq - segment.in_start);
                return (following.is_none_or(|next| out < next)).then_some((out, segment.source));
            }
            following = Some(segment.out_start);
        }
        None
    }

    /// Leaves a packet of the current source out. True if it came in order and takes no number; false if its number
    /// was given out before, because a later packet overtook it.
    pub fn skip(&mut self, in_seq: u64) -> bool {
        if in_seq <= self.highest_in {
            return false;
        }
        let Some(last) = self.segments.back_mut() else { return true };
        let out = last.out_start + (in_seq - last.in_start);
        self.highest_in = in_seq;
        self.next_out = out;
        if last.in_start == in_seq {
            last.in_start = in_seq + 1;
        } else {
            let segment = Segment { in_start: in_seq + 1, out_start: out, ..*last };
            self.push(segment);
        }
        true
    }

    /// Shifts the picture ids of what follows back by one: a whole frame was left out.
    pub fn skip_picture(&mut self) {
        if let Some(last) = self.segments.back_mut() {
            last.source.picture_offset = last.source.picture_offset.wrapping_sub(1);
        }
    }

    /// Which input packet went out under a number.
    pub fn lookup(&self, out_seq: u64) -> Option<(u64, Source)> {
        if out_seq >= self.next_out {
            return None;
        }
        let segment = self.segments.iter().rev().find(|s| s.out_start <= out_seq)?;
        Some((segment.in_start + (out_seq - segment.out_start), segment.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> (SequenceMap, u64) {
        let mut map = SequenceMap::new(100);
        map.start(1000, Source { producer: 1, ..Source::default() });
        (map, (1 << 16) + 100)
    }

    fn out(map: &mut SequenceMap, in_seq: u64) -> Option<u64> {
        map.forward(in_seq).map(|(out, _)| out)
    }

    #[test]
    fn lost_packets_keep_their_number_and_left_out_ones_take_none() {
        let (mut map, base) = map();
        assert_eq!(out(&mut map, 1000), Some(base));
        assert_eq!(out(&mut map, 1002), Some(base + 2));
        assert!(map.skip(1003) && map.skip(1004));
        assert_eq!(out(&mut map, 1005), Some(base + 3));
        assert!(map.skip(1007)); // 1006 is missing and keeps its place
        assert_eq!(out(&mut map, 1008), Some(base + 5));
        assert_eq!(out(&mut map, 1001), Some(base + 1));
        assert_eq!(out(&mut map, 1006), Some(base + 4));
        assert_eq!([1003, 1004, 1007, 999].map(|s| out(&mut map, s)), [None; 4]);
        assert!(!map.skip(1006));
        for (o, i) in [(0, 1000), (1, 1001), (2, 1002), (3, 1005), (4, 1006), (5, 1008)] {
            assert_eq!(map.lookup(base + o).map(|(i, _)| i), Some(i));
        }
        assert!(map.lookup(base + 6).is_none() && map.lookup(base - 1).is_none());
    }

    #[test]
    fn a_switch_goes_on_without_a_gap_and_refuses_what_came_before_it() {
        let (mut map, base) = map();
        map.forward(1000);
        map.start(50, Source { producer: 2, timestamp_offset: 7, ..Source::default() });
        assert_eq!(map.forward(50).map(|(o, s)| (o, s.producer, s.timestamp_offset)), Some((base + 1, 2, 7)));
        assert_eq!([49, 1001].map(|s| map.lookup(s).is_some()), [false, false]);
        assert_eq!(out(&mut map, 49), None);
        assert_eq!(map.lookup(base).map(|(i, s)| (i, s.producer)), Some((1000, 1)));
        assert_eq!(map.lookup(base + 1).map(|(i, s)| (i, s.producer)), Some((50, 2)));
    }

    /// Against a plain list: any order of arrivals and left-out packets, output numbers are unique and have no hole
    /// other than the packets that never came.
    #[test]
    fn any_order_of_arrival_is_unique_and_dense() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        for _ in 0..200 {
            let (mut map, base) = map();
            let mut order: Vec<u64> = (1000..1060).collect();
            for _ in 0..30 {
                let at = next(59) as usize;
                order.swap(at, at + 1);
            }
            let mut given = Vec::new();
            for seq in order {
                if next(4) == 0 && map.skip(seq) {
                    continue;
                }
                let (out, _) = map.forward(seq).unwrap();
                assert_eq!(map.lookup(out).map(|(i, _)| i), Some(seq));
                given.push(out);
            }
            given.sort_unstable();
            given.dedup();
            assert_eq!(given.len() as u64, map.next_out() - base);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (mut map, _) = map();
        for i in 0..10_000 {
            map.skip(1000 + 2 * i);
            map.forward(1001 + 2 * i);
        }
        assert_eq!(map.segments.len(), MAX_SEGMENTS);
    }
}
