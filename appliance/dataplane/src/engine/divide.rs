//! Each subscriber's estimate, divided among its pictures; and the padding that finds out whether there is more.

use std::time::Duration;

use super::Engine;
use super::arena::Key;
use super::bandwidth::Limit;
use super::bandwidth::allocation::{
    self, Demand, Grant, HEADROOM, HOLD, LayerRates, Lowest, MAX_LAYERS, SHORT_HOLD, STEPS, WHOLE,
};
use super::consumer::Consumer;
use super::producer::Producer;
use super::rate::Parts;
use super::session::{Division, Session};
use crate::command::Kind;
use crate::rtp::HeaderBuilder;
use crate::units::Time;

/// An estimate is divided anew each second, or when it changed by this share (MEDIA-NOTES §4).
const EACH: Duration = Duration::from_secs(1);
const CHANGE: f64 = 0.15;
/// What layers of a source are taken for in their first second, lowest first: what browsers make of 720p in three layers
/// (libwebrtc, simulcast.cc: 150, 500 and 2500 kbit/s).
const UNMEASURED_BPS: [f64; 3] = [150e3, 500e3, 2.5e6];
/// Below this a link that carries pictures gets speech without redundancy, whose 40 kbit/s are every other frame of a small
/// picture there (measured in Chromium behind 300 kbit/s: 3 frames/s); with it again from the second on.
const BARE_SOUND_BPS: f64 = 500e3;
const BARE_SOUND_UNTIL_BPS: f64 = 600e3;
/// Unless so much is lost, from which on sound is made up audibly.
const REDUNDANCY_FROM: f64 = 0.02;
/// RFC 3550 §5.1: the last octet counts the padding.
const PADDING: usize = 255;
/// Header with MID, send time and number, and the SRTP tag.
const PADDING_ROOM: usize = 400;

impl Engine {
    /// Divides a session's estimate when that is due, and sends padding while it is probed.
    pub(super) fn tick_bandwidth(&mut self, now: Time, key: Key<Session>) {
        let Some(session) = self.sessions.get(key) else { return };
        let limit = limit(session, now);
        if now >= session.division.due || has_changed(session.division.limit, limit) {
            self.divide(now, key);
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        let paced = session.bandwidth.has_feedback() && session.bandwidth.has_shown_its_limit();
        let room = session.bandwidth.room();
        session.pacer.set_estimate(now, limit.bps().filter(|_| paced), room);
        let padding = session.bandwidth.tick(now);
        if padding > 0 {
            let sent = self.send_in_place_of_padding(now, key, padding);
            self.pad(now, key, padding.saturating_sub(sent));
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.bandwidth.end_turn(now);
        }
    }

    /// Whoever gets a producer divides anew soon: its layers have changed.
    pub(super) fn divide_for(&mut self, key: Key<Producer>, now: Time) {
        for consumer in self.producers.get(key).iter().flat_map(|p| &p.consumers) {
            let Some(key) = self.consumers.get(*consumer).map(|c| c.session) else { continue };
            if let Some(session) = self.sessions.get_mut(key) {
                session.division.due = now;
                self.due.wake(key);
            }
        }
    }

    /// Divides a session's estimate among its pictures.
    pub(super) fn divide(&mut self, now: Time, key: Key<Session>) {
        let Some(session) = self.sessions.get(key) else { return };
        let limit = limit(session, now);
        let overhead = session.overhead();
        let mut demands = std::mem::take(&mut self.demand_scratch);
        demands.clear();
        let mut sound = 0.0;
        for index in 0..session.consumers.len() {
            let Some(consumer_key) = self.sessions.get(key).and_then(|s| s.consumers.get(index)).copied()
            else {
                break;
            };
            let Some(consumer) = self.consumers.get_mut(consumer_key) else { continue };
            match consumer.spec.kind {
                Kind::Audio => sound += consumer.rate.cost_bps(now, overhead).unwrap_or(0.0),
                Kind::Video => match self.demand(now, consumer_key, index, overhead) {
                    Some(demand) => demands.push(demand),
                    // nothing flows yet, or any more: it begins low, unless there is no limit
                    None => self.begin_low(consumer_key, limit),
                },
            }
        }
        let wanted: f64 = demands.iter().filter_map(Demand::best).map(|(_, bps)| bps * HEADROOM).sum();
        let (bps, starting) = match limit {
            Limit::None => (f64::INFINITY, true),
            Limit::Starting(bps) => (bps, true),
            Limit::Known(bps) => (bps, false),
        };
        let given: f64 = if limit == Limit::None {
            demands.iter_mut().for_each(|d| d.grant = Grant::ALL);
            demands.iter().filter_map(Demand::best).map(|(_, bps)| bps).sum()
        } else {
            let overloaded = self.sessions.get(key).is_some_and(|s| s.bandwidth.is_overloaded(now));
            let lowest = match (starting, overloaded) {
                (true, _) => Lowest::ForAll,
                (false, false) => Lowest::ForRunning,
                (false, true) => Lowest::IfItFits,
            };
            allocation::allocate(now, (bps - sound).max(0.0), &mut demands, lowest)
        };
        if let Some(session) = self.sessions.get_mut(key) {
            let bare_sound = !demands.is_empty()
                && matches!(limit, Limit::Known(_))
                && bps < if session.division.bare_sound { BARE_SOUND_UNTIL_BPS } else { BARE_SOUND_BPS }
                && session.downlink.share(now) < REDUNDANCY_FROM;
            session.division = Division { due: now + EACH, limit, allocated_bps: sound + given, bare_sound };
            session.bandwidth.set_wanted(now, sound + wanted);
        }
        for demand in &demands {
            self.apply(now, key, demand, starting);
        }
        self.demand_scratch = demands;
    }

    /// What a consumer wants, each packet with so much overhead; None where nothing flows or nothing is wanted.
    fn demand(&mut self, now: Time, key: Key<Consumer>, index: usize, overhead: usize) -> Option<Demand> {
        let consumer = self.consumers.get(key)?;
        let producer = self.producers.get_mut(consumer.producer?).filter(|p| !p.muted)?;
        if consumer.paused {
            return None;
        }
        let top = usize::from(producer.choose_layer(now, consumer.wanted_layer));
        let mut rates = [[None; STEPS]; MAX_LAYERS];
        let temporal = usize::from(consumer.wanted_temporal);
        for (i, rates) in rates.iter_mut().enumerate().take(top + 1) {
            if producer.layer_flows(now, i)
                && let Some((bps, parts)) = producer.layer_cost(now, i, overhead)
            {
                let unmeasured = UNMEASURED_BPS[i.min(UNMEASURED_BPS.len() - 1)];
                *rates = steps(parts, temporal, bps.unwrap_or(unmeasured));
            }
        }
        rates.iter().any(|rates| rates[WHOLE].is_some()).then_some(Demand {
            consumer: index,
            priority: consumer.priority,
            rates,
            before: consumer.grant,
            holds: consumer.holds,
            grant: Grant::Paused,
        })
    }

    fn begin_low(&mut self, key: Key<Consumer>, limit: Limit) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.grant = if limit == Limit::None { Grant::ALL } else { Grant::whole(0) };
        }
    }

    fn apply(&mut self, now: Time, key: Key<Session>, demand: &Demand, starting: bool) {
        let Some(consumer) = self.sessions.get(key).and_then(|s| s.consumers.get(demand.consumer)) else {
            return;
        };
        let Some(consumer) = self.consumers.get_mut(*consumer) else { return };
        let before = std::mem::replace(&mut consumer.grant, demand.grant);
        if before == demand.grant {
            return;
        }
        let best = demand.best().map_or(0, |(layer, _)| layer);
        match (before, demand.grant) {
            (_, Grant::Paused) => {
                consumer.stop();
                consumer.holds.frames = now + SHORT_HOLD;
            }
            (Grant::UpTo { layer: had, temporal: before }, Grant::UpTo { layer: has, temporal })
                if !starting =>
            {
                if has < had.min(best) {
                    consumer.holds.layers = now + HOLD;
                }
                if has < had.min(best) || (has == had && temporal < before) {
                    consumer.holds.frames = now + SHORT_HOLD;
                }
            }
            _ => {}
        }
        if let Some(producer) = consumer.producer {
            self.choose_layers(now, producer, true);
        }
    }

    /// Sends padding on the RTX stream of a picture, which needs no media to have been sent (RFC 4588 §4; libwebrtc pads
    /// likewise). A session without one is not probed.
    fn pad(&mut self, now: Time, key: Key<Session>, bytes: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(payload_type) = session.payloads.padding_payload_type() else { return };
        let mut keys = session.consumers.iter().copied();
        let Some(consumer) = keys.find(|c| self.consumers.get(*c).is_some_and(|c| c.spec.rtx_ssrc.is_some()))
        else {
            return;
        };
        let Some(consumer) = self.consumers.get_mut(consumer) else { return };
        let mut sent = 0;
        while sent < bytes {
            let Some(written) = pad_one(now, payload_type, consumer, session, &mut self.outbox) else {
                break;
            };
            sent += written;
        }
    }
}

/// What a layer costs with all temporal layers that are wanted and with fewer.
fn steps(parts: &Parts, wanted: usize, bps: f64) -> LayerRates {
    let top = parts.top().min(wanted);
    let mut rates = [None; STEPS];
    for (temporal, rate) in rates.iter_mut().enumerate().take(top) {
        *rate = Some(bps * parts.share(temporal));
    }
    rates[WHOLE] = Some(bps * parts.share(top));
    rates
}

fn pad_one(
    now: Time,
    payload_type: u8,
    consumer: &mut Consumer,
    session: &mut Session,
    outbox: &mut super::outbox::Outbox,
) -> Option<usize> {
    let (path, keys) = (session.paths.selected()?, session.keys.as_mut()?);
    let ours = &session.extensions;
    // abs-send-time: 6.18 fixed-point seconds
    let send_time = (((u128::from(now.0) << 18) / 1_000_000) as u32).to_be_bytes();
    let transport_seq = session.transport_seq.wrapping_add(1);
    let transport_bytes = transport_seq.to_be_bytes();
    let elements: [(u8, &[u8]); 3] = [
        (ours.mid, consumer.spec.mid.as_bytes()),
        (ours.abs_send_time, &send_time[1..]),
        (ours.transport_cc, &transport_bytes),
    ];
    let mut extensions: [(u8, &[u8]); 3] = [(0, &[]); 3];
    let mut count = 0;
    for element in elements.into_iter().filter(|(id, _)| *id != 0) {
        extensions[count] = element;
        count += 1;
    }
    let header = HeaderBuilder {
        payload_type,
        marker: false,
        sequence: consumer.rtx.next_sequence(),
        timestamp: consumer.output.map_or(0, |o| o.timestamp),
        ssrc: consumer.spec.rtx_ssrc?,
        padding: true,
        extensions: &extensions[..count],
    };
    let bytes = outbox.push_with(path, PADDING_ROOM, |buffer| {
        let len = header.write(buffer).ok()?;
        let padding = buffer.get_mut(len..len + PADDING)?;
        padding.fill(0);
        padding[PADDING - 1] = PADDING as u8;
        keys.tx.protect_rtp(buffer, len + PADDING).ok()
    })?;
    session.transport_seq = transport_seq;
    session.bandwidth.on_sent(now, transport_seq, bytes + path.overhead());
    session.counters.packets_out += 1;
    session.counters.bytes_out += bytes as u64;
    consumer.bytes += bytes as u64;
    Some(bytes + path.overhead())
}

/// The limit of a session, if its receiver can report at all.
fn limit(session: &Session, now: Time) -> Limit {
    session.bandwidth.limit(now, session.extensions.transport_cc != 0)
}

fn has_changed(before: Limit, now: Limit) -> bool {
    match (before, now) {
        (Limit::None, Limit::None) => false,
        (Limit::Starting(a), Limit::Starting(b)) | (Limit::Known(a), Limit::Known(b)) => {
            (b - a).abs() >= CHANGE * a
        }
        _ => true,
    }
}
