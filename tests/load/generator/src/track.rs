//! What a virtual client publishes: VP8 in frames of full packets or Opus, marked, kept for retransmission.

use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::rtp::{HeaderBuilder, MAX_PACKET};
use _dataplane::srtp::{Context, RTP_OVERHEAD};
use _dataplane::units::Time;
use serde::Deserialize;

use crate::mark::{self, Mark, Vp8Place};
use crate::sdp::{self, Extensions};

/// Packets kept for retransmission: 3 s of 300 a second; power of two.
const HISTORY: usize = 1024;
/// Packets that name their MID: browsers stop once the server reported on the stream; a second is more than that takes.
const NAMED: u64 = 300;
/// Audio level −20 dBov with the voice flag (RFC 6464 §3): everybody speaks.
const LEVEL: [u8; 1] = [0x80 | 20];

/// How much media a publisher sends.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Shape {
    /// Frames per second.
    pub fps: u32,
    /// Packets in each frame, sent in one burst.
    pub packets_per_frame: u32,
    /// Bytes of a video payload.
    pub video_bytes: usize,
    /// Opus packets per second.
    pub audio_pps: u32,
    /// Bytes of an audio payload.
    pub audio_bytes: usize,
}

struct Kept {
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

/// One outgoing stream.
pub struct Track {
    /// Audio or video.
    pub kind: Kind,
    /// Number of the stream in this run.
    pub stream: u32,
    /// Of the media.
    pub ssrc: u32,
    /// Marks given out: packets offered so far, without retransmissions.
    pub offered: u64,
    /// Payload bytes offered.
    pub octets: u64,
    /// The next frame is a key frame.
    pub want_key: bool,
    /// Key frames sent.
    pub key_frames: u64,
    /// Retransmissions sent.
    pub repaired: u64,
    rtx_ssrc: u32,
    mid: String,
    shape: Shape,
    begin: Time,
    frames: u64,
    sequence: u16,
    rtx_sequence: u16,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    kept: Vec<Option<Kept>>,
}

/// What a sender shares between its tracks.
pub struct Sender<'a> {
    /// Encrypts.
    pub tx: &'a mut Context,
    /// Transport-wide sequence number of the last packet.
    pub transport: &'a mut u16,
    /// Agreed ids.
    pub extensions: Extensions,
    /// Encrypted packets.
    pub out: &'a mut Vec<Vec<u8>>,
}

struct Head {
    rtx: bool,
    marker: bool,
    sequence: u16,
    timestamp: u32,
}

impl Track {
    /// A stream that waits for [`Track::begin_after`].
    pub fn new(kind: Kind, stream: u32, (ssrc, rtx_ssrc): (u32, u32), mid: &str, shape: Shape) -> Self {
        Self {
            kind,
            stream,
            ssrc,
            offered: 0,
            octets: 0,
            want_key: true,
            key_frames: 0,
            repaired: 0,
            rtx_ssrc,
            mid: mid.to_owned(),
            shape,
            begin: Time(u64::MAX),
            frames: 0,
            sequence: (ssrc as u16).wrapping_mul(7919),
            rtx_sequence: 1,
            timestamp: ssrc.wrapping_mul(2_654_435_761),
            picture: 0,
            tl0: 0,
            kept: (0..HISTORY).map(|_| None).collect(),
        }
    }

    fn per_second(&self) -> u64 {
        u64::from(if self.kind == Kind::Audio { self.shape.audio_pps } else { self.shape.fps })
    }

    /// The first frame is due within a frame's time of `now`: streams do not beat in step, as people's cameras do not.
    pub fn begin_after(&mut self, now: Time) {
        let interval = 1_000_000 / self.per_second();
        // the golden ratio spreads any number of streams evenly
        let phase = (u64::from(self.stream.wrapping_mul(2_654_435_769)) * interval) >> 32;
        self.begin = now + Duration::from_micros(phase);
    }

    /// When the next frame is due.
    pub fn next(&self) -> Time {
        self.begin + Duration::from_micros(self.frames * 1_000_000 / self.per_second())
    }

    /// RTP timestamp of the newest frame.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Sends the next frame.
    pub fn send_frame(&mut self, wall_us: u64, sender: &mut Sender<'_>) {
        let (clock, count, size) = match self.kind {
            Kind::Audio => (48_000, 1, self.shape.audio_bytes),
            Kind::Video => (90_000, self.shape.packets_per_frame, self.shape.video_bytes),
        };
        self.frames += 1;
        self.timestamp = self.timestamp.wrapping_add((clock / self.per_second()) as u32);
        let key = self.kind == Kind::Video && std::mem::take(&mut self.want_key);
        self.key_frames += u64::from(key);
        self.picture = (self.picture + 1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(1);
        for packet in 0..count {
            let slot = usize::from(self.sequence) % HISTORY;
            let mut payload = self.kept[slot].take().map(|kept| kept.payload).unwrap_or_default();
            payload.clear();
            payload.resize(size, 0xA5);
            let head = match self.kind {
                Kind::Audio => mark::write_opus_head(&mut payload),
                Kind::Video => {
                    let place = Vp8Place { first: packet == 0, key, picture: self.picture, tl0: self.tl0 };
                    mark::write_vp8_head(&mut payload, place)
                }
            };
            let mark = Mark { stream: self.stream, sequence: self.offered, sent_us: wall_us };
            mark.write(&mut payload[head..]);
            let marker = self.kind == Kind::Video && packet + 1 == count;
            let (sequence, timestamp) = (self.sequence, self.timestamp);
            self.emit(&Head { rtx: false, marker, sequence, timestamp }, &payload, sender);
            self.kept[slot] = Some(Kept { sequence, timestamp, payload });
            self.sequence = sequence.wrapping_add(1);
            self.offered += 1;
            self.octets += size as u64;
        }
    }

    /// Answers a NACK for one packet, if it is still there.
    pub fn repair(&mut self, sequence: u16, sender: &mut Sender<'_>) {
        if self.kind == Kind::Audio {
            return; // not negotiated
        }
        let slot = usize::from(sequence) % HISTORY;
        let Some(kept) = self.kept[slot].take_if(|kept| kept.sequence == sequence) else { return };
        let payload = [&sequence.to_be_bytes()[..], &kept.payload].concat(); // RFC 4588 §4
        let head = Head { rtx: true, marker: false, sequence: self.rtx_sequence, timestamp: kept.timestamp };
        self.emit(&head, &payload, sender);
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        self.repaired += 1;
        self.kept[slot] = Some(kept);
    }

    fn emit(&self, head: &Head, payload: &[u8], sender: &mut Sender<'_>) {
        *sender.transport = sender.transport.wrapping_add(1);
        let transport = sender.transport.to_be_bytes();
        let ids = sender.extensions;
        let mut extensions: [(u8, &[u8]); 3] = [(0, &[]); 3];
        let mut used = 0;
        let mut add = |id: u8, data| {
            if id != 0 {
                extensions[used] = (id, data);
                used += 1;
            }
        };
        add(ids.transport_cc, &transport);
        if self.offered < NAMED {
            add(ids.mid, self.mid.as_bytes());
        }
        if self.kind == Kind::Audio {
            add(ids.audio_level, &LEVEL);
        }
        let header = HeaderBuilder {
            payload_type: match (self.kind, head.rtx) {
                (Kind::Audio, _) => sdp::OPUS,
                (Kind::Video, false) => sdp::VP8,
                (Kind::Video, true) => sdp::RTX,
            },
            marker: head.marker,
            sequence: head.sequence,
            timestamp: head.timestamp,
            ssrc: if head.rtx { self.rtx_ssrc } else { self.ssrc },
            padding: false,
            extensions: &extensions[..used],
        };
        let mut packet = vec![0; MAX_PACKET + RTP_OVERHEAD];
        let sealed = header
            .write(&mut packet)
            .ok()
            .and_then(|n| sender.tx.protect_rtp_from(&mut packet, n, payload).ok());
        if let Some(length) = sealed {
            packet.truncate(length);
            sender.out.push(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use _dataplane::rtp::RtpView;
    use _dataplane::srtp::Profile;

    #[test]
    fn frames_are_marked_and_repaired() {
        let shape =
            Shape { fps: 30, packets_per_frame: 3, video_bytes: 1200, audio_pps: 50, audio_bytes: 100 };
        let mut track = Track::new(Kind::Video, 9, (500, 501), "1", shape);
        assert_eq!(track.next(), Time(u64::MAX));
        track.begin_after(Time(5));
        let begin = track.next();
        assert!(begin < Time(5 + 33_334));
        let key = [7; 28];
        let mut tx = Context::new(Profile::AeadAes128Gcm, &key).unwrap();
        let mut rx = Context::new(Profile::AeadAes128Gcm, &key).unwrap();
        let (mut transport, mut out) = (0, Vec::new());
        let extensions = Extensions { transport_cc: 3, ..Extensions::default() };
        let mut sender = Sender { tx: &mut tx, transport: &mut transport, extensions, out: &mut out };
        track.send_frame(1000, &mut sender);
        track.send_frame(2000, &mut sender);
        assert_eq!(track.next(), begin + Duration::from_micros(66_666));
        let lost = (500u16.wrapping_mul(7919)).wrapping_add(4);
        track.repair(lost, &mut sender);
        track.repair(lost.wrapping_add(100), &mut sender);
        assert_eq!((out.len(), track.offered, track.repaired, transport), (7, 6, 1, 7));
        for (index, packet) in out.iter_mut().enumerate() {
            let length = rx.unprotect_rtp(packet).unwrap();
            let view = RtpView::parse_untrusted(&packet[..length]).unwrap();
            let (sequence, payload) =
                if index == 6 { (4, &view.payload()[2..]) } else { (index as u64, view.payload()) };
            let sent_us = if sequence < 3 { 1000 } else { 2000 };
            assert_eq!(Mark::of_vp8(payload), Some(Mark { stream: 9, sequence, sent_us }));
            assert_eq!(view.ssrc(), if index == 6 { 501 } else { 500 });
            assert_eq!(view.marker(), index == 2 || index == 5);
        }
    }
}
