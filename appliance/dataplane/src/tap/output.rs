//! What a tap writes: frames with unwrapped time, the clock of their layer before the first one that it is news to, and gaps
//! before what follows them.

use std::sync::Arc;

use super::buffer::WriteEnd;
use super::record::{Kind, Record};
use crate::codec::Codec;
use crate::engine::timeline::{Ntp, NtpClock, Report};
use crate::units::Time;

/// `_dataplane.pyi`: up to three simulcast layers.
pub const LAYERS: usize = 3;

/// One frame.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// Its format.
    pub codec: Codec,
    /// Flags of the record.
    pub flags: u8,
    /// Which layer.
    pub layer: u8,
    /// Of which numbering.
    pub generation: u32,
    /// Unwrapped.
    pub rtp: i64,
    /// Hz of it.
    pub clock_rate: u32,
    /// When it came.
    pub at: Time,
    /// Last report of its layer.
    pub report: Option<Report>,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// The way into the buffer.
pub struct Output {
    end: Arc<WriteEnd>,
    clock: NtpClock,
    /// Arrival of the last record: time never goes back.
    last: Time,
    gap: bool,
    full: bool,
    /// Which report of which layer was told.
    told: Option<(u8, u32, Ntp)>,
    /// (generation, last timestamp) of each layer.
    timelines: [Option<(u32, i64)>; LAYERS],
    /// Frames that were written.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that were dropped because the buffer was full.
    pub dropped: u64,
}

impl Output {
    /// Writes to a buffer; `clock` gives the time of day.
    pub fn new(end: Arc<WriteEnd>, clock: NtpClock) -> Self {
        Self {
            end,
            clock,
            last: Time(0),
            gap: false,
            full: false,
            told: None,
            timelines: [None; LAYERS],
            frames: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// Nobody wants it any more.
    pub fn is_closed(&self) -> bool {
        self.end.is_closed()
    }

    /// The last frame found no room.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Frames were lost before the next one.
    pub fn gap(&mut self) {
        self.gap = true;
    }

    /// A timestamp of a layer, by the last one. Its low 32 bits stay what they are.
    pub fn unwrap(&mut self, layer: u8, generation: u32, timestamp: u32) -> i64 {
        let Some(timeline) = self.timelines.get_mut(usize::from(layer)) else { return i64::from(timestamp) };
        let rtp = match *timeline {
            Some((known, last)) if known == generation => nearest(last, timestamp),
            _ => i64::from(timestamp),
        };
        *timeline = Some((generation, rtp));
        rtp
    }

    /// Writes a frame. False if there is no room: then the next one that has comes behind a gap.
    pub fn frame(&mut self, frame: &Written<'_>) -> bool {
        let at = self.last.max(frame.at);
        let record = Record {
            kind: Kind::Frame,
            codec: Some(frame.codec),
            flags: frame.flags,
            layer: frame.layer,
            generation: frame.generation,
            at_us: self.clock.unix_us(at),
            rtp: frame.rtp,
            clock_rate: frame.clock_rate,
            payload: frame.payload,
        };
        let gap = Record { kind: Kind::Gap, codec: None, flags: 0, payload: &[], ..record };
        let report = frame.report.map(|r| (r, (frame.layer, frame.generation, r.ntp)));
        let report = report.filter(|(_, told)| self.told != Some(*told));
        let ntp = report.map_or(0, |(report, _)| report.ntp).to_le_bytes();
        let mut clock = Record { kind: Kind::Clock, payload: &ntp, ..gap };
        if let Some((report, _)) = report {
            clock.at_us = self.clock.unix_us(self.last.max(report.arrived.min(at)));
            clock.rtp = nearest(frame.rtp, report.rtp);
        }
        let (mut records, mut count) = ([record; 3], 0);
        for (record, wanted) in [(clock, report.is_some()), (gap, self.gap), (record, true)] {
            records[count] = record;
            count += usize::from(wanted);
        }
        self.full = !self.end.write(&records[..count]);
        if self.full {
            self.gap = true;
            self.dropped += 1;
            return false;
        }
        (self.last, self.gap) = (at, false);
        self.told = report.map(|(_, told)| told).or(self.told);
        self.frames += 1;
        self.bytes += frame.payload.len() as u64;
        true
    }

    /// Writes that the track is muted, or is not any more.
    pub fn muted(&mut self, now: Time, muted: bool) {
        self.last = self.last.max(now);
        self.end.mark(&Record {
            kind: if muted { Kind::Muted } else { Kind::Unmuted },
            codec: None,
            flags: 0,
            layer: 0,
            generation: 0,
            at_us: self.clock.unix_us(self.last),
            rtp: 0,
            clock_rate: 0,
            payload: &[],
        });
    }
}

/// The number nearest to `last` whose low 32 bits are `timestamp`.
fn nearest(last: i64, timestamp: u32) -> i64 {
    last + i64::from(timestamp.wrapping_sub(last as u32) as i32)
}
