use super::*;

const PLAIN: [u8; 12] = [0x80, 0xE0, 0x12, 0x34, 0, 0, 0x03, 0xC0, 0xDE, 0xAD, 0xBE, 0xEF];

fn with(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}

#[test]
fn fields_of_a_plain_header() {
    let packet = with(&PLAIN, b"payload");
    let view = RtpView::parse_untrusted(&packet).unwrap();
    assert_eq!((view.payload_type(), view.marker(), view.sequence()), (96, true, 0x1234));
    assert_eq!((view.timestamp(), view.ssrc(), view.csrc_count()), (960, 0xDEAD_BEEF, 0));
    assert_eq!((view.header_len(), view.payload(), view.padding_len()), (12, &b"payload"[..], 0));
    assert_eq!(view.extensions().count(), 0);
}

#[test]
fn rtcp_is_told_from_rtp_by_rfc_5761() {
    assert!(is_rtcp(&[0x80, 200, 0, 0]));
    assert!(is_rtcp(&[0x81, 206, 0, 0]));
    assert!(!is_rtcp(&[0x80, 0x80 | 111, 0, 0]), "marker and a dynamic payload type");
    assert!(!is_rtcp(&[0x80, 96, 0, 0]));
    assert!(!is_rtcp(&[0x80]));
}

#[test]
fn one_byte_extensions_with_padding_and_stop() {
    let mut packet = PLAIN.to_vec();
    packet[0] |= 0x10;
    // id 3: one byte; two bytes of padding; id 5: three bytes; id 15 stops; the id 1 behind it is not seen
    packet.extend([0xBE, 0xDE, 0, 3, 0x30, 0xAA, 0, 0, 0x52, 1, 2, 3, 0xF0, 0x10, 7, 0, b'x']);
    let view = RtpView::parse_untrusted(&packet).unwrap();
    assert_eq!(view.extensions().collect::<Vec<_>>(), [(3, &[0xAA][..]), (5, &[1, 2, 3][..])]);
    assert_eq!(view.extension(5), Some(&[1u8, 2, 3][..]));
    assert_eq!(view.extension(1), None);
    assert_eq!(view.payload(), b"x");
}

#[test]
fn two_byte_extensions_with_empty_and_long_elements() {
    let mut packet = PLAIN.to_vec();
    packet[0] |= 0x10;
    packet.extend([0x10, 0x05, 0, 7, 1, 0, 0, 200, 20]); // id 1 empty, one byte of padding, id 200: 20 bytes
    packet.extend([9; 20]);
    packet.extend([0; 3]);
    let view = RtpView::parse_untrusted(&packet).unwrap();
    assert_eq!(view.extension(1), Some(&[][..]));
    assert_eq!(view.extension(200), Some(&[9u8; 20][..]));
    assert_eq!(view.payload(), b"");
}

#[test]
fn a_foreign_profile_is_skipped_whole() {
    let mut packet = PLAIN.to_vec();
    packet[0] |= 0x10;
    packet.extend([0xAB, 0xCD, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, b'p']);
    let view = RtpView::parse_untrusted(&packet).unwrap();
    assert_eq!((view.extensions().count(), view.payload()), (0, &b"p"[..]));
}

#[test]
fn what_points_past_the_end_is_malformed() {
    let malformed = |packet: &[u8]| RtpView::parse_untrusted(packet).is_err();
    assert!(malformed(&[]));
    assert!(malformed(&PLAIN[..11]));
    let change = |first: u8, tail: &[u8]| {
        let mut packet = with(&PLAIN, tail);
        packet[0] = first;
        packet
    };
    assert!(malformed(&change(0x40, b"")), "version 1");
    assert!(malformed(&change(0x8F, &[0; 59])), "fifteen contributing sources need 60 bytes");
    assert!(!malformed(&change(0x8F, &[0; 60])));
    assert!(malformed(&change(0x90, &[0xBE, 0xDE, 0])), "extension header cut");
    assert!(malformed(&change(0x90, &[0xBE, 0xDE, 0xFF, 0xFF, 0, 0, 0, 0])), "extension block past the end");
    assert!(malformed(&change(0x90, &[0xBE, 0xDE, 0, 1, 0x1F, 0, 0, 0])), "one-byte element past its block");
    assert!(malformed(&change(0x90, &[0x10, 0, 0, 1, 1, 3, 0, 0])), "two-byte element past its block");
    assert!(malformed(&change(0x90, &[0x10, 0, 0, 1, 0, 0, 0, 9])), "two-byte element without a length");
    assert!(malformed(&change(0xA0, &[1, 2, 4])), "padding longer than the payload");
    assert!(malformed(&change(0xA0, &[1, 2, 0])), "padding of zero bytes");
    assert!(malformed(&change(0xA0, b"")), "padding without payload, its count would be the SSRC");
}

#[test]
fn padding_only_packets_are_fine() {
    let mut packet = with(&PLAIN, &[0, 0, 0, 4]);
    packet[0] |= 0x20;
    let view = RtpView::parse_untrusted(&packet).unwrap();
    assert_eq!((view.payload(), view.padding_len()), (&b""[..], 4));
}

fn round_trip(extensions: &[(u8, &[u8])]) -> (u16, usize) {
    let builder = HeaderBuilder {
        payload_type: 111,
        marker: true,
        sequence: 65535,
        timestamp: 0xFFFF_FFFE,
        ssrc: 7,
        padding: false,
        extensions,
    };
    let mut out = [0xEE; 600];
    let length = builder.write(&mut out).unwrap();
    let view = RtpView::parse_untrusted(&out[..length]).unwrap();
    assert_eq!(view.header_len(), length);
    assert_eq!((view.payload_type(), view.marker(), view.sequence()), (111, true, 65535));
    assert_eq!((view.timestamp(), view.ssrc()), (0xFFFF_FFFE, 7));
    assert_eq!(view.extensions().collect::<Vec<_>>(), extensions);
    for room in 0..length {
        assert_eq!(builder.write(&mut out[..room]), Err(NoRoom));
    }
    (if length > 12 { u16::from_be_bytes([out[12], out[13]]) } else { 0 }, length)
}

#[test]
fn builder_chooses_the_smallest_form() {
    assert_eq!(round_trip(&[]), (0, 12));
    assert_eq!(round_trip(&[(1, &[0x80])]), (0xBEDE, 20));
    assert_eq!(round_trip(&[(14, &[1; 16]), (3, &[1, 2])]), (0xBEDE, 36));
    assert_eq!(round_trip(&[(15, &[1])]).0, 0x1000);
    assert_eq!(round_trip(&[(1, &[])]).0, 0x1000);
    assert_eq!(round_trip(&[(1, &[5; 17])]).0, 0x1000);
    assert_eq!(round_trip(&[(2, &[1, 2, 3]), (200, &[5; 255])]).0, 0x1000);
    let bad = |id: u8, data: &[u8]| {
        let extensions = &[(id, data)];
        let builder = HeaderBuilder {
            payload_type: 0,
            marker: false,
            sequence: 0,
            timestamp: 0,
            ssrc: 0,
            padding: false,
            extensions,
        };
        builder.write(&mut [0; 400])
    };
    assert_eq!(bad(0, &[1]), Err(NoRoom));
    assert_eq!(bad(3, &[0; 256]), Err(NoRoom));
}

#[test]
fn retransmission_carries_its_original_number() {
    assert_eq!(split_rtx_untrusted(&[0x12, 0x34, 9]), Ok((0x1234, &[9u8][..])));
    assert!(split_rtx_untrusted(&[0x12]).is_err());
}
