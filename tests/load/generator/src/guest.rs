//! What the adapters to the servers' signaling share: who a client is, where it lives, what it publishes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use _dataplane::command::Kind;
use _dataplane::units::Time;

use crate::dtls::Identity;
use crate::media::{Handle, Network};
use crate::plan::Streaming;
use crate::sdp::{Credentials, Line, Local};
use crate::track::{Shape, Track};

/// What a client is to do.
pub struct Guest {
    /// Which one of the run.
    pub index: usize,
    /// Index of its room.
    pub room: usize,
    /// Code or id of the meeting.
    pub meeting: String,
    /// What it publishes: (number of the stream, kind).
    pub publishes: Vec<(u32, Kind)>,
    /// Streams of others in the room.
    pub expected: usize,
    /// Publishers of the room.
    pub publishers: usize,
}

/// What all clients share.
pub struct Shared {
    /// Base URL of the server.
    pub url: String,
    /// Certificate.
    pub identity: Arc<Identity>,
    /// The media thread.
    pub media: Handle,
    /// Addresses of clients.
    pub network: Network,
    /// Port of the media socket.
    pub port: u16,
    /// Beginning of time.
    pub epoch: Instant,
    /// Clients of the run.
    pub everybody: usize,
    /// What publishers send.
    pub shape: Shape,
    /// Endpoints of a server that speaks WHIP and WHEP.
    pub streaming: Option<Streaming>,
    /// The run is over.
    pub over: AtomicBool,
}

impl Shared {
    /// Time since the beginning.
    pub fn now(&self) -> Time {
        Time(self.epoch.elapsed().as_micros() as u64)
    }

    /// Our side of the connection with this number: fresh credentials, its own address, no lines yet. Errors: no
    /// randomness.
    pub fn local(&self, index: usize) -> Result<Local, String> {
        Ok(Local {
            credentials: credentials(index)?,
            fingerprint: self.identity.fingerprint.clone(),
            address: SocketAddr::new(self.network.address_of(index).into(), self.port),
            lines: Vec::new(),
        })
    }
}

impl Guest {
    /// What it publishes on the first of these lines.
    pub fn tracks(&self, lines: &[Line], shape: Shape) -> Vec<Track> {
        (self.publishes.iter().zip(lines))
            .map(|(&(stream, kind), line)| Track::new(kind, stream, ssrcs(stream), &line.mid, shape))
            .collect()
    }

    /// Numbers of what it publishes.
    pub fn own_streams(&self) -> Vec<u32> {
        self.publishes.iter().map(|(stream, _)| *stream).collect()
    }
}

/// (media, RTX) of a stream.
pub fn ssrcs(stream: u32) -> (u32, u32) {
    (0x0100_0000 + 2 * stream, 0x0100_0001 + 2 * stream)
}

fn credentials(index: usize) -> Result<Credentials, String> {
    let mut bytes = [0; 12];
    openssl::rand::rand_bytes(&mut bytes).map_err(|error| error.to_string())?;
    let password = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Credentials { ufrag: format!("load{index}"), password })
}
