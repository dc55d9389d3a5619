//! The hot path of media.

pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod stun;
pub mod units;
pub mod wire;
