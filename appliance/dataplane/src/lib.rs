//! Parley's data plane: the hot path of media, one thread per worker, without the GIL.
//!
//! ```text
//! python  ── commands ──▶ worker ──▶ engine (sans-IO) ◀── parsers: stun srtp rtp rtcp codec …
//!         ◀── events ───    │            nack packet_cache transport_feedback speaker last_n
//!                           └ sender (UDP_SEGMENT), io (UDP, eventfd, epoll), tcp (RFC 4571)
//! ```
//!
//! The engine owns who may send what to whom; the parsers know bytes and nothing else; `io` is the only file with
//! `unsafe`. The face for Python is typed in `appliance/_dataplane.pyi`.

#![deny(unsafe_code, missing_docs)]

pub mod clock;
pub mod codec;
pub mod command;
pub mod engine;
pub mod event;
pub mod io;
pub mod last_n;
pub mod nack;
pub mod packet_cache;
pub mod rtcp;
pub mod rtp;
pub mod sender;
pub mod speaker;
pub mod srtp;
pub mod stats;
pub mod stun;
pub mod tap;
pub mod tcp;
pub mod transport_feedback;
pub mod units;
pub mod wire;
pub mod worker;

mod plane;
#[cfg(feature = "python")]
mod python;
#[cfg(test)]
mod testing;

pub use plane::{DataPlane, StartError};
