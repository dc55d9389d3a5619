//! The rate at which sent packets arrive, smoothed by how sure each sample is.

/// The first window, and the following ones (MEDIA-NOTES §3).
const FIRST_WINDOW_US: i64 = 500_000;
const WINDOW_US: i64 = 150_000;
/// Below this share of the estimate, the one to which it is decreased (MEDIA-NOTES §3: β), the steady rate cannot have
/// filled the link, a burst has.
const BURST_BELOW: f64 = 0.85;
/// How little a sample far from the estimate counts (libwebrtc, BitrateEstimator: uncertainty_scale, and the one in ALR).
const UNCERTAINTY: f64 = 10.0;
const UNCERTAINTY_APP_LIMITED: f64 = 20.0;
/// Variance at first and what it grows by with each sample, (kbit/s)² (libwebrtc, BitrateEstimator).
const VARIANCE: f64 = 50.0;
const DRIFT: f64 = 5.0;
/// Weight of a sample in the figure that increases rest on: a second of windows, which frames at 30 fps fill unevenly.
const SLOW: f64 = 0.15;
/// After a silence of so long the window begins anew (MEDIA-NOTES §3: stream time-out).
const SILENCE_US: i64 = 2_000_000;

/// The estimator of one session.
#[derive(Default)]
pub struct AckedRate {
    window: Option<(i64, i64)>,
    bytes: u64,
    kbps: Option<f64>,
    variance: f64,
    samples: [f64; 2],
    slow: f64,
}

impl AckedRate {
    /// Bits per second to rest an increase on: a burst does not raise it. None before the first window is full.
    pub fn rising_bps(&self) -> Option<f64> {
        self.kbps.map(|kbps| kbps.min(self.slow) * 1000.0)
    }

    /// The same for a decrease: while a queue is full, packets arrive at the link's rate, and the last two windows know
    /// it before the smoothed figure does. Behind a burst, as a key frame is one, they alone do: the rest of the time the
    /// link was half empty (measured: a key frame of 470 kB on 3 Mbit/s, behind which the estimate fell to 0.45 Mbit/s,
    /// what had been sent before). `estimate_bps`: what the link was taken for.
    pub fn falling_bps(&self, estimate_bps: f64) -> Option<f64> {
        let (steady, newest) = (self.kbps?, self.samples[0].max(self.samples[1]));
        let is_burst = steady * 1000.0 < BURST_BELOW * estimate_bps;
        Some(if is_burst { newest } else { steady.min(newest) } * 1000.0)
    }

    /// A packet arrived, on the receiver's clock in µs.
    pub fn on_arrival(&mut self, arrival_us: i64, bytes: u16, app_limited: bool) {
        let (since, newest) = self.window.unwrap_or((arrival_us, arrival_us));
        if (arrival_us - newest).abs() > SILENCE_US {
            (self.window, self.bytes) = (Some((arrival_us, arrival_us)), u64::from(bytes));
            return;
        }
        let newest = newest.max(arrival_us);
        let length = if self.kbps.is_some() { WINDOW_US } else { FIRST_WINDOW_US };
        let span = newest - since;
        if span >= length {
            self.sample(self.bytes as f64 * 8.0 / (span as f64 / 1000.0), app_limited);
            (self.window, self.bytes) = (Some((newest, newest)), u64::from(bytes));
        } else {
            (self.window, self.bytes) = (Some((since, newest)), self.bytes + u64::from(bytes));
        }
    }

    fn sample(&mut self, kbps: f64, app_limited: bool) {
        let Some(estimate) = self.kbps else {
            (self.samples, self.slow) = ([kbps; 2], kbps);
            (self.kbps, self.variance) = (Some(kbps), VARIANCE);
            return;
        };
        self.samples = [self.samples[1], kbps];
        self.slow += SLOW * (kbps - self.slow);
        let scale = if app_limited && kbps < estimate { UNCERTAINTY_APP_LIMITED } else { UNCERTAINTY };
        let uncertainty = scale * (estimate - kbps).abs() / estimate.max(1.0);
        let sample_variance = uncertainty * uncertainty;
        let predicted = self.variance + DRIFT;
        self.kbps = Some((sample_variance * estimate + predicted * kbps) / (sample_variance + predicted));
        self.variance = sample_variance * predicted / (sample_variance + predicted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_rate_and_survives_a_silence() {
        let mut acked = AckedRate::default();
        let mut at = 0;
        let mut send = |acked: &mut AckedRate, gap_us: i64, packets: usize| {
            for _ in 0..packets {
                at += gap_us;
                acked.on_arrival(at, 1000, false);
            }
            acked.rising_bps()
        };
        assert_eq!(send(&mut acked, 10_000, 10), None, "the first window takes half a second");
        let steady = send(&mut acked, 10_000, 300).unwrap();
        assert!((steady - 800_000.0).abs() < 20_000.0, "{steady}");
        let half = send(&mut acked, 20_000, 150).unwrap();
        assert!((half - 400_000.0).abs() < 40_000.0, "{half}");
        send(&mut acked, 10_000_000, 1);
        let after = send(&mut acked, 20_000, 100).unwrap();
        assert!((after - 400_000.0).abs() < 40_000.0, "{after}");
    }

    #[test]
    fn behind_a_burst_a_decrease_rests_on_what_the_link_carried() {
        let mut acked = AckedRate::default();
        for at in (0..2_000_000).step_by(10_000) {
            acked.on_arrival(at, 500, false); // 400 kbit/s
        }
        assert!((acked.falling_bps(3e6).unwrap() - 400e3).abs() < 50e3);
        for at in (2_000_000..2_400_000).step_by(2_000) {
            acked.on_arrival(at, 1000, false); // 4 Mbit/s
        }
        let burst = acked.falling_bps(3e6).unwrap();
        assert!((burst - 4e6).abs() < 400e3, "{burst}");
    }
}
