//! The account of a run as numbers for the driver.

use _dataplane::command::Kind;
use _dataplane::units::Time;
use serde::Serialize;

use crate::client::Client;
use crate::histogram::Histogram;
use crate::joining::Milestones;
use crate::ledger::{Ledger, Stream};

/// Shares of a histogram in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Values.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 99 of 100 are not above.
    pub p99_ms: f64,
    /// 999 of 1000 are not above.
    pub p999_ms: f64,
    /// None is above.
    pub max_ms: f64,
}

impl Latency {
    fn of(histogram: &Histogram) -> Self {
        let ms = |share| histogram.percentile(share) as f64 / 1000.0;
        Self {
            count: histogram.total(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: ms(1.0),
        }
    }
}

/// What the media thread alone knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Joins count from here on.
    pub since: Time,
    /// Of the receiving socket.
    pub socket_drops: u32,
    /// Of the sending one.
    pub send_errors: u64,
    /// Of the emulated network.
    pub lost_down: u64,
    /// Likewise.
    pub lost_up: u64,
}

/// All numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Clients with an answer.
    pub clients: usize,
    /// Clients with keys.
    pub connected: usize,
    /// Packets that publishers offered in the window.
    pub offered: u64,
    /// Packets that all receivers together should have got.
    pub expected: u64,
    /// Packets that they got, retransmissions of lost ones included, each once.
    pub received: u64,
    /// Share of the client that fared worst.
    pub worst_received_share: f64,
    /// Added latency of video: from the publisher's send call to the kernel's receive queue.
    pub video: Latency,
    /// Added latency of audio.
    pub audio: Latency,
    /// How late publishers sent their frames: the generator's own trouble.
    pub lateness: Latency,
    /// From the first HTTP request to the first packet of media, of those who expect any and came since the last window.
    pub join_first_media: Latency,
    /// From the first HTTP request to keys.
    pub join_connected: Latency,
    /// Packets of video among the expected.
    pub video_expected: u64,
    /// Datagrams that the emulated network lost in the window on the way from the server.
    pub lost_down: u64,
    /// The other way.
    pub lost_up: u64,
    /// Retransmissions that receivers asked for, since the beginning.
    pub nacked: u64,
    /// Those that publishers sent, since the beginning.
    pub repaired: u64,
    /// Key frames sent.
    pub key_frames: u64,
    /// Key frames that receivers asked for.
    pub plis: u64,
    /// Datagrams that the generator's socket had no room for, in the window.
    pub socket_drops: u32,
    /// Datagrams that the kernel did not take from the generator, in the window.
    pub send_errors: u64,
    /// Packets of unknown SSRCs or streams.
    pub strangers: u64,
    /// Packets that were not authentic or malformed.
    pub refused: u64,
    /// What went wrong, the first ones.
    pub failures: Vec<String>,
}

fn span(clients: &[Option<Client>], since: Time, end: impl Fn(&Milestones) -> Option<Time>) -> Latency {
    let mut histogram = Histogram::default();
    let awaited = |client: &&Client| client.expected > 0 && client.milestones.begun >= since;
    for client in clients.iter().flatten().filter(awaited) {
        if let Some(end) = end(&client.milestones) {
            histogram.record(end.since(client.milestones.begun).as_micros() as u64);
        }
    }
    Latency::of(&histogram)
}

impl Report {
    /// Of a run so far.
    pub fn new(clients: &[Option<Client>], ledger: &Ledger, counts: Counts) -> Self {
        let all = || clients.iter().flatten();
        let tracks = || all().flat_map(|client| &client.tracks);
        let inbound = || all().flat_map(|client| &client.inbound);
        let due_of = |client: &Client, kinds: &[Kind]| -> u64 {
            let own = client.excludes.iter().map(|&number| &ledger.streams[number as usize]);
            let own: u64 = own.filter(|stream| kinds.contains(&stream.kind)).map(Stream::offered).sum();
            ledger.offered(client.room, kinds) - own
        };
        let (mut expected, mut video_expected, mut received, mut worst) = (0, 0, 0, 1.0f64);
        for client in all().filter(|client| client.expected > 0) {
            let due = due_of(client, &[Kind::Audio, Kind::Video]);
            video_expected += due_of(client, &[Kind::Video]);
            let got: u64 = client.received.iter().sum();
            expected += due;
            received += got;
            if due > 0 {
                worst = worst.min(got as f64 / due as f64);
            }
        }
        Self {
            clients: all().count(),
            connected: all().filter(|client| client.milestones.connected.is_some()).count(),
            offered: ledger.streams.iter().map(Stream::offered).sum(),
            expected,
            video_expected,
            lost_down: counts.lost_down,
            lost_up: counts.lost_up,
            received,
            worst_received_share: worst,
            video: Latency::of(&ledger.video),
            audio: Latency::of(&ledger.audio),
            lateness: Latency::of(&ledger.lateness),
            join_first_media: span(clients, counts.since, |milestones| milestones.first_media),
            join_connected: span(clients, counts.since, |milestones| milestones.connected),
            nacked: inbound().map(|inbound| inbound.nacked).sum(),
            repaired: tracks().map(|track| track.repaired).sum(),
            key_frames: tracks().filter(|t| t.kind == Kind::Video).map(|track| track.key_frames).sum(),
            plis: inbound().map(|inbound| inbound.plis).sum(),
            socket_drops: counts.socket_drops,
            send_errors: counts.send_errors,
            strangers: ledger.strangers,
            refused: ledger.refused,
            failures: ledger.failures.clone(),
        }
    }
}
