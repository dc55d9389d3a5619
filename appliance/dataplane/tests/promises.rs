//! What a picture is like behind 2 Mbit/s with loss both ways: 1, 5 and 10 % of the packets, round trips of 50 and 150 ms.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::units::Time;
use support::meeting::{audio_lost, bottleneck, meeting, video};
use support::{CLEAN, Link, Net};

/// Ten seconds of a meeting of one camera, judged from the third on.
struct Seen {
    layer: Option<u8>,
    /// Share of the frames that were complete 200 ms and a round trip after their capture.
    in_time: f64,
    /// Share of the sound that did not arrive.
    sound_lost: f64,
    drops: usize,
    /// The estimate took the picture away for a moment.
    paused: bool,
}

const PATIENCE: Duration = Duration::from_millis(200);
const WARM_UP: Duration = Duration::from_secs(2);

fn watch(seed: u64, loss: f64, rtt: Duration) -> Seen {
    let link = Link { loss, delay: rtt / 2, jitter: Duration::from_millis(1), ..CLEAN };
    let mut net = meeting(seed, link, 2e6, 1);
    let begun = net.now;
    net.run(WARM_UP);
    let from = net.now;
    let mut paused = false;
    for _ in 0..32 {
        net.run_ms(250);
        paused |= video(&mut net)[0].paused_by_estimate;
    }
    let until = net.now - PATIENCE - rtt - Duration::from_millis(34);
    let sound: usize = net.peers[1]
        .inbound
        .iter()
        .filter(|i| i.kind == Kind::Audio)
        .map(|i| i.got.values().filter(|got| got.at >= from).count())
        .sum();
    let lost = audio_lost(&net, from) as f64;
    Seen {
        layer: video(&mut net)[0].layer,
        in_time: in_time(&net, begun, from, until, PATIENCE + rtt),
        sound_lost: lost / (lost + sound as f64),
        paused,
        drops: bottleneck(&mut net).drops.iter().filter(|at| **at >= from).count(),
    }
}

/// A frame is in time when all its packets are. All layers capture at
/// the same moments, 30 a second from `begun` on; what counts is that one of them shows each moment.
fn in_time(net: &Net, begun: Time, from: Time, until: Time, patience: Duration) -> f64 {
    let captured = |timestamp: u32, base: u32| u64::from(timestamp.wrapping_sub(base)) / 3000;
    let inbound = net.peers[1].inbound.iter().find(|i| i.kind == Kind::Video).unwrap();
    // the first frame that came at once fixes which moment a timestamp is: it took a round trip and little more
    let first = inbound.got.values().next().unwrap();
    let rtt = patience - PATIENCE;
    let first_moment = ((first.at - begun).saturating_sub(rtt)).as_micros() as u64 / 33_333;
    // by frame: (complete at, first and last number)
    let mut frames: BTreeMap<u64, (Time, u64, u64)> = BTreeMap::new();
    for (seq, got) in &inbound.got {
        let moment = first_moment + captured(got.timestamp, first.timestamp);
        let frame = frames.entry(moment).or_insert((got.at, *seq, *seq));
        frame.0 = frame.0.max(got.at);
        (frame.1, frame.2) = (frame.1.min(*seq), frame.2.max(*seq));
    }
    let frames: Vec<_> = frames.into_iter().collect();
    let mut shown = BTreeMap::new();
    for pair in frames.windows(2) {
        let (moment, (at, start, end)) = pair[0];
        // the next frame's first number tells whether the end is missing: repairs carry no marker here
        let whole = pair[1].1.1 == end + 1 && (start..=end).all(|seq| inbound.got.contains_key(&seq));
        if whole {
            shown.insert(moment, at);
        }
    }
    let moment = |at: Time| (at - begun).as_micros() as u64 / 33_333;
    let (first, end) = (moment(from), moment(until));
    let good = (first..end).filter(|m| {
        let deadline = begun + Duration::from_micros(m * 33_333) + patience;
        shown.get(m).is_some_and(|at| *at <= deadline)
    });
    good.count() as f64 / (end - first) as f64
}

/// (loss, round trip in ms, least share in time on average). Frozen less than 2 % of the time at 5 % of loss holds at 50 ms.
/// At 150 ms one repair takes 343 of the 350 ms (both ways 150, 10 to 43 until the gap is noticed, 150 for the repair), so that
/// a second one is late: measured 0.90 on average, and 0.83 at 10 %.
const RESULTS: [(f64, u64, f64); 6] = [
    (0.01, 50, 0.99),
    (0.01, 150, 0.96),
    (0.05, 50, 0.98),
    (0.05, 150, 0.86),
    (0.10, 50, 0.95),
    (0.10, 150, 0.75),
];

#[test]
fn a_picture_goes_on_behind_two_megabits_that_lose() {
    for (loss, rtt, least) in RESULTS {
        let mut shares = Vec::new();
        for seed in 200..208 {
            let seen = watch(seed, loss, Duration::from_millis(rtt));
            let sound = seen.sound_lost;
            shares.push(seen.in_time);
            assert!(loss > 0.05 || seen.layer == Some(1), "{loss} {rtt} ms: layer {:?}", seen.layer);
            // both ways, and three deviations of 400 packets
            let random = 1.0 - (1.0 - loss) * (1.0 - loss);
            assert!(
                sound <= random + 3.0 * (random / 400.0).sqrt(),
                "{loss} {rtt} ms: sound lost {sound:.3}"
            );
            assert_eq!(seen.drops, 0, "no queue overflows");
            assert!(!seen.paused, "{loss} {rtt} ms: random loss takes no picture away");
        }
        let (mean, worst) =
            (shares.iter().sum::<f64>() / shares.len() as f64, shares.iter().copied().fold(1.0, f64::min));
        println!("{loss} {rtt} ms: in time {mean:.3}, {worst:.3} at least");
        assert!(mean >= least, "{loss} {rtt} ms: frames in time {shares:.3?}");
    }
}
