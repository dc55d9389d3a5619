//! A virtual client between its answer and its end: ICE, DTLS, media both ways, RTCP. Datagrams and times come in,
//! datagrams go out; knows neither sockets nor signaling.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::rtcp::{self, Packet};
use _dataplane::rtp::{RtpView, is_rtcp};
use _dataplane::srtp::{Context, RTCP_OVERHEAD};
use _dataplane::transport_feedback::ArrivalLog;
use _dataplane::units::Time;

use crate::dtls::{Dtls, Identity};
use crate::ice::{Agent, Outcome};
use crate::inbound::Inbound;
use crate::joining::{Joining, Milestones};
use crate::ledger::Ledger;
use crate::sdp::Extensions;
use crate::track::{Sender, Track};

/// Handshakes are looked at this often: repetition, see [`Dtls::repeat`].
const DTLS_EACH: Duration = Duration::from_millis(50);
/// RTCP reports each second, transport-wide feedback each 100 ms as libwebrtc sends them; losses are looked at with the
/// feedback, and while something is missing as often as the first NACK waits for reordering.
const REPORT_EACH: Duration = Duration::from_secs(1);
const FEEDBACK_EACH: Duration = Duration::from_millis(100);
const REPAIR_EACH: Duration = Duration::from_millis(10);
/// RTCP packets fit into Ethernet with their SRTP trailer.
const RTCP_MOST: usize = 1200;
/// Report blocks in one packet: a five-bit count.
const BLOCKS: usize = 31;
/// Seconds from NTP's epoch, 1900, to Unix's (RFC 5905 §6).
const NTP_UNIX: u64 = 2_208_988_800;

/// One client.
pub struct Client {
    /// Index of its room.
    pub room: usize,
    /// Our address.
    pub address: Ipv4Addr,
    /// The server's.
    pub remote: SocketAddr,
    /// When it got where.
    pub milestones: Milestones,
    /// Packets received in the window, by place of the stream.
    pub received: Vec<u64>,
    /// Streams it must hear.
    pub expected: usize,
    /// Streams of its room that it does not hear: its own.
    pub excludes: Vec<u32>,
    /// What it publishes.
    pub tracks: Vec<Track>,
    /// What it receives.
    pub inbound: Vec<Inbound>,
    /// Packets to send.
    pub out: Vec<Vec<u8>>,
    /// It is over: why was told to the ledger.
    pub failed: bool,
    index: usize,
    by_ssrc: HashMap<u32, usize>,
    heard: Vec<bool>,
    heard_count: usize,
    agent: Agent,
    dtls: Option<Dtls>,
    fingerprint: String,
    keys: Option<(Context, Context)>,
    extensions: Extensions,
    transport: u16,
    arrivals: ArrivalLog,
    lost: Vec<u16>,
    round_trip: Duration,
    repairing: bool,
    next_dtls: Time,
    next_report: Time,
    next_feedback: Time,
    next_repair: Time,
}

impl Client {
    /// Begins ICE at `now` from `address`, `round_trip` away from the server.
    pub fn new(now: Time, address: Ipv4Addr, joining: Joining, streams: usize, round_trip: Duration) -> Self {
        let Joining { index, room, local, remote, tracks, expected, excludes, milestones } = joining;
        let tie_breaker = 0x9E37_79B9_7F4A_7C15u64.wrapping_mul(index as u64 + 1); // no two alike
        Self {
            room,
            address,
            remote: remote.address,
            milestones,
            received: vec![0; streams],
            expected,
            excludes,
            tracks,
            inbound: Vec::new(),
            out: Vec::new(),
            failed: false,
            index,
            by_ssrc: HashMap::new(),
            heard: vec![false; streams],
            heard_count: 0,
            agent: Agent::new(now, local, &remote.credentials, tie_breaker),
            dtls: None,
            fingerprint: remote.fingerprint,
            keys: None,
            extensions: remote.extensions,
            transport: 0,
            arrivals: ArrivalLog::new(),
            lost: Vec::new(),
            round_trip,
            repairing: false,
            next_dtls: now,
            next_report: now,
            next_feedback: now,
            next_repair: now,
        }
    }

    /// The seats of an answer: (kind, SSRC, RTX); known ones are left as they are.
    pub fn add_seats(&mut self, seats: &[(Kind, u32, Option<u32>)]) {
        for &(kind, ssrc, rtx) in seats {
            if self.by_ssrc.contains_key(&ssrc) {
                continue;
            }
            let number = self.inbound.len();
            self.by_ssrc.extend([ssrc].into_iter().chain(rtx).map(|ssrc| (ssrc, number)));
            self.inbound.push(Inbound::new(kind, ssrc, rtx));
        }
    }

    fn own_ssrc(&self) -> u32 {
        self.tracks.first().map_or(1 + self.index as u32, |track| track.ssrc)
    }

    /// When [`Client::on_timer`] has something to do.
    pub fn next(&self) -> Time {
        if self.failed {
            return Time(u64::MAX);
        }
        let Some(_) = self.keys else {
            return if self.dtls.is_some() {
                self.next_dtls.min(self.agent.next())
            } else {
                self.agent.next()
            };
        };
        let media = self.tracks.iter().map(Track::next).min().unwrap_or(Time(u64::MAX));
        let repair = if self.repairing { self.next_repair } else { Time(u64::MAX) };
        media.min(repair).min(self.next_report).min(self.next_feedback).min(self.agent.next())
    }

    /// Does what is due; `wall_us` is the wall clock in microseconds.
    pub fn on_timer(&mut self, now: Time, wall_us: u64, ledger: &mut Ledger) {
        if let Some(check) = self.agent.poll(now) {
            self.out.push(check);
        }
        if self.agent.is_lost(now) {
            return self.fail(ledger, "consent was lost");
        }
        if self.dtls.is_some() && self.keys.is_none() && now >= self.next_dtls {
            self.next_dtls = now + DTLS_EACH;
            self.out.extend(self.dtls.iter_mut().flat_map(Dtls::repeat));
            self.advance(now, ledger);
        }
        if self.keys.is_none() {
            return;
        }
        self.send_media(now, wall_us, ledger);
        if now >= self.next_feedback || (self.repairing && now >= self.next_repair) {
            self.next_repair = now + REPAIR_EACH;
            self.ask(now);
        }
        if now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK_EACH;
            let (mut plain, own) = ([0; RTCP_MOST + RTCP_OVERHEAD], self.own_ssrc());
            while let Some(length) = self.arrivals.build(&mut plain[..RTCP_MOST], own, 0) {
                self.send_rtcp(&mut plain, length);
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_EACH;
            self.report(now, wall_us);
        }
    }

    fn send_media(&mut self, now: Time, wall_us: u64, ledger: &mut Ledger) {
        let Some((tx, _)) = &mut self.keys else { return };
        let extensions = self.extensions;
        let mut sender = Sender { tx, transport: &mut self.transport, extensions, out: &mut self.out };
        for track in &mut self.tracks {
            while track.next() <= now {
                if ledger.measuring {
                    ledger.lateness.record(now.since(track.next()).as_micros() as u64);
                }
                track.send_frame(wall_us, &mut sender);
            }
        }
    }

    fn ask(&mut self, now: Time) {
        let own = self.own_ssrc();
        let mut plain = [0; RTCP_MOST + RTCP_OVERHEAD];
        self.repairing = false;
        for index in 0..self.inbound.len() {
            let (inbound, out) = (&mut self.inbound[index], &mut plain[..RTCP_MOST]);
            let length = inbound.requests(now, self.round_trip, own, &mut self.lost, out);
            self.repairing |= inbound.is_missing_some();
            self.send_rtcp(&mut plain, length);
        }
    }

    fn report(&mut self, now: Time, wall_us: u64) {
        let own = self.own_ssrc();
        let mut plain = [0; RTCP_MOST + RTCP_OVERHEAD];
        let blocks: Vec<_> = self.inbound.iter_mut().filter_map(|inbound| inbound.report(now)).collect();
        for blocks in blocks.chunks(BLOCKS) {
            let length = rtcp::receiver_report(&mut plain, own, blocks).unwrap_or(0);
            self.send_rtcp(&mut plain, length);
        }
        let ntp = ((wall_us / 1_000_000 + NTP_UNIX) << 32) | (((wall_us % 1_000_000) << 32) / 1_000_000);
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            let (packets, octets) = (track.offered as u32, track.octets as u32);
            let written =
                rtcp::sender_report(&mut plain, track.ssrc, ntp, track.timestamp(), packets, octets, &[]);
            self.send_rtcp(&mut plain, written.unwrap_or(0));
        }
    }

    fn send_rtcp(&mut self, plain: &mut [u8], length: usize) {
        let Some((tx, _)) = &mut self.keys else { return };
        if length == 0 {
            return;
        }
        if let Ok(length) = tx.protect_rtcp(plain, length) {
            self.out.push(plain[..length].to_vec());
        }
    }

    /// A datagram came; `at_us` is the wall clock of its arrival.
    pub fn on_datagram(
        &mut self,
        now: Time,
        at_us: u64,
        datagram: &mut [u8],
        identity: &Identity,
        ledger: &mut Ledger,
    ) {
        // RFC 7983 §7
        match datagram.first() {
            Some(0..=3) => match self.agent.handle(now, datagram, self.remote) {
                Outcome::Connected => match Dtls::connect(identity, &self.fingerprint) {
                    Ok(mut dtls) => {
                        self.out.append(&mut dtls.take_outgoing());
                        (self.dtls, self.next_dtls) = (Some(dtls), now + DTLS_EACH);
                    }
                    Err(error) => self.fail(ledger, &error),
                },
                Outcome::Reply(reply) => self.out.push(reply),
                Outcome::Nothing => {}
            },
            Some(20..=63) => {
                if let Some(dtls) = &mut self.dtls {
                    dtls.feed(datagram);
                    self.advance(now, ledger);
                }
            }
            Some(128..=191) => {
                let Some((_, rx)) = &mut self.keys else { return };
                let rtcp = is_rtcp(datagram);
                let plain = if rtcp { rx.unprotect_rtcp(datagram) } else { rx.unprotect_rtp(datagram) };
                match plain {
                    Ok(length) if rtcp => self.on_rtcp(now, &datagram[..length]),
                    Ok(length) => self.on_rtp(now, at_us, &datagram[..length], ledger),
                    Err(_) => ledger.refused += 1,
                }
            }
            _ => ledger.refused += 1,
        }
    }

    fn advance(&mut self, now: Time, ledger: &mut Ledger) {
        let Some(dtls) = &mut self.dtls else { return };
        let result = dtls.advance();
        self.out.append(&mut dtls.take_outgoing());
        match result {
            Ok(Some(keys)) => {
                self.keys = Some((keys.tx, keys.rx));
                self.milestones.connected = Some(now);
                self.tracks.iter_mut().for_each(|track| track.begin_after(now));
                (self.next_feedback, self.next_report) = (now, now);
            }
            Ok(None) => {}
            Err(error) => self.fail(ledger, &error),
        }
    }

    fn fail(&mut self, ledger: &mut Ledger, what: &str) {
        if !self.failed {
            self.failed = true;
            ledger.fail(format!("client {}: {what}", self.index));
        }
    }

    fn on_rtp(&mut self, now: Time, at_us: u64, packet: &[u8], ledger: &mut Ledger) {
        let Ok(view) = RtpView::parse_untrusted(packet) else {
            ledger.refused += 1;
            return;
        };
        if self.extensions.transport_cc != 0
            && let Some(&[high, low]) = view.extension(self.extensions.transport_cc)
        {
            self.arrivals.on_packet(now, u16::from_be_bytes([high, low]));
        }
        let Some(&number) = self.by_ssrc.get(&view.ssrc()) else {
            ledger.strangers += 1;
            return;
        };
        if view.payload().is_empty() {
            return; // padding
        }
        let mark = self.inbound[number].on_packet(now, &view);
        self.repairing |= self.inbound[number].is_missing_some();
        let Some(mark) = mark else { return };
        let Some((place, counts)) = ledger.arrived(self.room, mark, at_us) else { return };
        self.received[place] += u64::from(counts);
        if !std::mem::replace(&mut self.heard[place], true) {
            self.heard_count += 1;
            self.milestones.first_media.get_or_insert(now);
            if self.heard_count == self.expected {
                self.milestones.complete = Some(now);
            }
        }
    }

    fn on_rtcp(&mut self, now: Time, compound: &[u8]) {
        for packet in rtcp::parse_untrusted(compound).map_while(Result::ok) {
            match packet {
                Packet::SenderReport { ssrc, ntp, .. } => {
                    if let Some(&number) = self.by_ssrc.get(&ssrc) {
                        self.inbound[number].on_report(now, ntp);
                    }
                }
                Packet::Pli { media_ssrc, .. } => self.want_key(media_ssrc),
                Packet::Fir { entries, .. } => entries.iter().for_each(|(ssrc, _)| self.want_key(ssrc)),
                Packet::Nack { media_ssrc, lost, .. } => {
                    let Some((tx, _)) = &mut self.keys else { return };
                    let extensions = self.extensions;
                    let mut sender =
                        Sender { tx, transport: &mut self.transport, extensions, out: &mut self.out };
                    if let Some(track) = self.tracks.iter_mut().find(|track| track.ssrc == media_ssrc) {
                        lost.iter().for_each(|sequence| track.repair(sequence, &mut sender));
                    }
                }
                _ => {}
            }
        }
    }

    fn want_key(&mut self, ssrc: u32) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.ssrc == ssrc) {
            track.want_key = true;
        }
    }
}
