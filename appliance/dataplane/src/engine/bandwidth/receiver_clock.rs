//! The receiver's clock in transport-wide feedback, without its turns.

/// The receiver's reference time has 24 bits of 64 ms (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
const CLOCK_TURN_US: i64 = (1 << 24) * 64_000;

/// Of one receiver.
#[derive(Debug, Default)]
pub struct ReceiverClock {
    us: Option<i64>,
}

impl ReceiverClock {
    /// A reported time in µs, counted on over the turns.
    pub fn unwrap(&mut self, raw: i64) -> i64 {
        let clock = match self.us {
            None => raw,
            Some(last) => {
                let step = (raw - last).rem_euclid(CLOCK_TURN_US);
                let step = if step >= CLOCK_TURN_US / 2 { step - CLOCK_TURN_US } else { step };
                last.saturating_add(step)
            }
        };
        // 64 bits hold half a million turns of it; a receiver that gets there began anew long ago
        self.us = Some(clock);
        clock
    }
}
