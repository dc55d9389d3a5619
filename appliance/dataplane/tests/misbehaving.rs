//! What a client that is let in can do to the others by sending too much, or nonsense: nothing.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::retransmit::MAX_ASKED;
use _dataplane::rtcp;
use _dataplane::rtp::HeaderBuilder;
use _dataplane::stun;
use support::inbound::Got;
use support::{CLEAN, Net, Random, address, path, payload_types};

/// Two publishers, and a subscriber to each.
fn two_calls() -> Net {
    let mut net = Net::new(4, CLEAN);
    for session in 1..=4 {
        net.connect(session);
    }
    for publisher in 0..2u64 {
        net.publish(publisher as usize, publisher + 1, Kind::Video, "0", &[]);
        net.subscribe(publisher as usize + 2, publisher + 10, Kind::Video, Some(publisher + 1));
        net.peers[publisher as usize].track(Kind::Video, "0", None);
    }
    net.run_ms(1000);
    net
}

/// What the subscriber to the second publisher gets while the first sends `factor` times its packets.
fn beside(factor: usize) -> (Net, Vec<(u64, Got)>) {
    let mut net = two_calls();
    let track = &mut net.peers[0].tracks[0];
    (track.packet_bytes, track.packets_per_frame) = (1000, 8 * factor);
    net.run_ms(3000);
    let got = net.peers[3].inbound[0].got.iter().map(|(seq, got)| (*seq, got.clone())).collect();
    (net, got)
}

#[test]
fn a_publisher_at_a_hundred_times_is_policed_and_others_are_unaffected() {
    let (mut usual, others) = beside(1);
    let (mut flooded, beside_flood) = beside(100);
    assert_eq!(others, beside_flood, "every packet of the other call, at the same time");
    assert_eq!(usual.engine.counters.policed, 0);
    let numbers = flooded.engine.snapshot(flooded.now, Default::default());
    let (flood, other) = (&numbers.sessions[0], &numbers.sessions[1]);
    assert!(flood.policed > 40_000 && other.policed == 0, "{} and {}", flood.policed, other.policed);
    assert_eq!(numbers.workers[0].policed, flood.policed);
    // 64 Mbit/s and a burst of half a second
    let passed = (flood.packets_in - flood.policed) * 1000;
    assert!(passed < 8_000_000 * 4 + 4_000_000, "{passed} bytes");
    // and when it comes to its senses, it is heard again
    flooded.peers[0].tracks[0].packets_per_frame = 8;
    flooded.run_ms(1000);
    let policed = flooded.engine.counters.policed;
    flooded.peers[0].tracks[0].want_key = true;
    let before = flooded.peers[2].inbound[0].got.len();
    flooded.run_ms(2000);
    assert_eq!(flooded.engine.counters.policed, policed);
    let after = flooded.peers[2].inbound[0].got.len();
    assert!(after > before + 400, "{before} packets, then {after}");
    assert!(usual.engine.snapshot(usual.now, Default::default()).sessions.iter().all(|s| s.policed == 0));
}

/// Forged, replayed and broken packets cost nobody what they may send.
#[test]
fn what_does_not_authenticate_is_not_charged() {
    let mut net = two_calls();
    let from = net.peers[0].path;
    let header = HeaderBuilder {
        payload_type: payload_types(1).0,
        marker: false,
        sequence: 9,
        timestamp: 5,
        ssrc: 0x7777,
        padding: false,
        extensions: &[(4, b"0")],
    };
    let mut plain = vec![0; 1200];
    header.write(&mut plain).unwrap();
    let sealed = net.peers[0].seal(&plain);
    let mut forged = sealed.clone();
    forged[3] ^= 1; // another number: the same one is a replay before it is a forgery
    for _ in 0..20_000 {
        net.engine.handle_packet(net.now, from, &mut forged.clone());
        net.engine.handle_packet(net.now, from, &mut sealed.clone());
    }
    assert_eq!((net.engine.counters.srtp_errors, net.engine.counters.replayed), (20_000, 19_999));
    let before = net.peers[2].inbound[0].got.len();
    net.run_ms(1000);
    assert_eq!(net.engine.counters.policed, 0);
    assert!(net.peers[2].inbound[0].got.len() > before + 50);
}

#[test]
fn a_nack_for_every_number_that_there_is_takes_15_percent() {
    let mut net = two_calls();
    net.run_ms(2000);
    let ssrc = net.peers[2].inbound[0].ssrc;
    let (media, repeated) = (net.peers[2].inbound[0].got.len(), net.peers[2].inbound[0].rtx_packets);
    // no more than the engine looks at in one compound, so that each number is looked at
    let all: Vec<u16> = (0..=u16::MAX).collect();
    for numbers in all.chunks(MAX_ASKED) {
        net.peers[2].nack(ssrc, numbers);
    }
    net.run_ms(2000);
    let inbound = &net.peers[2].inbound[0];
    let (rtx, media) = (inbound.rtx_packets - repeated, inbound.got.len() - media);
    // the burst that one who lost a second may have back, and 100 kbit/s whatever the stream's rate (retransmit.rs)
    let most = 0.15 * media as f64 + (56_250.0 + 2.0 * 12_500.0) / 520.0;
    assert!(rtx > 20 && rtx as f64 <= most, "{rtx} of at most {most}");
    net.peers[2].inbound[0].assert_continuous();
}

/// RTPFB 15 (transport-wide feedback) about these numbers, from this sequence number and reference time on.
fn feedback(base: u16, count: u16, reference: u32, number: u8, chunks: &[u16], deltas: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x8F, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    packet.extend(base.to_be_bytes());
    packet.extend(count.to_be_bytes());
    packet.extend(&reference.to_be_bytes()[1..]);
    packet.push(number);
    chunks.iter().for_each(|chunk| packet.extend(chunk.to_be_bytes()));
    packet.extend(deltas);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let words = (packet.len() / 4 - 1) as u16;
    packet[2..4].copy_from_slice(&words.to_be_bytes());
    packet
}

#[test]
fn absurd_feedback_leaves_a_finite_estimate() {
    let mut net = two_calls();
    let mut random = Random(11);
    let mut seen = Vec::new();
    for round in 0..4000u32 {
        let newest = net.peers[2].transport_seqs.last().copied().unwrap_or(0);
        let base = newest.wrapping_sub((random.next() % 40) as u16);
        // 20 two-byte deltas: all largest, all smallest, in turns, or anything
        let delta = |n: u32, random: &mut Random| -> [u8; 2] {
            match round % 4 {
                0 => i16::MAX.to_be_bytes(),
                1 => i16::MIN.to_be_bytes(),
                2 => (if n.is_multiple_of(2) { i16::MAX } else { i16::MIN }).to_be_bytes(),
                _ => (random.next() as i16).to_be_bytes(),
            }
        };
        let deltas: Vec<u8> = (0..20).flat_map(|n| delta(n, &mut random)).collect();
        let reference = if round.is_multiple_of(3) { 0x7F_FFFF } else { random.next() as u32 & 0xFF_FFFF };
        let plain = feedback(base, 20, reference, round as u8, &[0x4000 | 20], &deltas);
        let sealed = net.peers[2].rtcp(&plain);
        net.peers[2].out.push(sealed);
        if round.is_multiple_of(5) {
            let mut remb = [0; 100];
            let bitrate = if round.is_multiple_of(2) { u64::MAX >> 1 } else { 0 };
            let len = rtcp::remb(&mut remb, 1, bitrate, &[net.peers[2].inbound[0].ssrc]).unwrap();
            let sealed = net.peers[2].rtcp(&remb[..len]);
            net.peers[2].out.push(sealed);
        }
        net.run_ms(3);
        seen.extend(net.engine.snapshot(net.now, Default::default()).sessions[2].estimate_bps);
    }
    assert!(seen.len() > 3000, "the feedback is taken for what it claims to be");
    // `as u64` of what is not a number gives 0, of infinity the largest there is
    assert!(seen.iter().all(|bps| (1_000..=1_000_000_000).contains(bps)), "{:?}", seen.iter().minmax());
    net.peers[3].inbound[0].assert_continuous();
    let numbers = net.engine.snapshot(net.now, Default::default());
    assert!(
        numbers.sessions.iter().all(|s| s.downlink_loss.is_finite() && s.rtt_ms.is_none_or(f64::is_finite))
    );
}

trait MinMax {
    fn minmax(self) -> (Option<u64>, Option<u64>);
}

impl<'a, I: Iterator<Item = &'a u64> + Clone> MinMax for I {
    fn minmax(self) -> (Option<u64>, Option<u64>) {
        (self.clone().min().copied(), self.max().copied())
    }
}

/// A Binding request with these attributes before its integrity.
fn request(attributes: &[(u16, &[u8])], password: &str) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    body.extend([3; 12]);
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    support::sign(&body, password.as_bytes())
}

#[test]
fn no_answer_is_larger_than_its_request() {
    let mut net = Net::new(5, CLEAN);
    net.add_session(1);
    let password = net.peers[0].password.clone();
    let user: &[u8] = b"ufrag1:peer";
    let (priority, role): (&[u8], &[u8]) = (&[0, 0, 0, 1], &[0; 8]);
    let (name, controlled, controlling) = (0x0006, 0x8029, 0x802A);
    let whole = [(name, user), (0x0024, priority), (controlling, role)];
    let requests = [
        (request(&[(name, user)], &password), [None, None]),
        (request(&whole, &password), [Some(64), Some(76)]),
        (request(&[whole[0], (controlled, role)], &password), [None, None]),
        (request(&[whole[0], whole[1], (controlled, role)], &password), [Some(76), Some(76)]),
        (request(&[whole[0], (0x7FFE, &[])], &password), [None, None]),
        (request(&[whole[0], whole[1], whole[2], (0x7FFE, &[])], &password), [None, None]),
        (request(&[whole[0], whole[1], whole[2], (0x7FFE, &[0; 8])], &password), [Some(88), Some(88)]),
    ];
    let from = [path(address(1)), path("[2001:db8::7]:4000".parse().unwrap())];
    for (request, expected) in requests {
        for (from, expected) in from.into_iter().zip(expected) {
            net.engine.handle_packet(net.now, from, &mut request.clone());
            let answers: Vec<_> = net.engine.outbox().iter().map(|(_, datagram)| datagram.len()).collect();
            net.engine.outbox().clear();
            assert_eq!(answers, expected.into_iter().collect::<Vec<_>>(), "to {} bytes", request.len());
            assert!(answers.iter().all(|answer| *answer <= request.len()));
        }
    }
    // what browsers send is long enough for every answer, over IPv6 and with role conflict too
    let check = net.peers[0].check(false);
    assert!(check.len() >= 88 && stun::MAX_SUCCESS <= check.len());
}

#[test]
fn nothing_is_kept_of_a_path_without_consent() {
    let mut net = two_calls();
    let from = net.peers[0].path;
    assert!(net.engine.knows(&from));
    net.peers[0].alive = false;
    net.run(Duration::from_secs(33));
    assert!(!net.engine.knows(&from), "its media are a stranger's now");
    let numbers = net.engine.snapshot(net.now, Default::default());
    assert!(!numbers.sessions[0].connected && !numbers.producers[0].layers[0].flowing);
    let junk = net.engine.counters.junk;
    net.run_ms(500);
    assert!(net.engine.counters.junk > junk + 40, "and are dropped unread");
    net.command(Command::RemoveSession { session: 1 });
    assert_eq!(net.engine.snapshot(net.now, Default::default()).sessions.len(), 3);
}
