//! RTCP in: sender reports of publishers, and what subscribers report, miss and cannot decode.

use std::time::Duration;

use super::Engine;
use super::arena::Key;
use super::consumer::Consumer;
use super::formats::MediaFormat;
use super::forward::{Blocks, Incoming, Write};
use super::ingress::frame_of;
use super::retransmit::{MAX_ASKED, TWICE_ABOVE};
use super::session::Session;
use super::timeline::{Report, middle};
use crate::rtcp::{Packet, ReportBlock, parse_untrusted};
use crate::rtp::RtpView;
use crate::transport_feedback::Feedback;
use crate::units::{Time, extend_seq};

impl Engine {
    /// One authenticated compound packet in the clear. What is malformed ends it; what came before counts.
    pub(super) fn on_rtcp(&mut self, now: Time, key: Key<Session>, compound: &[u8]) {
        let mut asked = 0;
        self.due.wake(key); // loss, delay or capacity may have changed what the session gets
        for packet in parse_untrusted(compound) {
            let Ok(packet) = packet else {
                self.counters.junk += 1;
                return;
            };
            match packet {
                Packet::SenderReport { ssrc, ntp, rtp_timestamp, blocks, .. } => {
                    self.on_sender_report(now, key, ssrc, ntp, rtp_timestamp);
                    blocks.iter().for_each(|block| self.on_report_block(now, key, &block));
                }
                Packet::ReceiverReport { blocks, .. } => {
                    blocks.iter().for_each(|block| self.on_report_block(now, key, &block));
                }
                Packet::Nack { media_ssrc, lost, .. } => {
                    let Some(consumer) = self.consumer_of(key, media_ssrc) else { continue };
                    let Some(session) = self.sessions.get_mut(key) else { continue };
                    session.counters.nacks_received += 1;
                    let congested = session.bandwidth.is_overloaded(now);
                    let twice = !congested && session.downlink.share(now) > TWICE_ABOVE;
                    let first = asked;
                    for sequence in lost.iter().take(MAX_ASKED.saturating_sub(asked)) {
                        asked += 1;
                        self.repeat(now, consumer, sequence, false);
                    }
                    for sequence in lost.iter().take(if twice { asked - first } else { 0 }) {
                        self.repeat(now, consumer, sequence, true);
                    }
                }
                Packet::TransportFeedback { body, .. } => {
                    let Some(session) = self.sessions.get_mut(key) else { continue };
                    match Feedback::parse_untrusted(body) {
                        Some(feedback) => {
                            let rtt = session.round_trip.or_guess();
                            session.bandwidth.on_feedback(now, feedback, rtt);
                        }
                        None => self.counters.junk += 1,
                    }
                }
                Packet::Remb { bitrate_bps, .. } => {
                    if let Some(session) = self.sessions.get_mut(key) {
                        let sending = session.division.allocated_bps;
                        session.bandwidth.on_remb(now, bitrate_bps, sending);
                    }
                }
                Packet::Pli { media_ssrc, .. } => self.on_key_frame_request(key, media_ssrc),
                Packet::Fir { entries, .. } => {
                    entries.iter().for_each(|(ssrc, _)| self.on_key_frame_request(key, ssrc));
                }
                _ => {}
            }
        }
    }

    fn consumer_of(&self, key: Key<Session>, ssrc: u32) -> Option<Key<Consumer>> {
        let session = self.sessions.get(key)?;
        session
            .consumers
            .iter()
            .copied()
            .find(|c| self.consumers.get(*c).is_some_and(|c| c.spec.ssrc == ssrc))
    }

    fn on_sender_report(&mut self, now: Time, key: Key<Session>, ssrc: u32, ntp: u64, rtp: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(belongs) = session.ssrcs.get(&ssrc).filter(|b| !b.rtx) else { return };
        let Some(producer) = self.producers.get_mut(belongs.producer) else { return };
        if ntp == 0 {
            return; // RFC 3550 §6.4.1: the sender has no clock
        }
        session.clock.on_report(self.clock.at(now), ntp);
        producer.layers[usize::from(belongs.layer)].report = Some(Report { ntp, rtp, arrived: now });
    }

    fn on_report_block(&mut self, now: Time, key: Key<Session>, block: &ReportBlock) {
        let Some(consumer) = self.consumer_of(key, block.ssrc).and_then(|c| self.consumers.get_mut(c)) else {
            return;
        };
        let packets = consumer.packets_since_report();
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.downlink.on_block(now, block.fraction_lost, packets as f64);
        let share = session.downlink.share(now);
        session.bandwidth.on_loss_share(now, share);
        if let Some(round_trip) = block.round_trip(middle(self.clock.at(now))) {
            session.round_trip.on_report(Duration::from_micros(u64::from(round_trip) * 1_000_000 / 65_536));
        }
    }

    fn on_key_frame_request(&mut self, key: Key<Session>, ssrc: u32) {
        let Some(consumer) = self.consumer_of(key, ssrc).and_then(|c| self.consumers.get(c)) else { return };
        if let Some(session) = self.sessions.get_mut(key) {
            session.counters.plis_received += 1;
        }
        let layer = consumer.current.unwrap_or(consumer.target);
        if !consumer.is_on() {
            return;
        }
        if let Some(producer) = consumer.producer.and_then(|p| self.producers.get_mut(p))
            && let Some(layer) = producer.layers.get_mut(usize::from(layer))
        {
            layer.key_frames.ask();
            self.due.wake(producer.session);
        }
    }

    /// Answers a NACK, with a copy of the answer if that is worth it: at once, or when the session's budget allows, ahead of
    /// pictures.
    fn repeat(&mut self, now: Time, key: Key<Consumer>, sequence: u16, copy: bool) -> Option<()> {
        let consumer = self.consumers.get_mut(key)?;
        consumer.spec.rtx_ssrc?;
        let number = extend_seq(consumer.map.next_out() - 1, sequence);
        let (seq, source) = consumer.map.lookup(number)?;
        let producer = self.producers.get(self.producers.key(source.producer)?)?;
        let bytes = producer.layers.get(usize::from(source.layer))?.cache.get(now, seq)?.len();
        let session = self.sessions.get_mut(consumer.session)?;
        let link_bps = session.pacer.estimate().unwrap_or(f64::INFINITY);
        let allowed = if copy {
            consumer.rtx.allow_copy(now, number, bytes, link_bps)
        } else {
            consumer.rtx.allow(now, number, bytes, link_bps)
        };
        if !allowed {
            return None;
        }
        if !session.pacer.holds(now) {
            return self.send_repair(now, key, number);
        }
        session.pacer.push_repair(key, number);
        self.paced.add(now, consumer.session, session);
        Some(())
    }

    /// Sends a packet of a consumer's stream once more, as RTX. Never under its own sequence number: other header
    /// extensions under a used nonce would break the cipher (RFC 7714 §8.2).
    pub(super) fn send_repair(&mut self, now: Time, key: Key<Consumer>, number: u64) -> Option<()> {
        let consumer = self.consumers.get_mut(key)?;
        let rtx_ssrc = consumer.spec.rtx_ssrc?;
        let (seq, source) = consumer.map.lookup(number)?;
        let producer = self.producers.get(self.producers.key(source.producer)?)?;
        let layer =
            producer.layers.get(usize::from(source.layer)).filter(|l| l.generation == source.generation)?;
        let view = RtpView::parse_untrusted(layer.cache.get(now, seq)?).ok()?;
        let publisher = self.sessions.get(producer.session)?;
        let (format, extensions) = (publisher.payloads.media(view.payload_type())?, publisher.extensions);
        let session = self.sessions.get_mut(consumer.session)?;
        let ours: MediaFormat = session.payloads.by_format(format.format)?;
        let payload_type = ours.rtx_payload_type?;
        let mut frame = frame_of(&format, &view, &extensions)?;
        let inner = layer.inner();
        if let Some(known) = inner.and_then(|inner| inner.frame(&frame)) {
            frame.spatial = Some(known.spatial);
        }
        let write = Write {
            payload_type,
            ssrc: rtx_ssrc,
            sequence: consumer.rtx.next_sequence(),
            original: Some(number as u16),
            timestamp: view.timestamp().wrapping_add(source.timestamp_offset),
            marker: view.marker() || consumer.selection.ends_picture(&frame, inner),
            hollow: false,
            blocks: Blocks::None,
            sent_targets: consumer.selection.sent_targets(inner),
        };
        let packet = Incoming {
            view,
            seq,
            highest: seq,
            format,
            frame,
            producer: producer.id,
            layer: source.layer,
            generation: source.generation,
            extensions,
        };
        let sent = write.write(now, &packet, &source, &consumer.spec.mid, session, &mut self.outbox)?;
        session.counters.rtx_sent += 1;
        consumer.bytes += sent.bytes as u64;
        consumer.rate.add(sent.bytes);
        Some(())
    }
}
