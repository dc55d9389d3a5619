//! The least that forwarding costs on this kernel and processor: what a worker cannot leave out, and nothing else.
//!
//! Decrypts each packet of a burst once, encrypts it for every subscriber by that one's key, and gives a subscriber's
//! packets to the kernel as one segmented message, as many messages as fit with one system call. No feedback, repeats,
//! rewriting, statistics, pacing: a figure to divide the worker's by, taken in the same run.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use _dataplane::io::{BATCH, Batch, Message, Poller, Ready, Udp};
use _dataplane::rtp::header_len_untrusted;
use _dataplane::srtp::Context;

/// Bytes of what is received for one packet.
const SLOT: usize = 2048;
/// Milliseconds until the thread looks whether it is to end.
const LOOK_MS: u32 = 50;

/// One who receives.
pub struct Receiver {
    /// Where.
    pub address: SocketAddr,
    /// By whose key.
    pub key: Context,
    /// Of all its packets.
    pub ssrc: u32,
}

/// A thread under the worker's name, so that its CPU time is found as the worker's is.
pub struct Floor {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Where the publisher sends.
    pub address: SocketAddr,
}

impl Floor {
    /// Starts it. Errors: no socket, no thread.
    pub fn start(publisher: Context, receivers: Vec<Receiver>) -> io::Result<Self> {
        let mut socket = Udp::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        socket.coalesce();
        let address = socket.local_addr();
        let ending = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ending);
        let thread = std::thread::Builder::new().name("media-0".into()).spawn(move || {
            // the meeting's own time-outs tell when this ends early
            if let Err(error) = serve(&socket, publisher, receivers, &until) {
                eprintln!("fanout: floor: {error}");
            }
        })?;
        Ok(Self { ending, thread: Some(thread), address })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic is on stderr
        }
    }
}

fn serve(
    socket: &Udp,
    mut publisher: Context,
    mut receivers: Vec<Receiver>,
    ending: &AtomicBool,
) -> io::Result<()> {
    let mut poller = Poller::new()?;
    poller.add(socket.raw(), 0)?;
    let (mut ready, mut inbox, mut outbox) = (Vec::<Ready>::new(), Batch::for_runs(), Batch::for_sending());
    let mut burst: Vec<Vec<u8>> = Vec::new();
    let mut slab = Vec::new();
    while !ending.load(Ordering::Relaxed) {
        poller.wait(Some(LOOK_MS), &mut ready)?;
        let count = inbox.receive(socket)?;
        burst.clear();
        for i in 0..count {
            let Some((_, _, datagrams)) = inbox.datagrams(i, socket) else { continue };
            for packet in datagrams {
                let len = publisher.unprotect_rtp(packet).map_err(io::Error::other)?;
                burst.push(packet[..len].to_vec());
            }
        }
        forward(socket, &burst, &mut receivers, &mut slab, &mut outbox)?;
    }
    Ok(())
}

/// To one after the other, so that each one's packets are a message.
fn forward(
    socket: &Udp,
    burst: &[Vec<u8>],
    receivers: &mut [Receiver],
    slab: &mut Vec<u8>,
    outbox: &mut Batch,
) -> io::Result<()> {
    slab.resize(BATCH * burst.len() * SLOT, 0);
    for some in receivers.chunks_mut(BATCH) {
        let mut messages: Vec<(SocketAddr, usize, usize, usize)> = Vec::with_capacity(BATCH);
        let mut used = 0;
        for receiver in some {
            for packet in burst {
                let header = header_len_untrusted(packet).map_err(io::Error::other)?;
                let out = &mut slab[used..used + SLOT];
                out[..header].copy_from_slice(&packet[..header]);
                out[8..12].copy_from_slice(&receiver.ssrc.to_be_bytes());
                let len = receiver
                    .key
                    .protect_rtp_from(out, header, &packet[header..])
                    .map_err(io::Error::other)?;
                match messages.last_mut() {
                    Some((to, start, total, segment)) if *to == receiver.address && *segment == len => {
                        *total = used + len - *start;
                    }
                    _ => messages.push((receiver.address, used, len, len)),
                }
                used += len;
            }
        }
        let messages: Vec<_> = messages
            .iter()
            .map(|&(remote, start, total, segment)| Message {
                local: Ipv4Addr::LOCALHOST.into(),
                remote,
                bytes: &slab[start..start + total],
                segment,
            })
            .collect();
        let mut sent = 0;
        while sent < messages.len() {
            sent += outbox.send(socket, &messages[sent..])?;
        }
    }
    Ok(())
}
