//! What a run is to do: one JSON object on standard input.

use serde::Deserialize;

use crate::track::Shape;

/// The whole run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Base URL of a Parley server, "http://127.0.0.1:8800".
    pub url: String,
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
    /// Code or id.
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
