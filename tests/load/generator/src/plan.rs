//! What a run is to do: one JSON object on standard input.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::track::Shape;

/// The whole run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Whose signaling is spoken.
    pub server: Server,
    /// Base URL: "http://127.0.0.1:8800" of a Parley server, "ws://192.0.2.1:8188" of Janus.
    pub url: String,
    /// Clients have addresses from here on, 127 of each block of 256; all must be this machine's.
    #[serde(default = "loopback")]
    pub network: Ipv4Addr,
    /// "gcm" or "cm": the SRTP profile that clients offer.
    pub cipher: Cipher,
    /// Rooms and who is in them.
    pub rooms: Vec<Room>,
    /// Clients that begin to join in a second.
    pub joins_per_s: f64,
    /// Everybody must have media this long after the last join began.
    pub ready_within_s: f64,
    /// Pause before measuring.
    pub settle_s: f64,
    /// Length of the measured window.
    pub measure_s: f64,
    /// What publishers send.
    pub media: Shape,
    /// Share of datagrams from the server that are thrown away on arrival, 0 to 1.
    #[serde(default)]
    pub loss: f64,
}

fn loopback() -> Ipv4Addr {
    Ipv4Addr::new(127, 16, 0, 0)
}

/// An adapter.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    /// appliance/signaling/PROTOCOL.md.
    Parley,
    /// The videoroom plugin's API over WebSockets.
    Janus,
}

/// SRTP profile.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Cipher {
    /// AEAD_AES_128_GCM.
    Gcm,
    /// AES_CM_128_HMAC_SHA1_80.
    Cm,
}

/// One meeting.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Code or id; with Janus the number of a room that is there.
    pub meeting: String,
    /// Clients that publish and receive.
    pub publishers: usize,
    /// Clients that only receive.
    pub subscribers: usize,
    /// Publishers send video.
    pub video: bool,
    /// Publishers send audio.
    pub audio: bool,
}
