use super::*;
use crate::testing::Random;
use crate::transport_feedback::ArrivalLog;

/// A sender of `send_bps` in packets each 10 ms over a link, with feedback each 100 ms.
struct Path {
    bandwidth: Bandwidth,
    log: ArrivalLog,
    now: Time,
    seq: u16,
    busy: Time,
    link_bps: f64,
    random: Random,
    loss_percent: u64,
    feedback: bool,
    pending: Vec<(Time, u16)>,
}

const RTT: Duration = Duration::from_millis(50);

impl Path {
    fn new(link_bps: f64) -> Self {
        Self {
            bandwidth: Bandwidth::default(),
            log: ArrivalLog::new(),
            now: Time::from_millis(10_000),
            seq: 65_000,
            busy: Time(0),
            link_bps,
            random: Random::new(7),
            loss_percent: 0,
            feedback: true,
            pending: Vec::new(),
        }
    }

    fn send(&mut self, bytes: usize) {
        self.seq = self.seq.wrapping_add(1);
        self.bandwidth.on_sent(self.now, self.seq, bytes);
        if self.random.below(100) < self.loss_percent || self.busy - self.now > Duration::from_millis(400) {
            return;
        }
        self.busy = self.busy.max(self.now) + Duration::from_secs_f64(bytes as f64 * 8.0 / self.link_bps);
        self.pending.push((self.busy + RTT / 2, self.seq));
    }

    fn run(&mut self, seconds: u64, send_bps: f64) {
        let mut debt = 0.0;
        for step in 0..seconds * 100 {
            self.now += Duration::from_millis(10);
            debt += send_bps / 800.0;
            while debt > 1000.0 {
                self.send(1000);
                debt -= 1000.0;
            }
            let mut padding = self.bandwidth.tick(self.now) as i64;
            while padding > 0 {
                self.send(285);
                padding -= 285;
            }
            self.bandwidth.end_turn(self.now);
            let (now, log) = (self.now, &mut self.log);
            self.pending.retain(|(at, seq)| {
                if *at <= now {
                    log.on_packet(*at, *seq);
                }
                *at > now
            });
            if step % 10 == 0 && self.feedback {
                let mut out = [0; 1300];
                while let Some(len) = self.log.build(&mut out, 1, 2) {
                    let padding = if out[0] & 0x20 != 0 { usize::from(out[len - 1]) } else { 0 };
                    let feedback = Feedback::parse_untrusted(&out[12..len - padding]).unwrap();
                    self.bandwidth.on_feedback(self.now, feedback, RTT);
                }
            }
        }
    }

    fn bps(&self) -> f64 {
        match self.bandwidth.limit(self.now, true) {
            Limit::Known(bps) | Limit::Starting(bps) => bps,
            Limit::None => f64::INFINITY,
        }
    }
}

#[test]
fn first_probes_find_a_link_at_once() {
    for link in [300e3, 1e6, 3e6] {
        let mut path = Path::new(link);
        path.bandwidth.set_wanted(path.now, 20e6);
        path.run(3, 150e3);
        assert!((0.8..1.05).contains(&(path.bps() / link)), "{link}: {}", path.bps());
    }
}

#[test]
fn nothing_is_probed_that_nobody_wants() {
    let mut path = Path::new(10e6);
    path.bandwidth.set_wanted(path.now, 200e3);
    path.run(20, 150e3);
    let sent = path.seq.wrapping_sub(65_000);
    assert!((300.0e3..3e6).contains(&path.bps()), "{}", path.bps());
    assert!(sent < 500, "375 packets of media and two probes, {sent}");
}

#[test]
fn random_loss_of_five_percent_does_not_collapse_the_estimate() {
    let mut path = Path::new(2e6);
    path.loss_percent = 5;
    path.bandwidth.set_wanted(path.now, 20e6);
    path.run(10, 500e3);
    for _ in 0..20 {
        path.run(1, 0.9 * path.bps());
        assert!(path.bps() > 1.2e6, "{}", path.bps());
    }
}

#[test]
fn a_receiver_that_falls_silent_is_sent_less_and_less() {
    let mut path = Path::new(2e6);
    path.bandwidth.set_wanted(path.now, 20e6);
    path.run(5, 500e3);
    let before = path.bps();
    path.feedback = false;
    path.run(1, 500e3);
    assert_eq!(path.bps(), before, "a moment means nothing");
    path.run(9, 500e3);
    assert!(path.bps() < 0.3 * before);
    path.run(60, 500e3);
    assert_eq!(path.bps(), MIN_BPS);
    path.feedback = true;
    path.run(8, 100e3);
    assert!(path.bps() > 1.5e6, "and comes back: {}", path.bps());
}

#[test]
fn silence_on_both_sides_changes_nothing() {
    let mut path = Path::new(2e6);
    path.bandwidth.set_wanted(path.now, 1e6);
    path.run(6, 800e3);
    let before = path.bps();
    path.bandwidth.set_wanted(path.now, 0.0);
    path.run(60, 0.0);
    assert!(path.bps() >= 0.8 * before, "{before} {}", path.bps());
}

#[test]
fn absurd_feedback_leaves_a_finite_estimate() {
    let mut random = Random::new(99);
    let mut bandwidth = Bandwidth::default();
    bandwidth.set_wanted(Time(0), f64::MAX);
    let (mut now, mut seq) = (Time::from_millis(5), 0u16);
    for _ in 0..20_000 {
        now += Duration::from_millis(random.below(30));
        for _ in 0..random.below(8) {
            seq = seq.wrapping_add(1);
            bandwidth.on_sent(now, seq, random.below(1500) as usize);
        }
        assert!(bandwidth.tick(now) < 200_000);
        bandwidth.end_turn(now);
        let mut fci = vec![0u8; 8 + random.below(60) as usize];
        fci.iter_mut().for_each(|byte| *byte = random.next() as u8);
        fci[..2].copy_from_slice(&seq.wrapping_sub(10).to_be_bytes());
        fci[2..4].copy_from_slice(&(random.below(40) as u16).to_be_bytes());
        if let Some(feedback) = Feedback::parse_untrusted(&fci) {
            bandwidth.on_feedback(now, feedback, Duration::from_millis(random.below(60_000)));
        }
        match bandwidth.limit(now, true) {
            Limit::Known(bps) | Limit::Starting(bps) => assert!((MIN_BPS..=MAX_BPS).contains(&bps), "{bps}"),
            Limit::None => {}
        }
    }
}

#[test]
fn remb_is_the_limit_of_a_receiver_that_loses_much_and_gives_no_transport_feedback() {
    let mut bandwidth = Bandwidth::default();
    let now = Time::from_millis(5000);
    assert_eq!(bandwidth.limit(now, false), Limit::None);
    bandwidth.on_remb(now, 700_000, 500e3);
    bandwidth.on_loss_share(now, 0.05);
    assert_eq!(bandwidth.limit(now, false), Limit::None, "it follows what arrives, up to 1.5 times");
    bandwidth.on_loss_share(now, 0.3);
    assert_eq!(bandwidth.limit(now, false), Limit::Starting(700e3));
    assert_eq!(bandwidth.limit(now + remb::HOLD, false), Limit::None, "tried again");
    bandwidth.on_loss_share(now + remb::HOLD, 0.3);
    bandwidth.on_remb(now, u64::MAX, 500e3);
    let later = bandwidth.limit(now + remb::HOLD * 2, false);
    assert!(matches!(later, Limit::Starting(bps) if bps <= MAX_BPS), "twice as long: {later:?}");
}

#[test]
fn a_remb_that_falls_below_what_is_sent_is_a_limit_and_one_beside_transport_feedback_is_none() {
    let now = Time::from_millis(5000);
    let mut bandwidth = Bandwidth::default();
    bandwidth.on_remb(now, 300_000, 900e3);
    bandwidth.on_remb(now, 320_000, 900e3);
    assert_eq!(bandwidth.limit(now, false), Limit::None, "low, but it rises: the receiver has only begun");
    bandwidth.on_remb(now, 280_000, 200e3);
    assert_eq!(bandwidth.limit(now, false), Limit::None, "it fell, and what is sent fits");
    bandwidth.on_remb(now, 250_000, 900e3);
    assert_eq!(bandwidth.limit(now, false), Limit::Starting(250e3));
    bandwidth.on_remb(now, 400_000, 200e3);
    assert_eq!(bandwidth.limit(now, false), Limit::Starting(400e3), "it is followed up");

    let mut path = Path::new(2e6);
    path.bandwidth.set_wanted(path.now, 20e6);
    path.run(5, 500e3);
    let known = path.bps();
    for bps in [900_000, 50_000] {
        path.bandwidth.on_remb(path.now, bps, 500e3);
        path.bandwidth.on_loss_share(path.now, 0.5);
    }
    assert_eq!((path.bps(), path.bandwidth.is_overloaded(path.now)), (known, false));
}
