//! What the Internet sends to an open port: random bytes, STUN with unknown names, DTLS greetings and SRTP-like packets,
//! all from strangers, at a fixed rate. Counts what comes back, which should be nothing.
//!
//! Reads a [`Plan`] as one line of JSON from standard input, stops when standard input ends, and prints [`Sums`].

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use _dataplane::io::{BATCH, Batch, Message, Udp};
use _dataplane::srtp::Profile;
use _dataplane::stun;
use serde::{Deserialize, Serialize};

use crate::dtls::{Dtls, Identity};
use crate::guest::ssrcs;
use crate::media::Network;
use crate::random::Random;

/// Different datagrams, a quarter of each kind; each is sent again from another address each time.
const POOL: usize = 4096;
/// Different DTLS greetings, made by the library; a flight of its own each costs too much.
const GREETINGS: usize = 32;
/// Addresses of strangers, each with a port for each socket.
const STRANGERS: usize = 20_000;
const SOCKETS: usize = 4;
/// A burst of a millisecond's worth.
const EACH: Duration = Duration::from_millis(1);
/// Time for the last replies.
const LINGER: Duration = Duration::from_millis(200);
/// Random byte strings are as long as what Ethernet carries.
const LONGEST: u64 = 1400;

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The server's UDP address for media.
    target: SocketAddr,
    /// Datagrams a second.
    pps: u64,
    /// First address of strangers.
    network: Ipv4Addr,
    /// Any.
    seed: u64,
}

/// What was done and what came of it.
#[derive(Debug, Default, Serialize)]
pub struct Sums {
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that came back.
    pub replies: u64,
    /// Their bytes.
    pub reply_bytes: u64,
    /// Seconds of sending.
    pub seconds: f64,
}

/// Runs until standard input ends. Errors: the plan is none, no socket.
pub fn run() -> Result<(), Box<dyn Error>> {
    let line = std::io::stdin().lines().next().ok_or("no plan")??;
    let plan: Plan = serde_json::from_str(&line)?;
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    thread::spawn(move || {
        std::io::stdin().lines().take_while(Result::is_ok).for_each(drop);
        ended.store(true, Ordering::Relaxed);
    });
    println!("{}", serde_json::to_string(&send(&plan, &over)?)?);
    Ok(())
}

fn send(plan: &Plan, over: &AtomicBool) -> Result<Sums, Box<dyn Error>> {
    let pool = pool(plan.seed)?;
    let sockets: Vec<Udp> =
        (0..SOCKETS).map(|_| Udp::bind((Ipv4Addr::UNSPECIFIED, 0).into())).collect::<Result<_, _>>()?;
    let (mut out, mut back) = (Batch::for_sending(), Batch::for_receiving());
    let network = Network(plan.network);
    let (mut sums, mut number, began) = (Sums::default(), 0, Instant::now());
    while !over.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * plan.pps as f64) as usize;
        while number < due {
            let burst = (number..due.min(number + BATCH)).map(|number| {
                let from = network.address_of(number % STRANGERS).into();
                Message::datagram(from, plan.target, &pool[number % POOL])
            });
            let burst: Vec<_> = burst.collect();
            number += burst.len();
            let taken = out.send(&sockets[number / BATCH % SOCKETS], &burst).unwrap_or(0);
            sums.sent += taken as u64;
            sums.sent_bytes += burst[..taken].iter().map(|message| message.bytes.len() as u64).sum::<u64>();
        }
        receive(&sockets, &mut back, &mut sums)?;
        thread::sleep(EACH);
    }
    sums.seconds = began.elapsed().as_secs_f64();
    thread::sleep(LINGER);
    receive(&sockets, &mut back, &mut sums)?;
    Ok(sums)
}

fn receive(sockets: &[Udp], batch: &mut Batch, sums: &mut Sums) -> std::io::Result<()> {
    for socket in sockets {
        loop {
            let count = batch.receive(socket)?;
            for i in 0..count {
                sums.replies += 1;
                sums.reply_bytes += batch.datagram(i, socket).map_or(0, |(_, _, bytes)| bytes.len() as u64);
            }
            if count < BATCH {
                break;
            }
        }
    }
    Ok(())
}

/// Datagrams of all kinds, mixed.
fn pool(seed: u64) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut random = Random(seed);
    let identity = Identity::generate(Profile::AeadAes128Gcm)?;
    let mut greetings = Vec::new();
    for _ in 0..GREETINGS {
        greetings.extend(Dtls::connect(&identity, "sha-256 00")?.take_outgoing());
    }
    let of_kind = |number: usize| match number % 4 {
        0 => noise(&mut random),
        1 => stun_of_a_stranger(&mut random),
        2 => greetings[random.word() as usize % greetings.len()].clone(),
        _ => srtp(&mut random),
    };
    Ok((0..POOL).map(of_kind).collect())
}

fn noise(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; (1 + random.word() % LONGEST) as usize];
    random.fill(&mut bytes);
    bytes
}

/// Well-formed, with integrity, for an ICE session that nobody has.
fn stun_of_a_stranger(random: &mut Random) -> Vec<u8> {
    let (mut bytes, mut transaction) = (vec![0; 200], [0; 12]);
    random.fill(&mut transaction);
    let username = format!("{:08x}:load", random.word() as u32);
    let length = stun::write_request(
        &mut bytes,
        &transaction,
        &username,
        1,
        random.word(),
        true,
        b"a password of nobody",
    )
    .expect("200 bytes are enough");
    bytes.truncate(length);
    bytes
}

/// The header of a publisher's packet and noise for its ciphertext.
fn srtp(random: &mut Random) -> Vec<u8> {
    let mut bytes = noise(random);
    bytes.resize(bytes.len().max(60), 0);
    bytes[0] = 0x80;
    bytes[1] = 96;
    bytes[8..12].copy_from_slice(&ssrcs(random.word() as u32 % 8).0.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_has_every_kind() {
        let pool = pool(1).unwrap();
        let first = |range: std::ops::RangeInclusive<u8>| {
            pool.iter().filter(|bytes| range.contains(&bytes[0])).count() / (POOL / 8)
        };
        assert!(first(0..=3) >= 2 && first(20..=63) >= 2 && first(128..=191) >= 2);
        let parsed = pool.iter().filter(|bytes| stun::parse_request_untrusted(bytes).is_ok()).count();
        assert_eq!(parsed, POOL / 4);
    }

    #[test]
    fn it_keeps_its_rate_and_counts_replies() {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = server.local_addr().unwrap();
        let plan = Plan { target, pps: 2000, network: Ipv4Addr::new(127, 64, 0, 0), seed: 7 };
        let over = Arc::new(AtomicBool::new(false));
        let answering = thread::spawn({
            let over = over.clone();
            move || {
                let (mut bytes, mut froms) = ([0; 2048], std::collections::HashSet::new());
                for _ in 0..200 {
                    froms.insert(server.recv_from(&mut bytes).unwrap().1);
                }
                froms.iter().take(3).for_each(|from| assert_eq!(server.send_to(&[1, 2], from).unwrap(), 2));
                over.store(true, Ordering::Relaxed);
                froms.len()
            }
        });
        let sums = send(&plan, &over).unwrap();
        assert_eq!(answering.join().unwrap(), 200, "each from an address of its own");
        assert_eq!((sums.replies, sums.reply_bytes), (3, 6));
        let rate = sums.sent as f64 / sums.seconds;
        assert!(sums.sent >= 200 && rate < 2200.0, "{rate}");
    }
}
