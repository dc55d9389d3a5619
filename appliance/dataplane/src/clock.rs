//! The one clock of the workers: monotonic, with the time of day at its start.
//!
//! The time of day is read once, so that a clock that is set does not move what was recorded against each other.

use std::time::{Instant, SystemTime};

use crate::engine::timeline::{Ntp, NtpClock, UNIX_EPOCH};
use crate::units::Time;

/// What the clock reads at its start: the engine takes zero for "never".
const FIRST: u64 = 1_000_000;

/// A clock that was started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    ntp_origin: Ntp,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let started = Instant::now();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = unix.as_secs().saturating_add_signed(UNIX_EPOCH);
        let ntp = (seconds << 32) | ((u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000);
        Self { started, ntp_origin: ntp.wrapping_sub((FIRST << 32) / 1_000_000) }
    }

    /// Monotonic time.
    pub fn now(&self) -> Time {
        Time(FIRST + self.started.elapsed().as_micros() as u64)
    }

    /// NTP time at monotonic zero.
    pub fn ntp_origin(&self) -> Ntp {
        self.ntp_origin
    }

    /// Microseconds since the Unix epoch.
    pub fn unix_us(&self) -> i64 {
        NtpClock::new(self.ntp_origin).unix_us(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_time_of_day() {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let ahead = Clock::start().unix_us() - unix.as_micros() as i64;
        assert!((0..1_000_000).contains(&ahead), "{ahead} us ahead");
    }
}
