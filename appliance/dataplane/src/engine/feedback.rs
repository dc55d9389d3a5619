//! What goes out by time: requests and reports to publishers, sender reports to subscribers, consent, stalls.

use std::time::Duration;

use super::arena::Key;
use super::consumer::Consumer;
use super::due::CALM;
use super::outbox::Outbox;
use super::producer::{Layer, Producer, STALLED};
use super::session::Session;
use super::timeline::{middle, to_ticks};
use super::{Engine, OWN_SSRC};
use crate::event::Event;
use crate::rtcp::{self, ReportBlock};
use crate::srtp::RTCP_OVERHEAD;
use crate::units::Time;

/// Receiver and sender reports: each second, so that lip-sync and loss are known soon (RFC 3550 §6.2 asks for less).
const REPORTS: Duration = Duration::from_millis(1000);
/// Plaintext bytes of one RTCP datagram: the IPv6 minimum MTU less headers and SRTCP.
const RTCP_ROOM: usize = 1200;
/// Missing numbers in one NACK packet: fits `RTCP_ROOM` even if each takes an entry of its own.
const NACK_CHUNK: usize = 256;
/// RFC 3550 §6.4.1: report blocks in one packet.
const MAX_BLOCKS: usize = 31;

impl Engine {
    pub(super) fn tick_sessions(&mut self, now: Time) {
        let mut from = 0;
        while let Some(slot) = self.due.take(now, from) {
            if let Some(key) = self.sessions.key_at(slot) {
                let next = self.tick_session(now, key);
                self.due.set(slot, next);
            }
            from = slot + 1;
        }
        self.due.settle();
    }

    /// Does what is due for a session; when to look at it next.
    fn tick_session(&mut self, now: Time, key: Key<Session>) -> Time {
        self.check_consent(now, key);
        let next = now + CALM;
        let Some(session) = self.sessions.get(key) else { return next };
        if session.keys.is_none() || session.paths.selected().is_none() {
            return next;
        }
        self.tick_bandwidth(now, key);
        let asking = self.requests(now, key);
        self.transport_feedback(now, key);
        let Some(session) = self.sessions.get_mut(key) else { return next };
        if now >= session.next_report {
            session.next_report = now + REPORTS;
            self.receiver_reports(now, key);
        }
        self.sender_reports(now, key);
        match self.sessions.get(key) {
            Some(session) if asking || session.bandwidth.is_probing() => now,
            Some(session) if session.arrivals.as_ref().is_some_and(|log| log.has_pending()) => {
                next.min(session.next_feedback)
            }
            _ => next,
        }
    }

    /// NACKs and PLIs of everything that a session publishes. Whether there may be more with the next tick.
    fn requests(&mut self, now: Time, key: Key<Session>) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let rtt = session.round_trip.or_guess();
        let mut asking = false;
        for index in 0..session.producers.len() {
            let Some(producer) = self.producers.get_mut(session.producers[index]) else { continue };
            for layer in &mut producer.layers {
                let Some(ssrc) = layer.ssrc else { continue };
                if !layer.flowing(now, STALLED) {
                    continue; // it gets its requests when it does
                }
                if layer.losses.missing() > 0 {
                    layer.losses.due_nacks(now, rtt, &mut self.nack_scratch);
                    for lost in self.nack_scratch.chunks(NACK_CHUNK) {
                        session.counters.nacks_sent += 1;
                        send_rtcp(session, &mut self.outbox, |out| {
                            rtcp::nack(out, OWN_SSRC, ssrc, lost).ok()
                        });
                    }
                }
                let watched = !producer.consumers.is_empty() || !producer.taps.is_empty();
                if layer.losses.take_needs_key_frame() && watched {
                    layer.key_frames.ask();
                }
                if layer.key_frames.due(now) {
                    session.counters.plis_sent += 1;
                    send_rtcp(session, &mut self.outbox, |out| rtcp::pli(out, OWN_SSRC, ssrc).ok());
                }
                asking |= layer.losses.has_requests() || layer.key_frames.is_wanted();
            }
        }
        asking
    }

    fn transport_feedback(&mut self, now: Time, key: Key<Session>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if now < session.next_feedback || session.arrivals.as_ref().is_none_or(|log| !log.has_pending()) {
            return;
        }
        session.next_feedback = now + session.feedback_interval.after(now, session.counters.bytes_in);
        let Some(mut log) = session.arrivals.take() else { return };
        let ssrc = session.feedback_ssrc;
        // 8 packets tell 2320 arrivals, 50 ms of 46 kpps; a sender above that is told the rest next time
        for _ in 0..8 {
            if !log.has_pending() {
                break;
            }
            send_rtcp(session, &mut self.outbox, |out| log.build(out, OWN_SSRC, ssrc));
        }
        session.arrivals = Some(log);
    }

    fn receiver_reports(&mut self, now: Time, key: Key<Session>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut blocks = [ReportBlock { ssrc: 0, ..NO_BLOCK }; MAX_BLOCKS];
        let mut count = 0;
        let (mut expected, mut lost) = (0, 0);
        for index in 0..session.producers.len() {
            let Some(producer) = self.producers.get_mut(session.producers[index]) else { continue };
            for layer in &mut producer.layers {
                let (all, received) = layer.losses.totals();
                expected += all;
                lost += all.saturating_sub(received) + layer.recovered;
                let Some(ssrc) = layer.ssrc.filter(|_| layer.highest.is_some() && count < MAX_BLOCKS) else {
                    continue;
                };
                let figures = layer.losses.report();
                blocks[count] = ReportBlock {
                    ssrc,
                    fraction_lost: figures.fraction_lost,
                    cumulative_lost: figures.cumulative_lost,
                    highest_sequence: figures.highest,
                    jitter: figures.jitter,
                    last_sender_report: layer.report.map_or(0, |r| middle(r.ntp)),
                    delay_since_last: layer
                        .report
                        .map_or(0, |r| ((now - r.arrived).as_micros() * 65_536 / 1_000_000) as u32),
                };
                count += 1;
            }
        }
        session.uplink.update(now, expected, lost);
        if count > 0 {
            send_rtcp(session, &mut self.outbox, |out| {
                let report = rtcp::receiver_report(out, OWN_SSRC, &blocks[..count]).ok()?;
                Some(report + rtcp::sdes_cname(&mut out[report..], OWN_SSRC, "parley").ok()?)
            });
        }
    }

    fn sender_reports(&mut self, now: Time, key: Key<Session>) {
        let Some(session) = self.sessions.get(key) else { return };
        for index in 0..session.consumers.len() {
            let Some(session) = self.sessions.get(key) else { return };
            let Some(consumer) = session.consumers.get(index).and_then(|c| self.consumers.get(*c)) else {
                continue;
            };
            if now < consumer.next_report || consumer.current.is_none() {
                continue;
            }
            let consumer_key = session.consumers[index];
            let moment = self.moment(now, consumer);
            let (Some(consumer), Some(session)) =
                (self.consumers.get_mut(consumer_key), self.sessions.get_mut(key))
            else {
                continue;
            };
            let Some((ntp, rtp)) = moment else { continue };
            consumer.next_report = now + REPORTS;
            let ssrc = consumer.spec.ssrc;
            let (packets, octets) = (consumer.packets as u32, consumer.payload_bytes as u32);
            let cname = consumer.spec.cname.as_str();
            send_rtcp(session, &mut self.outbox, |out| {
                let report = rtcp::sender_report(out, ssrc, ntp, rtp, packets, octets, &[]).ok()?;
                Some(report + rtcp::sdes_cname(&mut out[report..], ssrc, cname).ok()?)
            });
        }
    }

    /// Now, on our NTP clock and on a consumer's RTP timeline, by the publisher's last report of the layer that is being
    /// sent. None before there is one.
    fn moment(&self, now: Time, consumer: &Consumer) -> Option<(u64, u32)> {
        let source = consumer.map.source()?;
        let producer = self.producers.get(consumer.producer?).filter(|p| p.id == source.producer)?;
        let report = producer.layers.get(usize::from(source.layer))?.report?;
        let reported = self.sessions.get(producer.session)?.clock.to_ours(report.ntp)?;
        let ntp = self.clock.at(now);
        let since = to_ticks(ntp.wrapping_sub(reported) as i64, consumer.clock_rate);
        Some((ntp, report.rtp.wrapping_add(since).wrapping_add(source.timestamp_offset)))
    }

    /// Layers that stopped or began, producers that stalled.
    pub(super) fn tick_producers(&mut self, now: Time) {
        for slot in 0..self.producers.slots() {
            let Some(key) = self.producers.key_at(slot) else { continue };
            let Some(producer) = self.producers.get_mut(key) else { continue };
            producer.layers.iter_mut().for_each(|layer| layer.cache.tidy(now));
            if producer.started && producer.is_stalled(now) {
                producer.started = false;
                if !producer.muted {
                    self.events.push(Event::ProducerStalled { producer: producer.id });
                }
            }
            self.choose_layers(now, key, true);
            self.tick_taps(now, key);
        }
    }

    /// Chooses the layer of every consumer of a producer anew, and, if wanted, asks for the key frames that switching
    /// needs.
    pub(super) fn choose_layers(&mut self, now: Time, key: Key<Producer>, ask: bool) {
        let Some(producer) = self.producers.get_mut(key) else { return };
        if producer.muted {
            return;
        }
        let (mut waiting, mut wanted) = (0u64, producer.tap_wish());
        for consumer in &producer.consumers {
            let Some(consumer) = self.consumers.get_mut(*consumer) else { continue };
            let layer = producer.choose_layer(now, consumer.allowed_layer());
            (consumer.target, consumer.selection.wanted_spatial) = producer.place_of(layer);
            consumer.selection.wanted_temporal = consumer.allowed_temporal();
            let session = self.sessions.get(consumer.session);
            if session.is_some_and(|s| !s.is_lost()) {
                wanted = wanted.max(consumer.wish());
            }
            let inner = producer.layers.get(usize::from(consumer.target)).and_then(Layer::inner);
            let sends = ask && session.is_some_and(|s| s.keys.is_some());
            if sends && consumer.waits(inner) {
                waiting |= 1 << consumer.target.min(63);
            }
        }
        for (index, layer) in producer.layers.iter_mut().enumerate() {
            if producer.kind == crate::command::Kind::Video && waiting & (1 << index.min(63)) != 0 {
                layer.key_frames.want();
                self.due.wake(producer.session);
            }
        }
        if producer.kind == crate::command::Kind::Video
            && let Some(layers) = producer.want(now, wanted)
        {
            self.events.push(Event::ProducerLayersWanted { producer: producer.id, layers });
        }
    }
}

const NO_BLOCK: ReportBlock = ReportBlock {
    ssrc: 0,
    fraction_lost: 0,
    cumulative_lost: 0,
    highest_sequence: 0,
    jitter: 0,
    last_sender_report: 0,
    delay_since_last: 0,
};

/// Writes, encrypts and queues one compound packet on a session's path.
fn send_rtcp(session: &mut Session, outbox: &mut Outbox, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
    let (Some(path), Some(keys)) = (session.paths.selected(), session.keys.as_mut()) else { return };
    let sent = outbox.push_with(path, RTCP_ROOM + RTCP_OVERHEAD, |buffer| {
        let len = write(&mut buffer[..RTCP_ROOM])?;
        keys.tx.protect_rtcp(buffer, len).ok()
    });
    if let Some(bytes) = sent {
        session.counters.packets_out += 1;
        session.counters.bytes_out += bytes as u64;
    }
}
