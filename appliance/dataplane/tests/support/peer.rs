//! A test peer: publishes VP8 and Opus with marks in the payload, receives, repairs and keeps what it got.

use std::collections::BTreeMap;
use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::engine::path::Path;
use _dataplane::rtcp::{self, Packet, ReportBlock};
use _dataplane::rtp::{HeaderBuilder, RtpView, is_rtcp};
use _dataplane::srtp::Context;
use _dataplane::units::{Time, extend_seq, first_extended};

use super::{PROFILE, address, extension_ids, path, payload_types};

/// Deterministic key material: `direction` 1 is to the peer, 2 from it.
pub fn master_key(session: u64, direction: u8) -> Vec<u8> {
    (0..PROFILE.key_len()).map(|i| (session as u8).wrapping_mul(31) ^ direction.wrapping_mul(77) ^ i as u8).collect()
}

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
    sequence: u16,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    rtx_sequence: u16,
    frame_no: u64,
    next_frame: Time,
    want_key: bool,
    history: BTreeMap<u16, Vec<u8>>,
    packets_per_frame: usize,
}

/// One packet that a peer received, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
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
    asked: BTreeMap<u64, (Time, u32)>,
}

/// One client.
pub struct Peer {
    pub session: u64,
    pub path: Path,
    pub ufrag: String,
    pub password: String,
    pub tx: Context,
    pub rx: Context,
    pub tracks: Vec<Track>,
    pub inbound: Vec<Inbound>,
    pub stun_replies: Vec<Vec<u8>>,
    pub dtls: Vec<Vec<u8>>,
    pub nacked: u64,
    pub feedback: u64,
    pub transport_seqs: Vec<u16>,
    /// NTP clock at engine time zero: every peer has another.
    pub ntp_origin: u64,
    /// Checks are repeated while true.
    pub alive: bool,
    transport_seq: u16,
    next_check: Time,
    next_report: Time,
    out: Vec<Vec<u8>>,
}

const VP8_HEAD: usize = 6;

impl Peer {
    pub fn new(session: u64) -> Self {
        Self {
            session,
            path: path(address(session)),
            ufrag: format!("ufrag{session}"),
            password: format!("password-of-session-{session:04}"),
            tx: Context::new(PROFILE, &master_key(session, 2)).unwrap(),
            rx: Context::new(PROFILE, &master_key(session, 1)).unwrap(),
            tracks: Vec::new(),
            inbound: Vec::new(),
            stun_replies: Vec::new(),
            dtls: Vec::new(),
            nacked: 0,
            feedback: 0,
            transport_seqs: Vec::new(),
            ntp_origin: (1000 + session * 77) << 32,
            alive: true,
            transport_seq: 0,
            next_check: Time::from_millis(2500),
            next_report: Time::from_millis(0),
            out: Vec::new(),
        }
    }

    pub fn check(&self, nominate: bool) -> Vec<u8> {
        let mut out = vec![0; 256];
        let user = format!("{}:peer", self.ufrag);
        let password = self.password.as_bytes();
        let len = _dataplane::stun::write_request(&mut out, &[7; 12], &user, 1, 9, nominate, password).unwrap();
        out.truncate(len);
        out
    }

    pub fn track(&mut self, kind: Kind, mid: &str, rid: Option<&str>) -> usize {
        let ssrc = 0x5000_0000 + self.session as u32 * 0x1000 + self.tracks.len() as u32 * 2;
        self.tracks.push(Track {
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
        });
        self.tracks.len() - 1
    }

    pub fn receive(&mut self, consumer: u64, ssrc: u32, kind: Kind) {
        self.inbound.push(Inbound {
            consumer,
            ssrc,
            kind,
            got: BTreeMap::new(),
            duplicates: 0,
            highest: 0,
            rtx_packets: 0,
            reports: Vec::new(),
            repairs: true,
            asked: BTreeMap::new(),
        });
    }

    /// Another SSRC for a track, as after `replaceTrack` with a new sender: numbers begin anew.
    pub fn renew(&mut self, track: usize) {
        let track = &mut self.tracks[track];
        track.ssrc += 0x0100_0000;
        track.rtx_ssrc += 0x0100_0000;
        (track.sequence, track.timestamp, track.picture, track.tl0) = (5, 99, 3, 3);
        track.history.clear();
        track.want_key = true;
    }

    pub fn rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut buffer = plain.to_vec();
        buffer.resize(plain.len() + 64, 0);
        let len = self.tx.protect_rtcp(&mut buffer, plain.len()).unwrap();
        buffer.truncate(len);
        buffer
    }

    /// Encrypts one RTP packet.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut buffer = plain.to_vec();
        buffer.resize(plain.len() + 64, 0);
        let len = self.tx.protect_rtp(&mut buffer, plain.len()).unwrap();
        buffer.truncate(len);
        buffer
    }

    fn emit(&mut self, track: usize, rtx: bool, plain_payload: &[u8], sequence: u16, timestamp: u32, marker: bool) {
        let ids = extension_ids(self.session);
        let (vp8, rtx_type, opus) = payload_types(self.session);
        let track = &mut self.tracks[track];
        self.transport_seq = self.transport_seq.wrapping_add(1);
        let (transport, level) = (self.transport_seq.to_be_bytes(), [0x80 | track.audio_level]);
        let mut extensions: Vec<(u8, &[u8])> = vec![(ids.transport_cc, &transport), (ids.abs_send_time, &[1, 2, 3])];
        if track.identify {
            extensions.push((ids.mid, track.mid.as_bytes()));
            if let Some(rid) = &track.rid {
                extensions.push((if rtx { ids.repaired_rid } else { ids.rid }, rid.as_bytes()));
            }
        }
        if track.kind == Kind::Audio {
            extensions.push((ids.audio_level, &level));
        }
        let header = HeaderBuilder {
            payload_type: match (track.kind, rtx) {
                (Kind::Audio, _) => opus,
                (Kind::Video, false) => vp8,
                (Kind::Video, true) => rtx_type,
            },
            marker,
            sequence,
            timestamp,
            ssrc: if rtx { track.rtx_ssrc } else { track.ssrc },
            padding: false,
            extensions: &extensions,
        };
        let mut packet = vec![0; 1500];
        let len = header.write(&mut packet).unwrap();
        packet[len..len + plain_payload.len()].copy_from_slice(plain_payload);
        let len = self.tx.protect_rtp(&mut packet, len + plain_payload.len()).unwrap();
        packet.truncate(len);
        self.out.push(packet);
    }

    /// Sends a packet without payload on the media SSRC, as pacers do to probe without RTX.
    pub fn pad(&mut self, track: usize) {
        let sequence = self.tracks[track].sequence;
        let timestamp = self.tracks[track].timestamp;
        self.tracks[track].sequence = sequence.wrapping_add(1);
        self.emit(track, false, &[], sequence, timestamp, false);
    }

    /// Sends padding on the RTX SSRC, as browsers do before any media.
    pub fn probe(&mut self, track: usize) {
        let sequence = self.tracks[track].rtx_sequence;
        self.tracks[track].rtx_sequence = sequence.wrapping_add(1);
        self.emit(track, true, &[], sequence, 0, false);
    }

    fn frame(&mut self, index: usize, now: Time) {
        let track = &mut self.tracks[index];
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
        for packet in 0..count {
            let track = &mut self.tracks[index];
            let mut payload = Vec::new();
            if track.kind == Kind::Video {
                // RFC 7741 §4.2: X, S on the first packet; I, L, T; 15-bit picture id; TL0PICIDX; TID, Y
                let picture = (track.picture | 0x8000).to_be_bytes();
                let start = if packet == 0 { 0x10 } else { 0 };
                let sync = if place == 1 || place == 2 { 0x20 } else { 0 };
                payload.extend([0x80 | start, 0xE0, picture[0], picture[1], track.tl0, (temporal << 6) | sync]);
                payload.push(u8::from(!key)); // §4.3: P = 0 in a key frame
            }
            payload.extend(track.ssrc.to_be_bytes());
            payload.extend(track.offered.to_be_bytes());
            payload.resize(payload.len() + if track.kind == Kind::Video { 500 } else { 60 }, 0xAB);
            track.offered += 1;
            let (sequence, timestamp) = (track.sequence, track.timestamp);
            track.sequence = sequence.wrapping_add(1);
            track.history.insert(sequence, payload.clone());
            let marker = packet + 1 == count && track.kind == Kind::Video;
            self.emit(index, false, &payload, sequence, timestamp, marker);
        }
    }

    pub fn tick(&mut self, now: Time) -> Vec<Vec<u8>> {
        if self.alive && now >= self.next_check {
            self.next_check = now + Duration::from_millis(2500);
            self.out.push(self.check(true));
        }
        for index in 0..self.tracks.len() {
            if self.tracks[index].running && now >= self.tracks[index].next_frame {
                self.frame(index, now);
            }
        }
        if now >= self.next_report {
            self.next_report = now + Duration::from_millis(500);
            self.reports(now);
        }
        self.ask(now);
        std::mem::take(&mut self.out)
    }

    /// Our NTP clock.
    pub fn ntp(&self, now: Time) -> u64 {
        self.ntp_origin.wrapping_add(((u128::from(now.0) << 32) / 1_000_000) as u64)
    }

    fn reports(&mut self, now: Time) {
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            if track.offered == 0 || !track.running {
                continue;
            }
            // the timestamp now: that of the last frame and what passed since, here the part of an interval left
            let (rate, interval) = if track.kind == Kind::Audio { (48_000, 20_000) } else { (90_000, 33_333) };
            let since = interval - (track.next_frame - now).as_micros() as i64;
            let rtp = track.timestamp.wrapping_add((since * rate / 1_000_000) as u32);
            let mut out = [0; 200];
            let len = rtcp::sender_report(&mut out, track.ssrc, self.ntp(now), rtp, 1, 1, &[]).unwrap();
            let sealed = self.rtcp(&out[..len]);
            self.out.push(sealed);
        }
        for index in 0..self.inbound.len() {
            let inbound = &self.inbound[index];
            let (arrived, ntp, _) = inbound.reports.last().copied().unwrap_or((now, 0, 0));
            let block = ReportBlock {
                ssrc: inbound.ssrc,
                fraction_lost: 0,
                cumulative_lost: 0,
                highest_sequence: inbound.highest as u32,
                jitter: 0,
                last_sender_report: (ntp >> 16) as u32,
                delay_since_last: ((now - arrived).as_micros() * 65_536 / 1_000_000) as u32,
            };
            let mut out = [0; 200];
            let len = rtcp::receiver_report(&mut out, 1, &[block]).unwrap();
            let sealed = self.rtcp(&out[..len]);
            self.out.push(sealed);
        }
    }

    /// NACKs for gaps older than 10 ms, repeated every 60 ms.
    fn ask(&mut self, now: Time) {
        for index in 0..self.inbound.len() {
            let inbound = &mut self.inbound[index];
            if inbound.kind != Kind::Video || !inbound.repairs {
                continue;
            }
            let Some((&first, _)) = inbound.got.first_key_value() else { continue };
            let mut lost = Vec::new();
            for seq in first.max(inbound.highest.saturating_sub(300))..inbound.highest {
                if inbound.got.contains_key(&seq) {
                    continue;
                }
                let (at, tries) = inbound.asked.entry(seq).or_insert((now, 0));
                let pause = Duration::from_millis(if *tries == 0 { 10 } else { 120 });
                if now - *at >= pause && *tries < 12 {
                    (*at, *tries) = (now, *tries + 1);
                    lost.push(seq as u16);
                }
            }
            let ssrc = inbound.ssrc;
            if !lost.is_empty() {
                self.nack(ssrc, &lost);
            }
        }
    }

    pub fn nack(&mut self, ssrc: u32, lost: &[u16]) {
        let mut out = [0; 1400];
        let len = rtcp::nack(&mut out, 1, ssrc, lost).unwrap();
        let sealed = self.rtcp(&out[..len]);
        self.out.push(sealed);
    }

    pub fn pli(&mut self, ssrc: u32) {
        let mut out = [0; 100];
        let len = rtcp::pli(&mut out, 1, ssrc).unwrap();
        let sealed = self.rtcp(&out[..len]);
        self.out.push(sealed);
    }

    pub fn handle(&mut self, now: Time, mut datagram: Vec<u8>) {
        match datagram[0] {
            0..=3 => self.stun_replies.push(datagram),
            20..=63 => self.dtls.push(datagram),
            _ if is_rtcp(&datagram) => {
                let len = self.rx.unprotect_rtcp(&mut datagram).unwrap();
                self.on_rtcp(now, &datagram[..len]);
            }
            _ => {
                let len = self.rx.unprotect_rtp(&mut datagram).unwrap();
                self.on_rtp(now, &datagram[..len]);
            }
        }
    }

    fn on_rtcp(&mut self, now: Time, compound: &[u8]) {
        for packet in rtcp::parse_untrusted(compound) {
            match packet.unwrap() {
                Packet::SenderReport { ssrc, ntp, rtp_timestamp, .. } => {
                    let inbound = self.inbound.iter_mut().find(|i| i.ssrc == ssrc).unwrap();
                    inbound.reports.push((now, ntp, rtp_timestamp));
                }
                Packet::Pli { media_ssrc, .. } => {
                    let track = self.tracks.iter_mut().find(|t| t.ssrc == media_ssrc).unwrap();
                    track.plis.push(now);
                    track.want_key = true;
                }
                Packet::Nack { media_ssrc, lost, .. } => {
                    let index = self.tracks.iter().position(|t| t.ssrc == media_ssrc).unwrap();
                    for sequence in lost.iter() {
                        self.nacked += 1;
                        let track = &mut self.tracks[index];
                        let Some(payload) = track.history.get(&sequence) else { continue };
                        let repeat = [&sequence.to_be_bytes()[..], payload].concat();
                        let marker = false;
                        let rtx = track.rtx_sequence;
                        track.rtx_sequence = rtx.wrapping_add(1);
                        let timestamp = timestamp_of(track, sequence);
                        self.emit(index, true, &repeat, rtx, timestamp, marker);
                    }
                }
                Packet::TransportFeedback { .. } => self.feedback += 1,
                _ => {}
            }
        }
    }

    fn on_rtp(&mut self, now: Time, packet: &[u8]) {
        let ids = extension_ids(self.session);
        let view = RtpView::parse_untrusted(packet).unwrap();
        if let Some(&[a, b]) = view.extension(ids.transport_cc) {
            self.transport_seqs.push(u16::from_be_bytes([a, b]));
        }
        let by_rtx = self.inbound.iter().any(|i| i.kind == Kind::Video && i.ssrc + 1 == view.ssrc());
        let ssrc = view.ssrc() - u32::from(by_rtx);
        let inbound = self.inbound.iter_mut().find(|i| i.ssrc == ssrc).expect("a stranger's SSRC");
        let (sequence, payload) = if by_rtx {
            inbound.rtx_packets += 1;
            let payload = view.payload();
            (u16::from_be_bytes([payload[0], payload[1]]), &payload[2..])
        } else {
            (view.sequence(), view.payload())
        };
        let seq = if inbound.highest == 0 { first_extended(sequence) } else { extend_seq(inbound.highest, sequence) };
        inbound.highest = inbound.highest.max(seq);
        if inbound.got.contains_key(&seq) {
            inbound.duplicates += 1;
            return;
        }
        let video = inbound.kind == Kind::Video && payload.len() > VP8_HEAD;
        let head = if video { VP8_HEAD + 1 } else { 0 };
        let mark = payload.get(head..head + 12).map(|m| {
            (u32::from_be_bytes(m[..4].try_into().unwrap()), u64::from_be_bytes(m[4..].try_into().unwrap()))
        });
        let got = Got {
            timestamp: view.timestamp(),
            marker: view.marker(),
            payload_type: view.payload_type(),
            picture: if video { u16::from_be_bytes([payload[2] & 0x7f, payload[3]]) } else { 0 },
            tl0: if video { payload[4] } else { 0 },
            temporal: if video { payload[5] >> 6 } else { 0 },
            key_frame: video && payload[0] & 0x10 != 0 && payload[6] & 1 == 0,
            mark,
            mid: view.extension(ids.mid).unwrap_or_default().to_vec(),
            by_rtx,
            at: now,
        };
        inbound.got.insert(seq, got);
    }
}

/// The timestamp that a packet had; frames are 3000 ticks apart and their packets follow each other.
fn timestamp_of(track: &Track, sequence: u16) -> u32 {
    let payload = &track.history[&sequence];
    let picture = u16::from_be_bytes([payload[2] & 0x7f, payload[3]]);
    let back = track.picture.wrapping_sub(picture) & 0x7fff;
    track.timestamp.wrapping_sub(u32::from(back) * 3000)
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
                    assert!(self.kind == Kind::Audio || got.key_frame, "{source:x} begins without a key frame");
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
