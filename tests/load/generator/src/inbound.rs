//! One stream that a client receives: what is missing, what reports say of it.

use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::nack::{Arrival, LossTracker};
use _dataplane::rtcp::{self, ReportBlock};
use _dataplane::rtp::{RtpView, split_rtx_untrusted};
use _dataplane::units::Time;

use crate::mark::Mark;

/// Pause between two picture loss indications, as browsers keep it.
const PLI_EACH: Duration = Duration::from_millis(500);

/// State of one SSRC and its RTX.
pub struct Inbound {
    /// Audio or video.
    pub kind: Kind,
    /// Of the media.
    pub ssrc: u32,
    /// Packets asked for again.
    pub nacked: u64,
    /// Key frames asked for.
    pub plis: u64,
    tracker: LossTracker,
    heard: bool,
    last_pli: Option<Time>,
    last_report: Option<(Time, u32)>,
}

impl Inbound {
    /// A stream as the answer announces it.
    pub fn new(kind: Kind, ssrc: u32, rtx_ssrc: Option<u32>) -> Self {
        let clock = if kind == Kind::Audio { 48_000 } else { 90_000 };
        Self {
            kind,
            ssrc,
            nacked: 0,
            plis: 0,
            tracker: LossTracker::new(clock, kind == Kind::Video && rtx_ssrc.is_some()),
            heard: false,
            last_pli: None,
            last_report: None,
        }
    }

    /// A packet came, by itself or by retransmission: its mark if it is new and has one.
    pub fn on_packet(&mut self, now: Time, view: &RtpView<'_>) -> Option<Mark> {
        let mut payload = view.payload();
        let mut sequence = view.sequence();
        if view.ssrc() == self.ssrc {
            self.tracker.on_timestamp(now, view.timestamp());
        } else {
            (sequence, payload) = split_rtx_untrusted(payload).ok()?; // padding is too short
        }
        self.heard = true;
        if self.tracker.on_packet(now, sequence).0 == Arrival::Duplicate {
            return None;
        }
        match self.kind {
            Kind::Audio => Mark::of_opus(payload),
            Kind::Video => Mark::of_vp8(payload),
        }
    }

    /// A sender report came.
    pub fn on_report(&mut self, now: Time, ntp: u64) {
        self.last_report = Some((now, rtcp::ntp_middle(ntp)));
    }

    /// Whether packets are missing that may still come.
    pub fn is_missing_some(&self) -> bool {
        self.tracker.missing() > 0
    }

    /// NACK and PLI that are due, one behind the other; returns their length.
    pub fn requests(
        &mut self,
        now: Time,
        round_trip: Duration,
        sender_ssrc: u32,
        lost: &mut Vec<u16>,
        out: &mut [u8],
    ) -> usize {
        let mut length = 0;
        if self.tracker.missing() > 0 {
            self.tracker.due_nacks(now, round_trip, lost);
            self.nacked += lost.len() as u64;
            length = rtcp::nack(out, sender_ssrc, self.ssrc, lost).unwrap_or(0);
        }
        let may_ask = self.last_pli.is_none_or(|at| now.since(at) >= PLI_EACH);
        if self.kind == Kind::Video && may_ask && self.tracker.take_needs_key_frame() {
            (self.last_pli, self.plis) = (Some(now), self.plis + 1);
            length += rtcp::pli(&mut out[length..], sender_ssrc, self.ssrc).unwrap_or(0);
        }
        length
    }

    /// The block of a receiver report; None before the first packet.
    pub fn report(&mut self, now: Time) -> Option<ReportBlock> {
        if !self.heard {
            return None;
        }
        let figures = self.tracker.report();
        let (last_sender_report, delay_since_last) = self
            .last_report
            .map_or((0, 0), |(at, ntp)| (ntp, (now.since(at).as_micros() * 65_536 / 1_000_000) as u32));
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: figures.fraction_lost,
            cumulative_lost: figures.cumulative_lost,
            highest_sequence: figures.highest,
            jitter: figures.jitter,
            last_sender_report,
            delay_since_last,
        })
    }
}
