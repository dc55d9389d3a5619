//! Redundant sound (RFC 2198) reaches whoever negotiated it whole, and everybody else as plain Opus.

mod support;

use _dataplane::command::{Command, Kind};
use _dataplane::engine::formats::PayloadSpec;
use _dataplane::rtp::HeaderBuilder;
use _dataplane::transport_feedback::ArrivalLog;
use support::{Bottleneck, CLEAN, Net, extension_ids, payload_types, red_type};

/// A microphone of session 1, and listeners: 2 and 3 take RED, under other and the same numbers; 4 does not.
fn call(red: bool) -> Net {
    let mut net = Net::new(1, CLEAN);
    for session in 1..=4 {
        net.connect(session);
        if session < 4 {
            let opus = payload_types(session).2;
            let spec = |payload_type, format: &str| PayloadSpec {
                payload_type,
                format: format.into(),
                clock_rate: 48_000,
                rtx_payload_type: None,
            };
            let (vp8, rtx, _) = payload_types(session);
            let vp8 = PayloadSpec { clock_rate: 90_000, rtx_payload_type: Some(rtx), ..spec(vp8, "vp8") };
            let payloads = vec![spec(red_type(session), "red/opus"), spec(opus, "opus"), vp8];
            net.command(Command::SetFormats { session, payloads, extensions: extension_ids(session) });
        }
    }
    net.publish(0, 1, Kind::Audio, "0", &[]);
    let track = net.peers[0].track(Kind::Audio, "0", None);
    net.peers[0].tracks[track].red = red.then(|| red_type(1));
    for listener in 1..=3 {
        net.subscribe(listener, 10 + listener as u64, Kind::Audio, Some(1));
    }
    net
}

#[test]
fn blocks_go_to_whoever_takes_them_and_the_primary_one_to_the_rest() {
    let mut net = call(true);
    net.run_ms(1000);
    let offered = net.peers[0].tracks[0].offered;
    for (listener, types) in [(1, [101, 109]), (2, [63, 111]), (3, [101, 109])] {
        let inbound = &net.peers[listener].inbound[0];
        let (_, packets) = inbound.assert_continuous()[0];
        assert!(packets + 2 >= offered);
        let takes_red = listener < 3;
        for got in inbound.got.values().skip(1) {
            assert_eq!(got.payload_type, if takes_red { types[0] } else { types[1] });
            assert_eq!(got.older, if takes_red { 5 + 72 } else { 0 }); // two headers, and the packet before
            assert!(got.mark.is_some(), "the primary block is this packet's own");
        }
    }
}

#[test]
fn a_narrow_link_with_pictures_gets_the_primary_block_alone_unless_it_loses() {
    let mut net = call(true);
    net.publish(0, 50, Kind::Video, "1", &[]);
    let track = net.peers[0].track(Kind::Video, "1", None);
    (net.peers[0].tracks[track].packets_per_frame, net.peers[0].tracks[track].packet_bytes) = (1, 560);
    for listener in [1, 2] {
        net.peers[listener].arrivals = Some(ArrivalLog::new());
        net.subscribe(listener, 60 + listener as u64, Kind::Video, Some(50));
    }
    net.bottlenecks.insert(1, Bottleneck::new(300e3));
    net.run_ms(8_000);
    let newest = |net: &Net, listener: usize| {
        let inbound = &net.peers[listener].inbound;
        let sound = inbound.iter().find(|i| i.kind == Kind::Audio).unwrap();
        sound.got.values().next_back().unwrap().payload_type
    };
    assert_eq!((newest(&net, 1), newest(&net, 2)), (109, 63), "the other link is wide");
    net.bottlenecks.remove(&1);
    net.link.loss = 0.1;
    net.run_ms(8_000);
    assert_eq!(newest(&net, 1), 101);
}

#[test]
fn plain_opus_stays_plain() {
    let mut net = call(false);
    net.run_ms(500);
    for (listener, opus) in [(1, 109), (2, 111), (3, 109)] {
        let got = &net.peers[listener].inbound[0].got;
        assert!(got.len() > 20 && got.values().all(|got| got.payload_type == opus && got.older == 0));
    }
}

#[test]
fn malformed_blocks_are_dropped_and_sound_goes_on() {
    let mut net = call(true);
    net.run_ms(300);
    net.peers[0].tracks[0].running = false;
    net.run_ms(50);
    let before: Vec<usize> = (1..=3).map(|l| net.peers[l].inbound[0].got.len()).collect();
    let junk = net.engine.counters.junk;
    for payload in [&[0xEF; 30][..], &[0xEF, 0, 3, 0xFF, 0x6F, 1, 2], &[0x6F], &[0xEF, 0, 0, 0, 0x6E, 1]] {
        let track = &mut net.peers[0].tracks[0];
        let (sequence, timestamp, ssrc) = (track.sequence, track.timestamp, track.ssrc);
        track.sequence = sequence.wrapping_add(1);
        let header = HeaderBuilder {
            payload_type: red_type(1),
            marker: false,
            sequence,
            timestamp,
            ssrc,
            padding: false,
            extensions: &[],
        };
        let mut head = vec![0; 100];
        let len = header.write(&mut head).unwrap();
        let sealed = net.peers[0].seal(&[&head[..len], payload].concat());
        net.peers[0].out.push(sealed);
    }
    net.run_ms(50);
    assert_eq!(net.engine.counters.junk, junk + 4);
    assert_eq!(before, (1..=3).map(|l| net.peers[l].inbound[0].got.len()).collect::<Vec<_>>());
    net.peers[0].tracks[0].running = true;
    net.run_ms(300);
    assert!((1..=3).all(|l| net.peers[l].inbound[0].got.len() > before[l - 1] + 10));
}
