//! The receiver's own estimate (REMB, draft-alvestrand-rmcat-remb-03), the fall-back for one that gives no
//! transport-wide feedback.
//!
//! A REMB lies at up to 1.5 times what arrives, even on a free link, and says nothing about a higher layer. So it is the
//! limit only while and after the link shows that it is full: by much loss, or by a REMB that falls below what is sent
//! (receivers lower it for nothing but over-use; libwebrtc, AimdRateControl). Then it is none, so that more is tried,
//! each time after twice as long. Rejected: always the limit, which keeps everybody at the lowest layer for good.

use std::time::Duration;

use super::Limit;
use super::allocation;
use super::rate_control::LOSS_HIGH;
use crate::units::Time;

/// A full link is held at its REMB for so long (first: `allocation::HOLD`), each time twice as long.
pub const HOLD: Duration = allocation::HOLD;
const HOLD_MAX: Duration = Duration::from_secs(80);
/// Fallen is a REMB below this share of the last one (libwebrtc, RembThrottler: kSendThresholdPercent).
const FALL: f64 = 0.97;

/// What a receiver's REMBs amount to.
#[derive(Default)]
pub struct Remb {
    bps: Option<f64>,
    /// Until when it is the limit, and how long that has been.
    held: Option<(Time, Duration)>,
}

impl Remb {
    /// A REMB came. `sending`: what the receiver is sent now, in bits per second.
    pub fn on_report(&mut self, now: Time, bps: f64, sending: f64) {
        let before = self.bps.replace(bps);
        if bps < sending && before.is_some_and(|before| bps < FALL * before) {
            self.hold(now);
        }
    }

    /// Share of loss by receiver reports.
    pub fn on_loss_share(&mut self, now: Time, share: f64) {
        if self.bps.is_some() && share > LOSS_HIGH {
            self.hold(now);
        }
    }

    fn hold(&mut self, now: Time) {
        if !self.is_held(now) {
            let hold = self.held.map_or(HOLD, |(_, hold)| (hold * 2).min(HOLD_MAX));
            self.held = Some((now + hold, hold));
        }
    }

    /// Whether it is the limit.
    pub fn is_held(&self, now: Time) -> bool {
        self.held.is_some_and(|(until, _)| now < until)
    }

    /// The limit by it; None where no REMB was heard.
    pub fn limit(&self, now: Time) -> Option<Limit> {
        self.bps.map(|bps| if self.is_held(now) { Limit::Starting(bps) } else { Limit::None })
    }
}
