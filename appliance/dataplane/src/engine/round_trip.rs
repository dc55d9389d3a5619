//! The round trip to one client: by its receiver reports, and where it sends none about us, as one that only publishes,
//! by how soon it answers our NACKs.

use std::time::Duration;

use crate::units::Time;

/// To assume while nothing was measured: a wide-area guess between the clamps of MEDIA-NOTES §4.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Answers are remembered for one to two of these, together the 10 s of BBR (draft-cardwell-iccrg-bbr-congestion-control,
/// MinRTTFilterLen): long enough to hold some losses of a good link, short enough to follow a path that became longer.
const WINDOW: Duration = Duration::from_secs(5);

/// What is known of a client's round trip.
#[derive(Default)]
pub struct RoundTrip {
    reported: Option<Duration>,
    /// Shortest answer of this window, and of the one before.
    shortest: Option<Duration>,
    before: Option<Duration>,
    since: Time,
}

impl RoundTrip {
    /// A receiver report tells one.
    pub fn on_report(&mut self, seen: Duration) {
        // smoothed like TCP's (RFC 6298 §2)
        self.reported = Some(self.reported.map_or(seen, |rtt| (rtt * 7 + seen) / 8));
    }

    /// A packet that we asked for came so long after the first request. Nothing makes that shorter than the round trip,
    /// but a lost request, a lost answer and the sender's pacing make it longer: so the shortest one counts, and repeats
    /// need not be told apart (an average would have to leave out what was asked for twice, which with a guess of 100 ms
    /// and a link of 300 ms is everything).
    pub fn on_answer(&mut self, now: Time, took: Duration) {
        if now - self.since >= WINDOW {
            self.before = self.shortest.take().filter(|_| now - self.since < 2 * WINDOW);
            self.since = now;
        }
        self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
    }

    /// The round trip, if it is known. What was measured last stays until there is something newer.
    pub fn known(&self) -> Option<Duration> {
        self.reported.or_else(|| [self.shortest, self.before].into_iter().flatten().min())
    }

    /// The round trip to reckon with.
    pub fn or_guess(&self) -> Duration {
        self.known().unwrap_or(UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_answer_of_some_seconds_counts_until_reports_come() {
        let (at, ms) = (Time::from_millis, Duration::from_millis);
        let mut trip = RoundTrip::default();
        assert_eq!((trip.known(), trip.or_guess()), (None, UNKNOWN));
        for (when, took) in [(20_000, 90), (21_000, 60), (22_000, 360)] {
            trip.on_answer(at(when), ms(took));
        }
        assert_eq!(trip.known(), Some(ms(60)));
        trip.on_answer(at(26_000), ms(300));
        assert_eq!(trip.known(), Some(ms(60)), "the window before still counts");
        trip.on_answer(at(31_500), ms(310));
        assert_eq!(trip.known(), Some(ms(300)), "the path became longer");
        trip.on_answer(at(90_000), ms(400));
        assert_eq!(trip.known(), Some(ms(400)), "nothing was lost for a minute");
        trip.on_report(ms(80));
        assert_eq!(trip.known(), Some(ms(80)));
    }
}
