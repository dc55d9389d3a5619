//! A test peer: publishes VP8 and Opus with marks in the payload, receives, repairs and keeps what it got.

use std::collections::BTreeMap;
use std::time::Duration;

use _dataplane::codec::red::Headers;
use _dataplane::command::Kind;
use _dataplane::engine::path::Path;
use _dataplane::rtcp::{self, Packet};
use _dataplane::rtp::{HeaderBuilder, RtpView, is_rtcp};
use _dataplane::srtp::Context;
use _dataplane::transport_feedback::ArrivalLog;
use _dataplane::units::{Time, extend_seq, first_extended};

use super::inbound::{Got, Inbound};
use super::track::Track;
use super::{address, context, extension_ids, path, payload_types, red_type, seal};

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
    /// What arrived, to be told by transport-wide feedback; None gives none.
    pub arrivals: Option<ArrivalLog>,
    /// Feedback is not sent while true.
    pub mute_feedback: bool,
    /// When the datagram in hand came out of the link, finer than the steps of the test's clock.
    pub arrived: Time,
    /// Packets without payload.
    pub padding: u64,
    pub next_feedback: Time,
    transport_seq: u16,
    next_check: Time,
    next_report: Time,
    pub out: Vec<Vec<u8>>,
}

const VP8_HEAD: usize = 6;

impl Peer {
    pub fn new(session: u64) -> Self {
        Self {
            session,
            path: path(address(session)),
            ufrag: format!("ufrag{session}"),
            password: format!("password-of-session-{session:04}"),
            tx: context(session, 2),
            rx: context(session, 1),
            tracks: Vec::new(),
            inbound: Vec::new(),
            stun_replies: Vec::new(),
            dtls: Vec::new(),
            nacked: 0,
            feedback: 0,
            transport_seqs: Vec::new(),
            ntp_origin: (1000 + session * 77) << 32,
            alive: true,
            arrivals: None,
            mute_feedback: false,
            arrived: Time(0),
            padding: 0,
            next_feedback: Time(0),
            transport_seq: 0,
            next_check: Time::from_millis(2500),
            next_report: Time(0),
            out: Vec::new(),
        }
    }

    pub fn check(&self, nominate: bool) -> Vec<u8> {
        let mut out = vec![0; 256];
        let user = format!("{}:peer", self.ufrag);
        let password = self.password.as_bytes();
        let len =
            _dataplane::stun::write_request(&mut out, &[7; 12], &user, 1, 9, nominate, password).unwrap();
        out.truncate(len);
        out
    }

    pub fn track(&mut self, kind: Kind, mid: &str, rid: Option<&str>) -> usize {
        let ssrc = 0x5000_0000 + self.session as u32 * 0x1000 + self.tracks.len() as u32 * 2;
        self.tracks.push(Track::new(kind, mid, rid, ssrc));
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
        seal(&mut self.tx, plain)
    }

    /// Like `seal`, with a fresh context: ours refuses more SSRCs than the server would.
    pub fn seal_under_another_context(&self, plain: &[u8]) -> Vec<u8> {
        seal(&mut context(self.session, 2), plain)
    }

    fn emit(
        &mut self,
        track: usize,
        rtx: bool,
        plain_payload: &[u8],
        sequence: u16,
        timestamp: u32,
        marker: bool,
    ) {
        let ids = extension_ids(self.session);
        let (vp8, rtx_type, opus) = payload_types(self.session);
        let track = &mut self.tracks[track];
        let redundant = track.red.map(|_| track.redundant(opus, sequence, plain_payload));
        let plain_payload = redundant.as_deref().unwrap_or(plain_payload);
        self.transport_seq = self.transport_seq.wrapping_add(1);
        let (transport, level) = (self.transport_seq.to_be_bytes(), [0x80 | track.audio_level]);
        let mut extensions: Vec<(u8, &[u8])> =
            vec![(ids.transport_cc, &transport), (ids.abs_send_time, &[1, 2, 3])];
        if track.identify {
            extensions.push((ids.mid, track.mid.as_bytes()));
            if let Some(rid) = &track.rid {
                extensions.push((if rtx { ids.repaired_rid } else { ids.rid }, rid.as_bytes()));
            }
        }
        if let Some(playout) = &track.playout {
            extensions.push((ids.playout_delay, playout));
        }
        if track.kind == Kind::Audio {
            extensions.push((ids.audio_level, &level));
        }
        let header = HeaderBuilder {
            payload_type: match (track.kind, rtx) {
                (Kind::Audio, _) => track.red.unwrap_or(opus),
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
        let mut head = vec![0; 200];
        let len = header.write(&mut head).unwrap();
        self.out.push(seal(&mut self.tx, &[&head[..len], plain_payload].concat()));
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

    pub fn tick(&mut self, now: Time) -> Vec<Vec<u8>> {
        if self.alive && now >= self.next_check {
            self.next_check = now + Duration::from_millis(2500);
            self.out.push(self.check(true));
        }
        for index in 0..self.tracks.len() {
            if self.tracks[index].running && now >= self.tracks[index].next_frame {
                for packet in self.tracks[index].frame(now) {
                    self.emit(
                        index,
                        false,
                        &packet.payload,
                        packet.sequence,
                        packet.timestamp,
                        packet.marker,
                    );
                }
            }
        }
        if now >= self.next_report {
            self.next_report = now + Duration::from_millis(500);
            self.reports(now);
        }
        self.ask(now);
        self.feed_back(now);
        std::mem::take(&mut self.out)
    }

    /// Our NTP clock.
    pub fn ntp(&self, now: Time) -> u64 {
        self.ntp_origin.wrapping_add(((u128::from(now.0) << 32) / 1_000_000) as u64)
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
                    let Some(track) = self.tracks.iter_mut().find(|t| t.ssrc == media_ssrc) else { continue };
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
                        let rtx = track.rtx_sequence;
                        track.rtx_sequence = rtx.wrapping_add(1);
                        let timestamp = track.timestamp_of(sequence);
                        self.emit(index, true, &repeat, rtx, timestamp, false);
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
            if let Some(log) = &mut self.arrivals {
                log.on_packet(self.arrived, u16::from_be_bytes([a, b]));
            }
        }
        let by_rtx = self.inbound.iter().any(|i| i.kind == Kind::Video && i.ssrc + 1 == view.ssrc());
        let ssrc = view.ssrc() - u32::from(by_rtx);
        let inbound = self.inbound.iter_mut().find(|i| i.ssrc == ssrc).expect("a stranger's SSRC");
        let (sequence, payload) = if by_rtx {
            let payload = view.payload();
            if payload.is_empty() {
                self.padding += 1;
                return;
            }
            inbound.rtx_packets += 1;
            (u16::from_be_bytes([payload[0], payload[1]]), &payload[2..])
        } else {
            (view.sequence(), view.payload())
        };
        let seq = if inbound.highest == 0 {
            first_extended(sequence)
        } else {
            extend_seq(inbound.highest, sequence)
        };
        inbound.highest = inbound.highest.max(seq);
        if inbound.got.contains_key(&seq) {
            inbound.duplicates += 1;
            return;
        }
        let older = if view.payload_type() == red_type(self.session) {
            let headers = Headers::parse_untrusted(payload).expect("well-formed RED");
            assert_eq!(headers.payload_type, payload_types(self.session).2, "blocks under our numbers");
            headers.primary
        } else {
            0
        };
        let payload = &payload[older..];
        let video = inbound.kind == Kind::Video && payload.len() > VP8_HEAD;
        let head = if video { VP8_HEAD + 1 } else { 0 };
        let mark = payload.get(head..head + 12).map(|m| {
            (u32::from_be_bytes(m[..4].try_into().unwrap()), u64::from_be_bytes(m[4..].try_into().unwrap()))
        });
        let got = Got {
            playout: view.extension(ids.playout_delay).map(<[u8]>::to_vec),
            older,
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
