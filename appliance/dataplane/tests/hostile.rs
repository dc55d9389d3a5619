//! What strangers, broken peers and lost links can do: nothing to anybody else, little to themselves.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::path::MAX_PATHS;
use _dataplane::event::Event;
use _dataplane::rtp::HeaderBuilder;
use _dataplane::stun;
use _dataplane::units::Time;
use support::{CLEAN, Net, Random, address, path};

const CLIENT_HELLO: &[u8] = &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];

/// A publisher of camera and microphone, a subscriber to both.
fn call() -> Net {
    let mut net = Net::new(9, CLEAN);
    net.connect(1);
    net.connect(2);
    net.publish(0, 1, Kind::Video, "0", &[]);
    net.publish(0, 2, Kind::Audio, "1", &[]);
    net.subscribe(1, 10, Kind::Video, Some(1));
    net.subscribe(1, 11, Kind::Audio, Some(2));
    net.peers[0].track(Kind::Video, "0", None);
    net.peers[0].track(Kind::Audio, "1", None);
    net
}

fn frames(net: &Net) -> usize {
    net.peers[1].inbound[0].got.len()
}

#[test]
fn dtls_from_a_path_that_ice_has_not_validated_is_ignored_at_any_time() {
    let mut net = Net::new(1, CLEAN);
    let (peer, stranger) = (net.add_session(1), path(address(77)));
    let own = net.peers[peer].path;
    for from in [own, stranger] {
        net.engine.handle_packet(net.now, from, &mut CLIENT_HELLO.to_vec());
    }
    net.drain();
    assert!(net.dtls.is_empty(), "before the first check");
    net.check(peer, true);
    for from in [stranger, own] {
        net.engine.handle_packet(net.now, from, &mut CLIENT_HELLO.to_vec());
    }
    net.drain();
    assert_eq!(net.dtls, [(1, CLIENT_HELLO.to_vec())], "during the handshake, from the validated path only");
    let (tx, rx) = (support::master_key(1, 1), support::master_key(1, 2));
    net.command(Command::SetKeys { session: 1, profile: support::PROFILE, tx, rx });
    net.engine.handle_packet(net.now, stranger, &mut CLIENT_HELLO.to_vec());
    net.drain();
    assert_eq!(net.dtls.len(), 1, "after it");
    assert_eq!(net.engine.counters.junk, 4);
    net.command(Command::SendDtls { session: 1, datagram: CLIENT_HELLO.to_vec() });
    net.run_ms(20);
    assert_eq!(net.peers[peer].dtls, [CLIENT_HELLO.to_vec()]);
}

#[test]
fn checks_without_the_password_teach_nothing_and_get_no_answer() {
    let mut net = Net::new(2, CLEAN);
    let peer = net.add_session(1);
    let good = net.peers[peer].check(true);
    let mut bad = Vec::new();
    let mut wrong_password = vec![0; 256];
    let len = stun::write_request(&mut wrong_password, &[1; 12], "ufrag1:x", 1, 1, true, b"guess").unwrap();
    bad.push(wrong_password[..len].to_vec());
    let mut stranger = vec![0; 256];
    let len = stun::write_request(&mut stranger, &[1; 12], "nobody:x", 1, 1, true, b"guess").unwrap();
    bad.push(stranger[..len].to_vec());
    // all that MESSAGE-INTEGRITY covers; FINGERPRINT behind it is for demultiplexing
    bad.extend((0..(good.len() - 8) * 8).map(|bit| {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }));
    bad.extend((0..good.len()).map(|len| good[..len].to_vec()));
    for mut datagram in bad {
        net.engine.handle_packet(net.now, path(address(50)), &mut datagram);
        assert!(net.engine.outbox().is_empty());
    }
    net.drain();
    assert!(net.events.is_empty() && !net.engine.knows(&path(address(50))));
    assert!(net.engine.counters.stun_rejected > 500);
    net.check(peer, true);
    assert_eq!(
        net.events,
        [Event::SessionConnected { session: 1, address: "10.0.0.1:40000".into(), tcp: false }]
    );
}

#[test]
fn a_peer_that_believes_to_be_controlled_is_told_to_switch() {
    let mut net = Net::new(3, CLEAN);
    let peer = net.add_session(1);
    // ICE-CONTROLLED in place of ICE-CONTROLLING, signed anew
    let check = net.peers[peer].check(false);
    let at = check.windows(2).position(|w| w == [0x80, 0x2A]).unwrap();
    let mut body = check[..at].to_vec();
    body.extend([0x80, 0x29]);
    body.extend(&check[at + 2..at + 12]);
    let request = support::sign(&body, net.peers[peer].password.as_bytes());
    net.engine.handle_packet(net.now, net.peers[peer].path, &mut request.clone());
    let (_, reply) = net.engine.outbox().iter().next().map(|(p, d)| (p, d.to_vec())).unwrap();
    assert_eq!(stun::Message::parse_untrusted(&reply).unwrap().error_code(), Some(487));
    assert!(reply.len() <= request.len() + 24 && !net.engine.knows(&net.peers[peer].path));
}

#[test]
fn nomination_moves_media_and_the_table_of_paths_is_bounded() {
    let mut net = call();
    net.run_ms(500);
    net.peers[1].path = path(address(300));
    net.check(1, false);
    assert!(
        !net.events.iter().any(|e| matches!(e, Event::SessionPathChanged { .. })),
        "a check alone moves nothing"
    );
    net.check(1, true);
    assert_eq!(
        net.events.last(),
        Some(&Event::SessionPathChanged { session: 2, address: "10.0.1.44:40000".into(), tcp: false })
    );
    let before = frames(&net);
    net.run_ms(500);
    assert!(frames(&net) > before + 50);
    net.peers[1].inbound[0].assert_continuous();
    let own = net.peers[1].path;
    for n in 400..1000 {
        net.peers[1].path = path(address(n));
        net.check(1, false);
    }
    net.peers[1].path = own;
    let known = (400..1000).filter(|n| net.engine.knows(&path(address(*n)))).count();
    assert!(known < MAX_PATHS && net.engine.knows(&own));
}

#[test]
fn ice_restart_keeps_the_old_path_until_a_new_one_is_nominated() {
    let mut net = call();
    net.run_ms(500);
    let (ufrag, password) = ("renewed".to_owned(), "another-password-of-24-ch".to_owned());
    net.command(Command::RestartIce { session: 2, ufrag: ufrag.clone(), password: password.clone() });
    let before = frames(&net);
    net.run_ms(1000);
    assert!(frames(&net) > before + 100, "media goes on over the old path");
    let old_check = net.peers[1].check(true);
    let replies = net.peers[1].stun_replies.len();
    net.check(1, true);
    net.run_ms(20);
    assert!(net.peers[1].stun_replies.len() > replies, "old credentials keep consent");
    (net.peers[1].ufrag, net.peers[1].password) = (ufrag, password);
    net.peers[1].path = path(address(301));
    net.check(1, true);
    let before = frames(&net);
    net.run_ms(1000);
    assert!(frames(&net) > before + 100);
    net.peers[1].inbound[0].assert_continuous();
    let rejected = net.engine.counters.stun_rejected;
    net.engine.handle_packet(net.now, path(address(302)), &mut old_check.clone());
    assert_eq!(net.engine.counters.stun_rejected, rejected + 1, "old credentials are gone");
}

#[test]
fn without_consent_for_30_s_a_session_is_lost_and_may_come_back() {
    let mut net = call();
    net.run_ms(1000);
    net.peers[1].alive = false;
    net.run_ms(25_000);
    assert!(
        net.now - net.peers[1].inbound[0].got.values().next_back().unwrap().at < Duration::from_millis(60)
    );
    net.run_ms(8000);
    assert!(net.events.contains(&Event::SessionLost { session: 2 }));
    let before = frames(&net);
    net.run_ms(500);
    assert_eq!(frames(&net), before);
    net.peers[1].alive = true;
    net.run_ms(3000);
    assert!(frames(&net) > before);
    let connected = |e: &&Event| matches!(e, Event::SessionConnected { session: 2, .. });
    assert_eq!(net.events.iter().filter(connected).count(), 2);
    net.peers[1].inbound[0].assert_continuous();
}

#[test]
fn plis_are_merged_to_two_a_second() {
    let mut net = call();
    net.connect(3);
    net.subscribe(2, 20, Kind::Video, Some(1));
    net.run_ms(3000);
    let quiet = net.peers[0].tracks[0].plis.len();
    assert!(quiet <= 3, "{quiet} requests without any need");
    for _ in 0..100 {
        for peer in [1, 2] {
            let ssrc = net.peers[peer].inbound[0].ssrc;
            for _ in 0..5 {
                net.peers[peer].pli(ssrc);
            }
        }
        net.run_ms(50);
    }
    let plis = &net.peers[0].tracks[0].plis[quiet..];
    assert!((9..=11).contains(&plis.len()), "{} in 5 s", plis.len());
    assert!(plis.windows(2).all(|w| w[1] - w[0] >= Duration::from_millis(490)));
}

#[test]
fn a_flood_of_nacks_is_answered_to_15_percent() {
    let mut net = call();
    net.run_ms(1500);
    let (sent, at) = (net.peers[1].inbound[0].highest, net.now);
    let media = frames(&net);
    for _ in 0..400 {
        let ssrc = net.peers[1].inbound[0].ssrc;
        let all: Vec<u16> = (0..250).map(|n| (sent as u16).wrapping_add(n * 2)).collect();
        net.peers[1].nack(ssrc, &all);
        net.run_ms(10);
    }
    let rtx = net.peers[1].inbound[0].rtx_packets;
    let span = (net.now - at).as_secs_f64();
    let bound = 0.15 * (frames(&net) - media) as f64 + (56_250.0 + 12_500.0 * span) / 520.0;
    assert!(rtx as f64 <= bound && rtx > 20, "{rtx} of at most {bound}");
}

#[test]
fn replayed_and_flipped_packets_are_dropped_and_counted() {
    let mut net = call();
    net.run_ms(200);
    net.peers[0].tracks.iter_mut().for_each(|t| t.running = false);
    net.run_ms(50);
    let before = frames(&net);
    let (mid, mark) = ([b'0'], [0xAB; 40]);
    let header = HeaderBuilder {
        payload_type: 96,
        marker: true,
        sequence: 40_000,
        timestamp: 5,
        ssrc: 0x7777,
        padding: false,
        extensions: &[(4, &mid)],
    };
    let mut plain = vec![0; 200];
    let len = header.write(&mut plain).unwrap();
    plain[len..len + 40].copy_from_slice(&mark);
    let sealed = net.peers[0].seal(&plain[..len + 40]);
    let from = net.peers[0].path;
    for bit in 8..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        net.engine.handle_packet(net.now, from, &mut flipped);
    }
    assert!(net.engine.counters.srtp_errors as usize > sealed.len() * 7);
    let replayed = net.engine.counters.replayed;
    for _ in 0..10 {
        net.engine.handle_packet(net.now, from, &mut sealed.clone());
    }
    assert_eq!(net.engine.counters.replayed, replayed + 9);
    net.run_ms(50);
    assert_eq!(frames(&net), before);
    net.peers[0].tracks.iter_mut().for_each(|t| t.running = true);
    net.run_ms(3000);
    assert!(frames(&net) > before + 200, "the session lives");
}

#[test]
fn junk_changes_nothing() {
    let mut clean = call();
    let mut dirty = call();
    let mut random = Random(5);
    clean.run_ms(2000);
    for _ in 0..2000 {
        for _ in 0..20 {
            let len = (random.next() % 200) as usize;
            let mut junk: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            // half of it from the peers' own addresses
            let from = path(address(1 + random.next() % 4));
            let now = dirty.now;
            dirty.engine.handle_packet(now, from, &mut junk);
        }
        dirty.drain();
        dirty.run_ms(1);
    }
    for inbound in 0..2 {
        assert_eq!(clean.peers[1].inbound[inbound].got, dirty.peers[1].inbound[inbound].got);
    }
    dirty.peers[1].inbound[0].assert_continuous();
    let counters = dirty.engine.counters;
    assert!(counters.junk + counters.srtp_errors + counters.stun_rejected + counters.replayed > 30_000);
}

#[test]
fn ssrcs_of_a_session_are_capped() {
    let mut net = call();
    net.run_ms(200);
    for ssrc in 0..1000u32 {
        let header = HeaderBuilder {
            payload_type: 96,
            marker: true,
            sequence: 1,
            timestamp: 5,
            ssrc: 0x8000_0000 + ssrc,
            padding: false,
            extensions: &[(4, b"no-such-mid")],
        };
        let mut plain = vec![0; 100];
        let len = header.write(&mut plain).unwrap();
        let sealed = net.peers[0].seal_under_another_context(&plain[..len + 10]);
        net.engine.handle_packet(net.now, net.peers[0].path, &mut sealed.clone());
    }
    assert!(net.engine.counters.srtp_errors > 700, "the context refuses new SSRCs at some point");
    let before = frames(&net);
    net.run_ms(500);
    assert!(frames(&net) > before + 50, "and keeps the old ones");
}

#[test]
fn unknown_ids_are_counted_and_everything_that_goes_takes_its_own_along() {
    let mut net = call();
    net.run_ms(300);
    for command in [
        Command::RemoveRoom { room: 99 },
        Command::AddRoom { room: support::ROOM, audio_last_n: 0 },
        Command::RemoveSession { session: 99 },
        Command::BindConsumer { consumer: 10, producer: Some(99) },
        Command::BindConsumer { consumer: 99, producer: None },
        Command::MuteProducer { producer: 99, muted: true },
        Command::RequestKeyFrame { producer: 99 },
        Command::SetConsumerLayer { consumer: 99, layer: 0, temporal: 0 },
        Command::SendDtls { session: 99, datagram: vec![22] },
        Command::AddSession { session: 9, room: 99, ufrag: "new".into(), password: "p".into() },
        Command::AddSession { session: 9, room: 1, ufrag: "ufrag1".into(), password: "p".into() },
    ] {
        net.command(command);
    }
    assert_eq!(net.engine.counters.unknown_ids, 11);
    // an audio consumer is not bound to video
    net.command(Command::BindConsumer { consumer: 11, producer: Some(1) });
    assert_eq!(net.engine.counters.unknown_ids, 12);
    net.command(Command::RemoveSession { session: 1 });
    net.run_ms(300);
    let numbers = net.engine.snapshot(net.now, Default::default());
    assert_eq!((numbers.sessions.len(), numbers.producers.len(), numbers.consumers.len()), (1, 0, 2));
    assert!(numbers.consumers.iter().all(|c| c.producer.is_none() && c.layer.is_none()));
    net.command(Command::RemoveRoom { room: support::ROOM });
    let numbers = net.engine.snapshot(net.now, Default::default());
    assert!(numbers.sessions.is_empty() && numbers.consumers.is_empty() && numbers.workers[0].rooms == 0);
    assert_eq!(net.engine.next_timer(), None);
    assert!(!net.engine.knows(&path(address(1))) && !net.engine.knows(&path(address(2))));
}

#[test]
fn who_speaks_is_told_and_falls_silent_with_mute() {
    let mut net = call();
    net.peers[0].tracks[1].audio_level = 127;
    net.run_ms(1000);
    assert!(!net.events.iter().any(|e| matches!(e, Event::Speakers { .. })));
    net.peers[0].tracks[1].audio_level = 15;
    net.run_ms(1000);
    let last = |net: &Net| net.events.iter().rev().find(|e| matches!(e, Event::Speakers { .. })).cloned();
    let Some(Event::Speakers { room: 1, levels, dominant: Some(2) }) = last(&net) else {
        panic!("{:?}", last(&net))
    };
    assert!(levels.len() == 1 && levels[0].0 == 2 && levels[0].1 > 0.5, "{levels:?}");
    net.command(Command::MuteProducer { producer: 2, muted: true });
    net.run_ms(500);
    let Some(Event::Speakers { levels, .. }) = last(&net) else { panic!() };
    assert_eq!(levels, []);
    let told = net.events.iter().filter(|e| matches!(e, Event::Speakers { .. })).count();
    net.run_ms(3000);
    assert_eq!(net.events.iter().filter(|e| matches!(e, Event::Speakers { .. })).count(), told);
}

#[test]
fn a_producer_that_stops_is_stalled_and_starts_again() {
    let mut net = call();
    net.run_ms(500);
    let mine = |net: &Net| -> Vec<Event> {
        let about = |e: &&Event| {
            matches!(e, Event::ProducerStarted { producer: 1 } | Event::ProducerStalled { producer: 1 })
        };
        net.events.iter().filter(about).cloned().collect()
    };
    net.peers[0].tracks[0].running = false;
    net.run_ms(1900);
    assert_eq!(mine(&net), [Event::ProducerStarted { producer: 1 }]);
    net.run_ms(200);
    net.peers[0].tracks[0].running = true;
    net.run_ms(100);
    let (started, stalled) = (Event::ProducerStarted { producer: 1 }, Event::ProducerStalled { producer: 1 });
    assert_eq!(mine(&net), [started.clone(), stalled, started]);
    assert!(net.now > Time(0));
}
