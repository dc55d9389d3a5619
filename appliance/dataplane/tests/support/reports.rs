//! What a test peer tells by time: sender and receiver reports, transport-wide feedback.

use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::rtcp::{self, ReportBlock};
use _dataplane::units::Time;

use super::inbound::Inbound;
use super::peer::Peer;

/// Of the newest packets of a stream, those that did not come at the first attempt, in 256ths (RFC 3550 §6.4.1).
fn fraction_lost(inbound: &Inbound) -> u8 {
    let oldest = inbound.highest.saturating_sub(100);
    let Some((first, _)) = inbound.got.range(oldest..).next() else { return 0 };
    let came = inbound.got.range(first..).filter(|(_, got)| !got.by_rtx).count() as u64;
    let expected = inbound.highest + 1 - first;
    (expected.saturating_sub(came) * 256 / expected).min(255) as u8
}

impl Peer {
    pub fn reports(&mut self, now: Time) {
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            if track.offered == 0 || !track.running {
                continue;
            }
            // the timestamp now: that of the last frame and what passed since, here the part of an interval left
            let (rate, interval) =
                if track.kind == Kind::Audio { (48_000, 20_000) } else { (90_000, 33_333) };
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
                fraction_lost: fraction_lost(inbound),
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

    /// Transport-wide feedback each 50 ms, as libwebrtc gives it.
    pub fn feed_back(&mut self, now: Time) {
        if now < self.next_feedback || self.mute_feedback {
            return;
        }
        self.next_feedback = now + Duration::from_millis(50);
        let Some(mut log) = self.arrivals.take() else { return };
        let mut out = [0; 1300];
        while let Some(len) = log.build(&mut out, 1, 1) {
            let sealed = self.rtcp(&out[..len]);
            self.out.push(sealed);
        }
        self.arrivals = Some(log);
    }
}
