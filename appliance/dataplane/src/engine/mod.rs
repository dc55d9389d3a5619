//! The forwarding engine of one worker, sans-IO.
//!
//! In go datagrams, commands and the time; out come datagrams, DTLS for the caller, and events. No socket, no clock, no
//! randomness, no thread. The caller mutates once (`handle_packet`, `handle_command`, `handle_connection_closed`,
//! `handle_timer`) and then drains `outbox`, `take_events` and `take_dtls`; or, in pieces and without breaking frames
//! apart, `forward_due` and `written`.
//!
//! ```text
//! datagram ─ demux (RFC 7983) ┬ STUN ── ice        who may send from where
//!                             ├ DTLS ── to the caller, from validated paths only
//!                             └ RTP/RTCP, decrypted
//!                                  ├ ingress ── producer, layer ── held ─┬─ forward ── consumers' sessions ── outbox
//!                                  │                                     └ pacing, where the link is narrow ┘
//!                                  └ reports ── NACK, PLI, sender and receiver reports
//! time ─────────┬ divide: each subscriber's estimate (bandwidth) among its pictures, probes
//!               └ feedback: NACK and PLI upstream, reports both ways, transport-wide feedback, consent; rooms: speakers
//!               └ dynacast: which layers a publisher need not send
//! ```
//!
//! Taps hang on producers, beside consumers, and get what arrives before anything is held or left out.
//! Everything lives in arenas and refers to each other by index; `commands` alone creates and removes.

pub mod arena;
pub mod bandwidth;
pub mod consumer;
pub mod formats;
pub mod forward;
pub mod held;
pub mod outbox;
pub mod pacer;
pub mod path;
pub mod police;
pub mod producer;
pub mod rate;
pub mod retransmit;
pub mod scalability;
pub mod selection;
pub mod sequence;
pub mod session;
pub mod snapshot;
pub mod timeline;

mod commands;
mod divide;
mod due;
mod dynacast;
mod feedback;
mod feedback_interval;
mod ice;
mod ingress;
mod pacing;
mod reports;
mod rooms;
mod round_trip;
mod taps;

use std::collections::HashMap;
use std::time::Duration;

use crate::event::Event;
use crate::rtp;
use crate::srtp::SrtpError;
use crate::units::Time;
use arena::{Arena, Key};
use bandwidth::allocation::Demand;
use consumer::Consumer;
use due::Due;
use formats::FormatNames;
use held::Held;
use outbox::Outbox;
use pacing::Paced;
use path::Path;
use producer::Producer;
pub use rooms::Room;
use session::Session;
use timeline::{Ntp, NtpClock};

/// Granularity of timers: the first NACK goes out 10 ms after a gap (MEDIA-NOTES §4), nothing is more urgent.
pub const TICK: Duration = Duration::from_millis(10);
/// Time between two looks at producers and rooms: layers that stopped or began to flow, speakers.
const ROUND: Duration = Duration::from_millis(50);

/// SSRC of our own RTCP that speaks for no stream; what libwebrtc uses for a peer that only receives.
const OWN_SSRC: u32 = 1;

/// Counters of a worker.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct Counters {
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub stun_in: u64,
    pub stun_rejected: u64,
    pub junk: u64,
    pub policed: u64,
    pub srtp_errors: u64,
    pub replayed: u64,
    pub unknown_ids: u64,
    pub send_drops: u64,
}

/// The engine of one worker.
pub struct Engine {
    rooms: Arena<Room>,
    sessions: Arena<Session>,
    producers: Arena<Producer>,
    consumers: Arena<Consumer>,
    ufrags: HashMap<String, Key<Session>>,
    paths: HashMap<Path, Key<Session>>,
    formats: FormatNames,
    clock: NtpClock,
    max_sessions: usize,
    last_tick: Time,
    next_round: Time,
    due: Due,
    held: Held,
    paced: Paced,
    outbox: Outbox,
    events: Vec<Event>,
    dtls: Vec<(u64, Vec<u8>)>,
    nack_scratch: Vec<u16>,
    demand_scratch: Vec<Demand>,
    /// Counters, public so that the shell adds what it alone sees.
    pub counters: Counters,
}

impl Engine {
    /// An empty engine. `ntp_origin`: NTP time at monotonic zero.
    pub fn new(ntp_origin: Ntp, max_sessions: usize) -> Self {
        Self {
            rooms: Arena::default(),
            sessions: Arena::default(),
            producers: Arena::default(),
            consumers: Arena::default(),
            ufrags: HashMap::new(),
            paths: HashMap::new(),
            formats: FormatNames::default(),
            clock: NtpClock::new(ntp_origin),
            max_sessions,
            last_tick: Time(0),
            next_round: Time(0),
            due: Due::default(),
            held: Held::default(),
            paced: Paced::default(),
            outbox: Outbox::default(),
            events: Vec::new(),
            dtls: Vec::new(),
            nack_scratch: Vec::new(),
            demand_scratch: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one datagram in, from whomever. Decrypts in place.
    pub fn handle_packet(&mut self, now: Time, path: Path, datagram: &mut [u8]) {
        self.counters.packets_in += 1;
        self.counters.bytes_in += datagram.len() as u64;
        // RFC 7983 §7
        match datagram.first() {
            Some(0..=3) => self.on_stun(now, path, datagram),
            Some(20..=63) => self.on_dtls(path, datagram),
            Some(128..=191) => self.on_srtp(now, path, datagram),
            _ => self.counters.junk += 1,
        }
    }

    fn on_dtls(&mut self, path: Path, datagram: &[u8]) {
        // Only from a path that ICE validated, whatever the state of the handshake: the class of ES2023-01..03,
        // CVE-2023-49786 (MEDIA-NOTES §7)
        match self.paths.get(&path).and_then(|key| self.sessions.get(*key)) {
            Some(session) => self.dtls.push((session.id, datagram.to_vec())),
            None => self.counters.junk += 1,
        }
    }

    fn on_srtp(&mut self, now: Time, path: Path, datagram: &mut [u8]) {
        let Some(key) = self.paths.get(&path).copied() else {
            self.counters.junk += 1;
            return;
        };
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.counters.packets_in += 1;
        session.counters.bytes_in += datagram.len() as u64;
        let Some(keys) = session.keys.as_mut() else {
            self.counters.junk += 1; // media before the handshake is done on our side
            return;
        };
        if session.police.is_over(now) {
            self.counters.policed += 1;
            session.counters.policed += 1;
            return;
        }
        let is_rtcp = rtp::is_rtcp(datagram);
        let plain = if is_rtcp { keys.rx.unprotect_rtcp(datagram) } else { keys.rx.unprotect_rtp(datagram) };
        if plain.is_ok() {
            session.police.charge(now, datagram.len());
        }
        match plain {
            Ok(len) if is_rtcp => self.on_rtcp(now, key, &datagram[..len]),
            Ok(len) => self.on_rtp(now, key, &mut datagram[..len]),
            Err(SrtpError::Replay) => self.counters.replayed += 1,
            Err(_) => self.counters.srtp_errors += 1,
        }
    }

    /// A TCP connection ended.
    pub fn handle_connection_closed(&mut self, path: Path) {
        self.forward_all();
        let Some(key) = self.paths.remove(&path) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        match session.paths.forget(path) {
            path::Change::Moved(to) => {
                self.events.push(path_changed(session.id, to));
                self.begin_link(key);
            }
            _ if session.paths.selected().is_none() => self.lose(key),
            _ => {}
        }
    }

    /// When `handle_timer` or `forward_due` has something to do; None while the engine is empty.
    pub fn next_timer(&self) -> Option<Time> {
        let tick = (!self.sessions.is_empty()).then(|| self.next_tick());
        [tick, self.held.deadline(), self.paced.deadline()].into_iter().flatten().min()
    }

    /// Whether `handle_timer` would do anything.
    pub fn timer_is_due(&self, now: Time) -> bool {
        self.tick_is_due(now) || self.paced.deadline().is_some_and(|due| now >= due)
    }

    fn tick_is_due(&self, now: Time) -> bool {
        !self.sessions.is_empty() && now >= self.next_tick()
    }

    fn next_tick(&self) -> Time {
        let round = if self.producers.is_empty() { Time(u64::MAX) } else { self.next_round };
        self.due.earliest().min(round).max(self.last_tick + TICK)
    }

    /// Forwards each packet as it comes, holding none for the rest of its frame.
    pub fn forward_eagerly(&mut self) {
        self.held.eager = true;
    }

    /// Does what is due.
    pub fn handle_timer(&mut self, now: Time) {
        self.send_waiting(now);
        if !self.tick_is_due(now) {
            return;
        }
        self.forward_all();
        self.last_tick = now;
        self.tick_sessions(now);
        if now >= self.next_round {
            self.next_round = now + ROUND;
            self.tick_producers(now);
            self.tick_rooms(now);
        }
    }

    /// Whether a path belongs to a session.
    pub fn knows(&self, path: &Path) -> bool {
        self.paths.contains_key(path)
    }

    /// Datagrams to send, those of all packets so far; the caller clears it.
    pub fn outbox(&mut self) -> &mut Outbox {
        self.forward_all();
        &mut self.outbox
    }

    /// Datagrams to send, without those of packets that are held; the caller clears it.
    pub fn written(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// DTLS datagrams since the last call, by session.
    pub fn take_dtls(&mut self) -> std::vec::Drain<'_, (u64, Vec<u8>)> {
        self.dtls.drain(..)
    }
}

fn path_changed(session: u64, path: Path) -> Event {
    Event::SessionPathChanged { session, address: path.remote().to_string(), tcp: path.is_tcp() }
}
