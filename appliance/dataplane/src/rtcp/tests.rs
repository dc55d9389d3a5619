use super::*;
use crate::testing::hex;
use crate::wire::NoRoom;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0xCAFE_BABE,
    fraction_lost: 12,
    cumulative_lost: -5,
    highest_sequence: 0x1_FFFE,
    jitter: 77,
    last_sender_report: 0x1234_5678,
    delay_since_last: 65_536,
};

/// What `write` writes, after checking that it refuses every smaller buffer.
fn written(write: impl Fn(&mut [u8]) -> Result<usize, NoRoom>) -> Vec<u8> {
    let mut out = [0xEE; 300];
    let length = write(&mut out).unwrap();
    for room in 0..length {
        assert_eq!(write(&mut [0; 300][..room]), Err(NoRoom));
    }
    out[..length].to_vec()
}

fn only(compound: &[u8]) -> Packet<'_> {
    let mut packets = parse_untrusted(compound);
    let packet = packets.next().unwrap().unwrap();
    assert!(packets.next().is_none());
    packet
}

#[test]
fn aiortc_agrees_on_reports() {
    let theirs = hex(
        "81c8000c00000001e1e2e3e4f1f2f3f4deadbeef0000000300000004cafebabe0cfffffb0001fffe0000004d1234567800010000",
    );
    assert_eq!(
        written(|out| sender_report(out, 1, 0xE1E2_E3E4_F1F2_F3F4, 0xDEAD_BEEF, 3, 4, &[BLOCK])),
        theirs
    );
    let Packet::SenderReport { ssrc: 1, ntp, rtp_timestamp, packets: 3, octets: 4, blocks } = only(&theirs)
    else {
        panic!("should be a sender report")
    };
    assert_eq!((ntp, ntp_middle(ntp), rtp_timestamp), (0xE1E2_E3E4_F1F2_F3F4, 0xE3E4_F1F2, 0xDEAD_BEEF));
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [BLOCK]);
    let theirs = hex(
        "82c9000d00000002cafebabe0cfffffb0001fffe0000004d1234567800010000cafebabe0cfffffb0001fffe0000004d1234567800010000",
    );
    assert_eq!(written(|out| receiver_report(out, 2, &[BLOCK, BLOCK])), theirs);
    let Packet::ReceiverReport { ssrc: 2, blocks } = only(&theirs) else {
        panic!("should be a receiver report")
    };
    assert_eq!(blocks.len(), 2);
}

#[test]
fn aiortc_agrees_on_names_and_goodbyes() {
    assert_eq!(written(|out| sdes_cname(out, 3, "cname-1")), hex("81ca0004000000030107636e616d652d31000000"));
    assert_eq!(
        written(|out| sdes_cname(out, 3, "cname-12")),
        hex("81ca0004000000030108636e616d652d31320000")
    );
    assert_eq!(sdes_cname(&mut [0; 400], 3, &"x".repeat(256)), Err(NoRoom));
    let theirs = hex("82cb00020000000500000006");
    assert_eq!(written(|out| bye(out, &[5, 6])), theirs);
    let Packet::Bye { ssrcs } = only(&theirs) else { panic!("should be a goodbye") };
    assert_eq!(ssrcs.iter().collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn aiortc_agrees_on_feedback() {
    let theirs = hex("81cd00050000000700000008000380060014000000640000");
    assert_eq!(written(|out| nack(out, 7, 8, &[3, 5, 6, 19])), hex("81cd0003000000070000000800038006"));
    let mut out = [0; 64];
    let length = nack(&mut out, 7, 8, &[3, 5, 6, 19, 20, 100]).unwrap();
    assert_eq!(out[..length], theirs);
    let Packet::Nack { sender_ssrc: 7, media_ssrc: 8, lost } = only(&theirs) else {
        panic!("should be a NACK")
    };
    assert_eq!(lost.iter().collect::<Vec<_>>(), [3, 5, 6, 19, 20, 100]);
    let theirs = hex("81ce00020000000700000008");
    assert_eq!(written(|out| pli(out, 7, 8)), theirs);
    assert!(matches!(only(&theirs), Packet::Pli { sender_ssrc: 7, media_ssrc: 8 }));
    let theirs = hex("8fce0006000000070000000052454d420213f7a096be96cf00000009");
    let Packet::Remb { sender_ssrc: 7, bitrate_bps: 4_160_000, ssrcs } = only(&theirs) else {
        panic!("should be REMB")
    };
    assert_eq!(ssrcs.iter().collect::<Vec<_>>(), [2_529_072_847, 9]);
    let ours = written(|out| remb(out, 7, 4_160_000, &[2_529_072_847, 9]));
    assert!(matches!(only(&ours), Packet::Remb { bitrate_bps: 4_160_000, .. }));
    let ours = written(|out| fir(out, 7, 8, 250));
    let Packet::Fir { sender_ssrc: 7, entries } = only(&ours) else { panic!("should be FIR") };
    assert_eq!(entries.iter().collect::<Vec<_>>(), [(8, 250)]);
}

#[test]
fn remb_of_any_rate_is_finite_and_close() {
    for shift in 0..64 {
        let rate = 0xDEAD_BEEF_1234_5678u64 >> shift;
        let ours = written(|out| remb(out, 1, rate, &[]));
        let Packet::Remb { bitrate_bps, .. } = only(&ours) else { panic!("should be REMB") };
        assert!(bitrate_bps <= rate && rate - bitrate_bps <= rate >> 17, "{rate} {bitrate_bps}");
    }
    let absurd = hex("8fce0005000000070000000052454d4201ffffff00000009");
    assert!(matches!(only(&absurd), Packet::Remb { bitrate_bps: u64::MAX, .. }));
}

#[test]
fn nack_lists_wrap_and_stop_where_the_room_ends() {
    let lost: Vec<u16> = (0..40).map(|step| 65_520u16.wrapping_add(step)).collect();
    let ours = written_whole(&lost);
    assert_eq!(ours.len(), 12 + 3 * 4, "17 numbers a pair");
    let sparse: Vec<u16> = (0..1000).map(|step| step * 64).collect();
    let mut out = [0; 1040];
    let length = nack(&mut out, 1, 2, &sparse).unwrap();
    let Packet::Nack { lost, .. } = only(&out[..length]) else { panic!("should be a NACK") };
    let told: Vec<u16> = lost.iter().collect();
    assert_eq!(told[..], sparse[..257]);
    assert_eq!(nack(&mut out, 1, 2, &[]), Ok(0));
    assert_eq!(nack(&mut out[..12], 1, 2, &[1]), Err(NoRoom));
    // the longest list that a datagram can hold is what bounds the work of answering it
    let flood = [&[0x81, 205, 1, 0x67][..], &[0; 8], &[0xFF; 4 * 357]].concat();
    let Packet::Nack { lost, .. } = only(&flood) else { panic!("should be a NACK") };
    assert_eq!(lost.iter().count(), 357 * 17);
}

fn written_whole(lost: &[u16]) -> Vec<u8> {
    let mut out = [0; 300];
    let length = nack(&mut out, 1, 2, lost).unwrap();
    let Packet::Nack { lost: told, .. } = only(&out[..length]) else { panic!("should be a NACK") };
    assert_eq!(told.iter().collect::<Vec<_>>(), lost);
    out[..length].to_vec()
}

#[test]
fn compounds_are_read_to_the_first_error() {
    let mut compound = written(|out| receiver_report(out, 2, &[]));
    compound.extend([0x80, 210, 0, 1, 1, 2, 3, 4]); // unknown type
    compound.extend(written(|out| pli(out, 1, 2)));
    let kinds: Vec<_> = parse_untrusted(&compound).map(|packet| packet.is_ok()).collect();
    assert_eq!(kinds, [true, true, true]);
    compound.extend([0x40, 201, 0, 0]);
    compound.extend(written(|out| pli(out, 1, 2)));
    let kinds: Vec<_> = parse_untrusted(&compound).map(|packet| packet.is_ok()).collect();
    assert_eq!(kinds, [true, true, true, false]);
}

#[test]
fn what_points_past_the_end_is_malformed() {
    let malformed = |text: &str| parse_untrusted(&hex(text)).any(|packet| packet.is_err());
    assert!(malformed("80c90002 00000001"), "length past the end");
    assert!(malformed("81c90001 00000001"), "a block announced and missing");
    assert!(malformed("80c80001 00000001"), "sender report cut");
    assert!(malformed("9fcb0001 00000001"), "31 goodbyes in four bytes");
    assert!(malformed("81ce0001 00000001"), "PLI without media source");
    assert!(malformed("8fce0004 00000007 00000000 52454d42 02000000"), "REMB without its sources");
    assert!(malformed("a0c90002 00000001 00000000"), "padding of zero");
    assert!(malformed("a0c90002 00000001 0000000c"), "padding longer than the body");
    assert!(malformed("a0c90000"), "padding without a body");
    assert!(!malformed("a0c90002 00000001 00000004"));
    assert!(
        !malformed("afcd0005 00000001 00000002 00050001 00000100 20010a01 80c90001 00000001"),
        "as libwebrtc pads"
    );
}

#[test]
fn round_trips_follow_the_rfc_and_absurd_ones_are_none() {
    // the example of RFC 3550 figure 2: 5.25 s delay, 6.125 s round trip
    let block = ReportBlock {
        last_sender_report: 0xB705_2000,
        delay_since_last: 0x0005_4000,
        ..ReportBlock::default()
    };
    assert_eq!(block.round_trip(0xB710_8000), Some(0x0006_2000));
    assert_eq!(block.round_trip(0xB705_2000), None, "earlier than possible");
    assert_eq!(ReportBlock::default().round_trip(5), None);
}
