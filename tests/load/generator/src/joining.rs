//! What the signaling of a client hands to the media thread.

use _dataplane::units::Time;

use crate::sdp::{Credentials, Remote};
use crate::track::Track;

/// When a client got where, since the run began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Milestones {
    /// Its first HTTP request.
    pub begun: Time,
    /// The signaling took it in.
    pub joined: Time,
    /// The answer came.
    pub answered: Time,
    /// Keys are there.
    pub connected: Option<Time>,
    /// First packet of anybody's media.
    pub first_media: Option<Time>,
    /// It hears every stream of its room.
    pub complete: Option<Time>,
}

/// What signaling knows once the answer is there.
pub struct Joining {
    /// Which client of the run.
    pub index: usize,
    /// Index of its room.
    pub room: usize,
    /// Our credentials.
    pub local: Credentials,
    /// The server's side.
    pub remote: Remote,
    /// What it publishes; begins when connected.
    pub tracks: Vec<Track>,
    /// Streams it must hear.
    pub expected: usize,
    /// Streams of its room that it does not hear: its own.
    pub excludes: Vec<u32>,
    /// Of the signaling.
    pub milestones: Milestones,
}
