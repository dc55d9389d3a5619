//! Nanoseconds per packet of SRTP, for packets of 1200 bytes: `cargo run --release --example srtp_speed`.
//!
//! Best of several rounds, because other work on the machine only ever adds time.

use std::time::Instant;

use _dataplane::srtp::{Context, Profile, RTP_OVERHEAD};

const PACKET: usize = 1200;
const PACKETS: u64 = 20_000;
const ROUNDS: usize = 25;

fn plain(index: u64) -> [u8; PACKET + RTP_OVERHEAD] {
    let mut packet = [0x5A; PACKET + RTP_OVERHEAD];
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    packet
}

/// Best nanoseconds per packet of `run`, which is given a fresh index for each packet.
fn best(mut run: impl FnMut(u64)) -> f64 {
    let mut index = 0;
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PACKETS {
            run(index);
            index += 1;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / PACKETS as f64);
    }
    best
}

fn main() {
    println!("{:<20} {:>10} {:>12} {:>10}", "1200-byte packets", "protect", "from slab", "unprotect");
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
        let master = vec![7; profile.key_len()];
        let context = || Context::new(profile, &master).expect("the key is as long as the profile asks");
        let copying = best(|index| {
            std::hint::black_box(&plain(index));
        });

        let mut tx = context();
        let protect = best(|index| {
            let mut packet = plain(index);
            tx.protect_rtp(&mut packet, PACKET).expect("a fresh index");
            std::hint::black_box(&packet);
        });

        let mut tx = context();
        let source = plain(0);
        let mut slab = plain(0);
        let from_slab = best(|index| {
            slab[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            tx.protect_rtp_from(&mut slab, 12, &source[12..PACKET]).expect("a fresh index");
            std::hint::black_box(&slab);
        });

        let mut tx = context();
        let length = PACKET + profile.rtp_overhead();
        let mut batch = vec![[0; PACKET + RTP_OVERHEAD]; PACKETS as usize];
        let mut rx = context();
        let mut unprotect = f64::MAX;
        for round in 0..ROUNDS as u64 {
            for (packet, index) in batch.iter_mut().zip(round * PACKETS..) {
                *packet = plain(index);
                tx.protect_rtp(packet, PACKET).expect("a fresh index");
            }
            let start = Instant::now();
            for packet in &mut batch {
                rx.unprotect_rtp(&mut packet[..length]).expect("an authentic packet");
            }
            unprotect = unprotect.min(start.elapsed().as_nanos() as f64 / PACKETS as f64);
        }
        println!(
            "{:<20} {:>7.0} ns {:>9.0} ns {:>7.0} ns",
            format!("{profile:?}"),
            protect - copying,
            from_slab,
            unprotect
        );
    }
}
