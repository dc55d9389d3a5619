//! What a run is to do: one JSON object, the first line of standard input, and a step on each further line.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::link;
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
    /// What publishers send.
    pub media: Shape,
    /// The network between clients and server.
    #[serde(default)]
    pub link: link::Shape,
    /// Where streams go and come from, with the server "whip".
    #[serde(default)]
    pub streaming: Option<Streaming>,
}

/// Endpoints; "{room}" in them stands for a room's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streaming {
    /// URL for publishers.
    pub whip: String,
    /// URL for viewers.
    pub whep: String,
    /// Bearer token of both; empty for none.
    #[serde(default)]
    pub token: String,
}

/// A measured window, after some more clients came.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Clients of all rooms that only receive and are there now; all of the plan's if none is told. Nobody leaves.
    #[serde(default)]
    pub subscribers: Option<usize>,
    /// Clients that begin to join in a second.
    pub joins_per_s: f64,
    /// Everybody must have media this long after the last join began.
    pub ready_within_s: f64,
    /// Pause before measuring.
    pub settle_s: f64,
    /// Length of the measured window.
    pub measure_s: f64,
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
    /// WHIP in and WHEP out, of whichever server: see [`Streaming`].
    Whip,
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
    /// Clients that only receive: the most that any step has.
    pub subscribers: usize,
    /// Publishers send video.
    pub video: bool,
    /// Publishers send audio.
    pub audio: bool,
}
