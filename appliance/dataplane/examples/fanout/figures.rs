//! What is sent, what was measured, and where the kernel tells it.

use std::io;

use _dataplane::srtp::Profile;
use _dataplane::worker::Sending;

/// What is sent.
#[derive(Clone, Copy)]
pub struct Load {
    /// Frames a second; None saturates.
    pub fps: Option<f64>,
    /// Packets of a frame.
    pub packets: usize,
    /// Payload bytes of a packet.
    pub size: usize,
    /// How it is encrypted.
    pub profile: Profile,
    /// How the worker sends.
    pub sending: Sending,
}

/// What was measured.
pub struct Figures {
    pub wall_s: f64,
    pub cpu_s: f64,
    pub received: u64,
    pub expected: u64,
    pub bytes_per_subscriber: u64,
    pub latencies_us: Vec<u64>,
}

impl Figures {
    /// A quantile of the latency from the publisher's socket to subscriber 0's.
    pub fn latency_us(&self, quantile: f64) -> u64 {
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us.get((last as f64 * quantile) as usize).copied().unwrap_or(0)
    }
}

/// Resident bytes of this process, the worker in it.
pub fn resident() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).and_then(|p| p.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * 4096)
}

/// CPU seconds of the worker's thread: the scheduler's nanoseconds, where the clock ticks are too coarse.
pub fn worker_cpu_s() -> io::Result<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        if std::fs::read_to_string(folder.join("comm"))?.trim() == "media-0" {
            let text = std::fs::read_to_string(folder.join("schedstat"))?;
            let ns: u64 =
                text.split(' ').next().and_then(|n| n.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
            return Ok(ns as f64 * 1e-9);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
