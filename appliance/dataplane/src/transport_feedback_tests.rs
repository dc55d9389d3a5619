use super::*;
use std::collections::BTreeMap;
use std::time::Duration;

struct Rng(u64);
impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Everything that one `build` after another tells: sequence → arrival.
fn drain(log: &mut ArrivalLog) -> Vec<(u16, Option<i64>)> {
    let mut told = Vec::new();
    let mut out = [0u8; 1200];
    while let Some(length) = log.build(&mut out, 1, 2) {
        assert_eq!(length % 4, 0);
        assert_eq!(u16::from_be_bytes([out[2], out[3]]) as usize, length / 4 - 1);
        let padding = if out[0] & 0x20 != 0 { out[length - 1] as usize } else { 0 };
        let feedback = Feedback::parse_untrusted(&out[12..length - padding]).expect("own packets parse");
        let expected = feedback.len();
        let before = told.len();
        told.extend(feedback);
        assert_eq!(told.len() - before, expected);
    }
    told
}

#[test]
fn what_arrived_is_told_once_with_quarter_millisecond_precision() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let mut log = ArrivalLog::new();
        let mut now = Time(rng.below(1 << 40));
        let mut seq = rng.below(65536) as u16;
        let mut sent: BTreeMap<u16, i64> = BTreeMap::new();
        let mut told = Vec::new();
        for _ in 0..rng.below(900) + 1 {
            now += Duration::from_micros(rng.below(20_000));
            if rng.below(10) > 0 {
                log.on_packet(now, seq);
                sent.insert(seq, now.0 as i64);
            }
            seq = seq.wrapping_add(1);
            if rng.below(60) == 0 {
                told.extend(drain(&mut log));
            }
        }
        told.extend(drain(&mut log));
        let received: BTreeMap<u16, i64> = told.iter().filter_map(|&(s, at)| at.map(|at| (s, at))).collect();
        assert_eq!(received.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>(), "seed {seed}");
        // The 24-bit reference wraps after 12 days: compare the differences within the circle.
        let circle = REFERENCE_US << 24;
        for (s, at) in &received {
            let error = (sent[s] - at).rem_euclid(circle);
            assert!(error.min(circle - error) <= DELTA_US, "seed {seed} seq {s} error {error}");
        }
        assert!(!log.has_pending());
    }
}

#[test]
fn a_late_packet_is_told_again_as_arrived() {
    let mut log = ArrivalLog::new();
    log.on_packet(Time::from_millis(10), 65534);
    log.on_packet(Time::from_millis(11), 0);
    assert_eq!(
        drain(&mut log).iter().map(|t| (t.0, t.1.is_some())).collect::<Vec<_>>(),
        [(65534, true), (65535, false), (0, true)]
    );
    log.on_packet(Time::from_millis(30), 65535);
    let told = drain(&mut log);
    assert_eq!(told[0].0, 65535);
    assert!(told[0].1.is_some());
}

#[test]
fn a_jump_of_the_sequence_is_bounded() {
    let mut log = ArrivalLog::new();
    log.on_packet(Time::from_millis(1), 0);
    drain(&mut log);
    log.on_packet(Time::from_millis(2), 30_000);
    let told = drain(&mut log);
    assert!(told.len() <= LOG);
    assert_eq!(told.last().map(|t| t.0), Some(30_000));
}

#[test]
fn a_pause_longer_than_a_delta_takes_a_second_packet() {
    let mut log = ArrivalLog::new();
    log.on_packet(Time::from_millis(0), 1);
    log.on_packet(Time::from_millis(60_000), 2);
    let told = drain(&mut log);
    assert_eq!(told.len(), 2);
    let (first, second) = (told[0].1.expect("arrived"), told[1].1.expect("arrived"));
    assert!((second - first - 60_000_000).abs() <= DELTA_US);
}

#[test]
fn hostile_feedback_is_bounded_and_finite() {
    let mut rng = Rng(5);
    for _ in 0..50_000 {
        let length = rng.below(60) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
        if let Some(feedback) = Feedback::parse_untrusted(&bytes) {
            let told: Vec<_> = feedback.collect();
            assert!(told.len() <= usize::from(MAX_ANNOUNCED));
            assert!(told.iter().all(|t| t.1.is_none_or(|at| at.abs() < 1 << 50)));
        }
    }
    // run chunks of 8191 statuses are the most work that few bytes can ask for
    let announcing = |count: u16| {
        let mut most = vec![0, 0, (count >> 8) as u8, count as u8, 0x7f, 0xff, 0xff, 0];
        most.extend([0x1f, 0xff].repeat(9));
        most
    };
    let told = |count| Feedback::parse_untrusted(&announcing(count)).map(Iterator::count);
    assert_eq!(told(MAX_ANNOUNCED), Some(usize::from(MAX_ANNOUNCED)));
    assert_eq!((told(MAX_ANNOUNCED + 1), told(65_535)), (None, None));
    assert!(
        Feedback::parse_untrusted(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]).is_none(),
        "an empty run would never end"
    );
}
