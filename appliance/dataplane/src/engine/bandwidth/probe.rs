//! Probes: short runs of packets above the estimate, and what the link made of them.
//!
//! One at a time. Every packet that is sent while a probe runs is part of it, media as well as padding, so that the rate
//! at which the run arrives is the link's and not a share of it.

use std::time::Duration;

use super::history::{AHEAD, Sent};
use crate::units::Time;

/// A probe lasts at least 15 ms and 5 packets (MEDIA-NOTES §3); four turns of our timer, and the last turn's packets only
/// end the measurement.
const LENGTH: Duration = Duration::from_millis(30);
const MIN_PACKETS: u32 = 5;
/// Padding is sent ahead for one turn of the timer.
const TURN: Duration = Duration::from_millis(10);
/// A probe that takes longer did not get its packets out.
const MAX_LENGTH: Duration = Duration::from_millis(200);
/// What feedback has not told by then it never tells.
const PATIENCE: Duration = Duration::from_millis(1000);
/// The delay that a probe itself makes is no over-use: while it runs, and while its queue drains at most so long.
const DRAIN: Duration = Duration::from_millis(150);
/// Share of packets and bytes that must arrive (MEDIA-NOTES §3).
const MIN_SHARE: f64 = 0.8;
/// Arrived at less than this share of the send rate: the link is full, and so much of it is used (libwebrtc,
/// ProbeBitrateEstimator: kMinRatioForUnsaturatedLink, kTargetUtilizationFraction).
const UNSATURATED: f64 = 0.9;
const UTILISATION: f64 = 0.95;

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What was tried, in bits per second.
    pub tried_bps: f64,
    /// What the link carried.
    pub carried_bps: f64,
    /// The link was full.
    pub saturated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    id: u8,
    bps: f64,
    started: Time,
    ended: Option<Time>,
    packets: u32,
    bytes: u64,
    last_sent: Time,
    last_burst: u64,
    arrived_packets: u32,
    arrived_bytes: u64,
    /// Least delay before it and at its begin, by the two clocks.
    delay: Option<i64>,
    /// The most that it shows the link to carry, in bits per second.
    carried_bps: f64,
}

/// The probes of one session.
#[derive(Default)]
pub struct Prober {
    run: Option<Run>,
    next_id: u8,
    /// Send times at which delay is the last probe's own.
    quiet: Option<(Time, Time)>,
}

impl Prober {
    /// Whether one runs or is waited for.
    pub fn is_busy(&self) -> bool {
        self.run.is_some()
    }

    /// Begins one.
    pub fn start(&mut self, now: Time, bps: f64) {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.quiet = Some((now, now + MAX_LENGTH + DRAIN));
        self.run = Some(Run {
            id: self.next_id,
            bps,
            started: now,
            ended: None,
            packets: 0,
            bytes: 0,
            last_sent: now,
            last_burst: 0,
            arrived_packets: 0,
            arrived_bytes: 0,
            delay: None,
            carried_bps: 0.0,
        });
    }

    /// A packet goes out; returns the number of the probe that it is part of, or 0, and what the probe sent before it in
    /// units of [`AHEAD`].
    pub fn on_sent(&mut self, now: Time, bytes: usize) -> (u8, u16) {
        let Some(run) = self.run.as_mut().filter(|run| run.ended.is_none()) else { return (0, 0) };
        let ahead = u16::try_from(run.bytes / AHEAD).unwrap_or(u16::MAX);
        if now > run.last_sent {
            run.last_burst = 0;
        }
        run.packets += 1;
        run.bytes += bytes as u64;
        run.last_burst += bytes as u64;
        run.last_sent = now;
        (run.id, ahead)
    }

    /// Bytes of padding to send now.
    pub fn due(&mut self, now: Time) -> usize {
        let Some(run) = self.run.as_mut() else { return 0 };
        match run.ended {
            Some(ended) => {
                if now - ended > PATIENCE {
                    self.run = None;
                }
                return 0;
            }
            None if now - run.started > MAX_LENGTH => {
                self.run = None;
                return 0;
            }
            None => {}
        }
        let passed = now - run.started;
        let wanted = (run.bps / 8.0 * (passed + TURN).as_secs_f64()) as u64;
        // the last turn sends at least one packet: whatever media went out before, the measurement ends with it
        wanted.saturating_sub(run.bytes).max(u64::from(passed >= LENGTH)) as usize
    }

    /// This turn's packets are out: the probe may be whole.
    pub fn end_turn(&mut self, now: Time) {
        if let Some(run) = self.run.as_mut().filter(|run| run.ended.is_none())
            && now - run.started >= LENGTH
            && run.packets >= MIN_PACKETS
            && run.last_sent == now
        {
            run.ended = Some(now);
            self.quiet = Some((run.started, now + DRAIN));
        }
    }

    /// Whether the delay of a packet sent then is a probe's own work.
    pub fn explains(&self, sent: Time) -> bool {
        self.quiet.is_some_and(|(from, until)| (from..=until).contains(&sent))
    }

    /// A packet arrived, on the receiver's clock in µs. `before`: the least delay of late, by the two clocks.
    ///
    /// What the probe sent before it went through the link between the first packet's and its own arrival. Whatever
    /// delays a packet on the way or at the receiver makes that longer, never shorter, so that the largest rate that a
    /// packet of the second half shows is the one to believe; if the first packet is the late one, `before` knows better.
    pub fn on_arrival(&mut self, sent: &Sent, arrival: i64, before: Option<i64>) {
        let Some(run) = self.run.as_mut().filter(|run| run.id == sent.probe) else { return };
        run.arrived_packets += 1;
        run.arrived_bytes += u64::from(sent.bytes);
        let delay = arrival.saturating_sub(sent.at.0 as i64);
        let least = run.delay.or(before).map_or(delay, |least| least.min(delay));
        run.delay = Some(least);
        let passed = sent.at - run.started;
        if passed >= LENGTH / 2 {
            let took = passed.as_secs_f64() + delay.saturating_sub(least) as f64 / 1e6;
            let ahead = u64::from(sent.ahead) * AHEAD;
            run.carried_bps = run.carried_bps.max(ahead as f64 * 8.0 / took);
        }
    }

    /// Feedback told of packets up to the one sent at `newest`: the outcome, once the run is told whole. None also for a
    /// run that says nothing; it is over then.
    pub fn outcome(&mut self, newest: Time) -> Option<Outcome> {
        let run = self.run.filter(|run| {
            run.ended.is_some() && (newest > run.last_sent || run.arrived_packets >= run.packets)
        })?;
        self.run = None;
        let enough = f64::from(run.arrived_packets) >= f64::from(run.packets) * MIN_SHARE
            && run.arrived_bytes as f64 >= run.bytes as f64 * MIN_SHARE;
        let sent_s = (run.last_sent - run.started).as_secs_f64();
        if !enough || sent_s <= 0.0 || run.carried_bps <= 0.0 {
            return None;
        }
        let sent_bps = (run.bytes - run.last_burst) as f64 * 8.0 / sent_s;
        let saturated = run.carried_bps < UNSATURATED * sent_bps;
        // what was lost need not have taken anything of the link
        let used = UTILISATION.min(run.arrived_bytes as f64 / run.bytes as f64);
        let carried_bps = if saturated { used * run.carried_bps } else { run.carried_bps.min(sent_bps) };
        Some(Outcome { tried_bps: run.bps, carried_bps, saturated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::bandwidth::history::{News, SentHistory};

    /// Runs a probe of `bps` over a link of `link_bps` that drops every `drop`th packet.
    fn probe(bps: f64, link_bps: f64, drop: usize) -> Option<Outcome> {
        let (mut prober, mut history) = (Prober::default(), SentHistory::default());
        let (mut seq, mut busy, mut arrivals) = (0u16, 0.0f64, Vec::new());
        prober.start(Time(1_000_000), bps);
        for turn in 0..8 {
            let now = Time(1_000_000 + turn * 10_000);
            let mut due = prober.due(now);
            while due > 0 {
                let (probe, ahead) = prober.on_sent(now, 285);
                history.on_sent(now, seq, 285, probe, ahead);
                busy = busy.max(now.0 as f64) + 285.0 * 8.0 / link_bps * 1e6;
                arrivals.push((seq, busy as i64));
                seq += 1;
                due = due.saturating_sub(285);
            }
            prober.end_turn(now);
        }
        for (seq, arrival) in arrivals.into_iter().filter(|(seq, _)| usize::from(*seq) % drop != drop - 1) {
            if let Some(News::Arrived(sent)) = history.on_report(seq, true) {
                prober.on_arrival(&sent, arrival, None);
            }
        }
        let outcome = prober.outcome(Time(2_000_000));
        assert!(!prober.is_busy());
        outcome
    }

    #[test]
    fn finds_the_rate_of_a_full_link_and_believes_a_free_one_no_more_than_it_tried() {
        for link in [200e3, 400e3, 1e6, 5e6] {
            let outcome = probe(2.0 * link, link, 1000).unwrap();
            assert!(
                outcome.saturated && (outcome.carried_bps / link - 0.95).abs() < 0.03,
                "{link}: {outcome:?}"
            );
        }
        let free = probe(900e3, 1e9, 1000).unwrap();
        assert!(!free.saturated && (0.9..1.1).contains(&(free.carried_bps / 900e3)), "{free:?}");
    }

    #[test]
    fn says_nothing_when_too_much_is_lost() {
        assert_eq!(probe(1e6, 1e9, 3), None);
        assert!(probe(1e6, 1e9, 20).is_some());
    }
}
