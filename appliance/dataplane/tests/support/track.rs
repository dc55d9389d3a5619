//! Something that a test peer publishes: VP8 or Opus with a mark in each payload.

use std::collections::BTreeMap;
use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::units::Time;

/// Something that a peer publishes.
pub struct Track {
    pub kind: Kind,
    pub mid: String,
    pub rid: Option<String>,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub running: bool,
    /// MID and RID are in every packet while true; browsers stop once a report came.
    pub identify: bool,
    pub audio_level: u8,
    /// Packets offered so far, by index: the mark in the payload.
    pub offered: u64,
    pub key_frames: u64,
    pub plis: Vec<Time>,
    pub temporal_layers: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub picture: u16,
    pub tl0: u8,
    pub rtx_sequence: u16,
    pub frame_no: u64,
    pub next_frame: Time,
    pub want_key: bool,
    pub history: BTreeMap<u16, Vec<u8>>,
    pub packets_per_frame: usize,
    /// Bytes of a packet beside its descriptor and mark.
    pub packet_bytes: usize,
    /// Sound goes as RED of this payload type, with the packet before in it.
    pub red: Option<u8>,
    /// Playout-delay extension of every packet.
    pub playout: Option<[u8; 3]>,
    /// A key frame has so many times the packets of another one.
    pub key_frame_factor: usize,
}

/// One packet before header extensions and encryption.
pub struct Offered {
    pub payload: Vec<u8>,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
}

impl Track {
    pub fn new(kind: Kind, mid: &str, rid: Option<&str>, ssrc: u32) -> Self {
        Self {
            kind,
            mid: mid.into(),
            rid: rid.map(Into::into),
            ssrc,
            rtx_ssrc: ssrc + 1,
            running: true,
            identify: true,
            audio_level: 30,
            offered: 0,
            key_frames: 0,
            plis: Vec::new(),
            temporal_layers: 1,
            sequence: (ssrc as u16).wrapping_mul(7919) | 0xff00, // rolls over soon
            timestamp: ssrc.wrapping_mul(2_654_435_761),
            picture: 0x7ff0,
            tl0: 250,
            rtx_sequence: 100,
            frame_no: 0,
            next_frame: Time(0),
            want_key: true,
            history: BTreeMap::new(),
            packets_per_frame: 4,
            packet_bytes: if kind == Kind::Video { 500 } else { 60 },
            red: None,
            playout: None,
            key_frame_factor: 1,
        }
    }

    /// The packets of the next frame.
    pub fn frame(&mut self, now: Time) -> Vec<Offered> {
        let track = self;
        let mut packets = Vec::new();
        let (interval, ticks, count) = match track.kind {
            Kind::Audio => (Duration::from_millis(20), 960, 1),
            Kind::Video => (Duration::from_micros(33_333), 3000, track.packets_per_frame),
        };
        if track.next_frame == Time(0) {
            track.next_frame = now;
        }
        track.next_frame += interval;
        track.timestamp = track.timestamp.wrapping_add(ticks);
        let key = std::mem::take(&mut track.want_key) && track.kind == Kind::Video;
        let pattern: &[u8] = if track.temporal_layers > 1 { &[0, 2, 1, 2] } else { &[0] };
        if key {
            track.frame_no = 0;
            track.key_frames += 1;
        }
        let place = (track.frame_no % pattern.len() as u64) as usize;
        let temporal = pattern[place];
        track.frame_no += 1;
        track.picture = (track.picture + 1) & 0x7fff;
        if temporal == 0 {
            track.tl0 = track.tl0.wrapping_add(1);
        }
        let count = if key { count * track.key_frame_factor } else { count };
        for packet in 0..count {
            let mut payload = Vec::new();
            if track.kind == Kind::Video {
                // RFC 7741 §4.2: X, S on the first packet; I, L, T; 15-bit picture id; TL0PICIDX; TID, Y
                let picture = (track.picture | 0x8000).to_be_bytes();
                let start = if packet == 0 { 0x10 } else { 0 };
                let sync = if place == 1 || place == 2 { 0x20 } else { 0 };
                payload.extend([
                    0x80 | start,
                    0xE0,
                    picture[0],
                    picture[1],
                    track.tl0,
                    (temporal << 6) | sync,
                ]);
                payload.push(u8::from(!key)); // §4.3: P = 0 in a key frame
            }
            payload.extend(track.ssrc.to_be_bytes());
            payload.extend(track.offered.to_be_bytes());
            payload.resize(payload.len() + track.packet_bytes, 0xAB);
            track.offered += 1;
            let (sequence, timestamp) = (track.sequence, track.timestamp);
            track.sequence = sequence.wrapping_add(1);
            track.history.insert(sequence, payload.clone());
            let marker = packet + 1 == count && track.kind == Kind::Video;
            packets.push(Offered { payload, sequence, timestamp, marker });
        }
        packets
    }

    /// A packet of sound with the one before it, RFC 2198.
    pub fn redundant(&self, opus: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let before = self.history.get(&sequence.wrapping_sub(1));
        if let Some(before) = before {
            packet.push(0x80 | opus);
            packet.extend(((960u32 << 10) | before.len() as u32).to_be_bytes().iter().skip(1));
        }
        packet.push(opus);
        packet.extend(before.into_iter().flatten());
        packet.extend(payload);
        packet
    }

    /// The timestamp that a packet had; frames are 3000 ticks apart and their packets follow each other.
    pub fn timestamp_of(&self, sequence: u16) -> u32 {
        let payload = &self.history[&sequence];
        let picture = u16::from_be_bytes([payload[2] & 0x7f, payload[3]]);
        let back = self.picture.wrapping_sub(picture) & 0x7fff;
        self.timestamp.wrapping_sub(u32::from(back) * 3000)
    }
}
