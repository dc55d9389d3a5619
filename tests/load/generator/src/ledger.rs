//! The account of a run: which streams there are, what was offered in the measured window, how long packets took.

use _dataplane::command::Kind;

use crate::histogram::Histogram;
use crate::mark::Mark;
use crate::plan::Plan;

/// One published stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Index of its room.
    pub room: usize,
    /// Number within its room.
    pub place: usize,
    /// Audio or video.
    pub kind: Kind,
    /// First mark of the window; `u64::MAX` before it.
    pub from: u64,
    /// First mark after the window; `u64::MAX` while it is open.
    pub to: u64,
}

impl Stream {
    /// Packets offered in the window.
    pub fn offered(&self) -> u64 {
        if self.from == u64::MAX { 0 } else { self.to - self.from }
    }
}

/// All streams of a run and what came of them.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By number, as in the marks.
    pub streams: Vec<Stream>,
    /// Added latency of video in the window, µs.
    pub video: Histogram,
    /// Added latency of audio in the window, µs.
    pub audio: Histogram,
    /// How late frames were sent, µs.
    pub lateness: Histogram,
    /// Whether the window is open.
    pub measuring: bool,
    /// Packets of SSRCs or streams that are not of the room.
    pub strangers: u64,
    /// Packets that were not authentic or malformed.
    pub refused: u64,
    /// What went wrong, first lines first.
    pub failures: Vec<String>,
}

/// Failures kept word for word.
const FAILURES: usize = 20;

impl Ledger {
    /// The streams that a plan will have, publisher by publisher: audio, then video.
    pub fn new(plan: &Plan) -> Self {
        let mut streams = Vec::new();
        for (index, room) in plan.rooms.iter().enumerate() {
            let kinds = [(Kind::Audio, room.audio), (Kind::Video, room.video)];
            let kinds = kinds.iter().filter(|(_, wanted)| *wanted).map(|(kind, _)| *kind);
            let all = std::iter::repeat_n(kinds, room.publishers).flatten();
            streams.extend(all.enumerate().map(|(place, kind)| Stream {
                room: index,
                place,
                kind,
                from: u64::MAX,
                to: u64::MAX,
            }));
        }
        Self { streams, ..Self::default() }
    }

    /// Streams of a room.
    pub fn count_of(&self, room: usize) -> usize {
        self.streams.iter().filter(|stream| stream.room == room).count()
    }

    /// A new packet arrived in `room`: the place of its stream, and whether it counts.
    pub fn arrived(&mut self, room: usize, mark: Mark, at_us: u64) -> Option<(usize, bool)> {
        let stream = self.streams.get(mark.stream as usize);
        let Some(stream) = stream.filter(|stream| stream.room == room) else {
            self.strangers += 1;
            return None;
        };
        let counts = (stream.from..stream.to).contains(&mark.sequence);
        let place = stream.place;
        if counts {
            let latency = at_us.saturating_sub(mark.sent_us);
            if stream.kind == Kind::Audio { &mut self.audio } else { &mut self.video }.record(latency);
        }
        Some((place, counts))
    }

    /// Packets offered in the window by the streams of a room that are of these kinds.
    pub fn offered(&self, room: usize, kinds: &[Kind]) -> u64 {
        let wanted = self.streams.iter().filter(|stream| stream.room == room && kinds.contains(&stream.kind));
        wanted.map(Stream::offered).sum()
    }

    /// A window begins: what the last one showed is forgotten.
    pub fn begin(&mut self) {
        self.video = Histogram::default();
        self.audio = Histogram::default();
        self.lateness = Histogram::default();
        self.measuring = true;
    }

    /// Something failed.
    pub fn fail(&mut self, what: String) {
        if self.failures.len() < FAILURES {
            self.failures.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_the_window_count() {
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "server": "parley", "url": "http://127.0.0.1:1", "cipher": "gcm",
            "media": {"fps": 30, "packets_per_frame": 10, "video_bytes": 1200, "audio_pps": 50, "audio_bytes": 100},
            "rooms": [
                {"meeting": "a", "publishers": 1, "subscribers": 3, "video": true, "audio": false},
                {"meeting": "b", "publishers": 2, "subscribers": 0, "video": true, "audio": true}]
        }))
        .unwrap();
        let mut ledger = Ledger::new(&plan);
        assert_eq!((ledger.count_of(0), ledger.count_of(1)), (1, 4));
        let mark = |stream, sequence| Mark { stream, sequence, sent_us: 1000 };
        assert_eq!(ledger.arrived(1, mark(2, 5), 1500), Some((1, false)), "no window yet");
        (ledger.streams[2].from, ledger.streams[2].to) = (6, 8);
        let counted = (5..10).filter(|&n| ledger.arrived(1, mark(2, n), 1500) == Some((1, true))).count();
        assert_eq!(
            (counted, ledger.offered(1, &[Kind::Audio, Kind::Video]), ledger.video.percentile(1.0)),
            (2, 2, 500)
        );
        assert_eq!(ledger.offered(1, &[Kind::Audio]), 0, "stream 2 is video");
        assert_eq!(ledger.arrived(0, mark(2, 6), 1500), None, "of another room");
        assert_eq!(ledger.arrived(0, mark(99, 6), 1500), None, "of nobody");
        assert_eq!(ledger.strangers, 2);
        ledger.begin();
        assert_eq!((ledger.measuring, ledger.video.total()), (true, 0));
    }
}
