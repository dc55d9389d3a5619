//! The signaling of the servers that can be measured: a module each, behind these two functions.
//!
//! An adapter's `run(guest, shared)` has a thread of its own and may block. It speaks to the server, hands each answer to
//! the media thread (`Command::Join`, then `Command::Seats` for what it receives), stays until `shared.over`, and says
//! goodbye. What goes wrong it tells with `Command::Failed`. A new server is: a module, a variant of [`Server`], a line
//! in each function.

use crate::guest::{Guest, Shared};
use crate::plan::Server;
use crate::{janus, parley, whip};

/// Runs a client until the run is over.
pub fn run(server: Server, guest: Guest, shared: &Shared) {
    match server {
        Server::Parley => parley::run(guest, shared),
        Server::Janus => janus::run(guest, shared),
        Server::Whip => whip::run(&guest, shared),
    }
}

/// Peer connections that a client will have. Its first has the client's index, further ones are numbered from
/// `shared.everybody` on.
pub fn connections(server: Server, guest: &Guest) -> usize {
    match server {
        Server::Parley | Server::Whip => 1,
        Server::Janus => 1 + usize::from(janus::has_two(guest)),
    }
}
