//! Records of a tap, read as the recorder reads them.

use _dataplane::command::Command;
use _dataplane::tap::buffer::{ReadEnd, buffer};
use _dataplane::tap::record::{HEADER, MAGIC};

use super::Net;

pub const FRAME: u8 = 1;
pub const CLOCK: u8 = 2;
pub const GAP: u8 = 3;
pub const MUTED: u8 = 4;
pub const UNMUTED: u8 = 5;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: u8,
    pub codec: u8,
    pub key: bool,
    pub after_loss: bool,
    pub rotation: u8,
    pub layer: u8,
    pub generation: u32,
    pub at_us: i64,
    pub rtp: i64,
    pub clock_rate: u32,
    pub payload: Vec<u8>,
}

/// All records; panics where a byte is not as it should be.
pub fn read(mut journal: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while !journal.is_empty() {
        let u32_at = |at: usize| u32::from_le_bytes(journal[at..at + 4].try_into().unwrap());
        let i64_at = |at: usize| i64::from_le_bytes(journal[at..at + 8].try_into().unwrap());
        let length = u32_at(8) as usize;
        assert_eq!(u32_at(0), MAGIC);
        assert_eq!(u32_at(4), crc32fast::hash(&journal[8..HEADER + length]));
        entries.push(Entry {
            kind: journal[12],
            codec: journal[13],
            key: journal[14] & 1 != 0,
            after_loss: journal[14] & 2 != 0,
            rotation: journal[14] >> 2,
            layer: journal[15],
            generation: u32_at(16),
            at_us: i64_at(20),
            rtp: i64_at(28),
            clock_rate: u32_at(36),
            payload: journal[HEADER..HEADER + length].to_vec(),
        });
        journal = &journal[HEADER + length..];
    }
    entries
}

/// A tap of a test.
pub struct TestTap(pub ReadEnd);

impl TestTap {
    /// Taps a producer.
    pub fn open(net: &mut Net, tap: u64, producer: u64) -> Self {
        Self::bounded(net, tap, producer, 64 << 20)
    }

    /// Of a layer that is not above this one.
    pub fn up_to(net: &mut Net, tap: u64, producer: u64, max_layer: u8) -> Self {
        let (end, reader) = buffer(64 << 20);
        net.command(Command::OpenTap { tap, producer, max_layer, end });
        Self(reader)
    }

    pub fn bounded(net: &mut Net, tap: u64, producer: u64, max_bytes: usize) -> Self {
        let (end, reader) = buffer(max_bytes);
        net.command(Command::OpenTap { tap, producer, max_layer: u8::MAX, end });
        Self(reader)
    }

    pub fn take(&self) -> Vec<Entry> {
        self.0.take(read)
    }

    /// What there is until now, by kind: frames, and how many of the others.
    pub fn frames(&self) -> (Vec<Entry>, Vec<u8>) {
        let entries = self.take();
        assert!(entries.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us), "time goes back");
        let others = entries.iter().map(|e| e.kind).filter(|kind| *kind != FRAME).collect();
        (entries.into_iter().filter(|e| e.kind == FRAME).collect(), others)
    }
}

/// (track, first packet, packets) of a VP8 frame of a test track.
pub fn marks(frame: &Entry, packet_bytes: usize) -> (u32, u64, usize) {
    // each packet: the tag of the frame, then SSRC, number, filling
    let packets = frame.payload.len() / (13 + packet_bytes);
    assert_eq!(packets * (13 + packet_bytes), frame.payload.len());
    let mark = |n: usize| {
        let at = n * (13 + packet_bytes) + 1;
        let ssrc = u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        (ssrc, u64::from_be_bytes(frame.payload[at + 4..at + 12].try_into().unwrap()))
    };
    let (ssrc, first) = mark(0);
    (1..packets).for_each(|n| assert_eq!(mark(n), (ssrc, first + n as u64), "packets of a frame in order"));
    (ssrc, first, packets)
}
