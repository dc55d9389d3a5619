use super::*;
use crate::testing::hex;

/// Password of RFC 5769 §2.1 to §2.3.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const TID: [u8; 12] = *b"parley-aioic";
const AIOICE_PASSWORD: &[u8] = b"a-password-of-22-chars";

fn rfc_5769_request() -> Vec<u8> {
    hex(
        "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1\
         51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf",
    )
}

#[test]
fn rfc_5769_section_2_1_request() {
    let raw = rfc_5769_request();
    let request = parse_request_untrusted(&raw).unwrap();
    assert_eq!(
        (request.username, request.local_ufrag(), request.remote_ufrag()),
        ("evtj:h6vY", "evtj", "h6vY")
    );
    assert_eq!((request.priority, request.use_candidate), (Some(0x6E00_01FF), false));
    assert_eq!((request.ice_controlled, request.ice_controlling), (Some(0x932F_F9B1_5126_3B36), None));
    assert!(request.verify(&raw, PASSWORD));
    assert!(!request.verify(&raw, b"another"));
}

#[test]
fn rfc_5769_section_2_2_and_2_3_responses() {
    let v4 = hex(
        "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91\
                  f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    );
    let v6 = hex(
        "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25\
                  f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
    );
    for (raw, address) in [(v4, "192.0.2.1:32853"), (v6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")] {
        let message = Message::parse_untrusted(&raw).unwrap();
        assert_eq!(message.message_type(), message_type::SUCCESS);
        assert_eq!(message.xor_mapped_address(), Some(address.parse().unwrap()));
        assert!(message.verify(PASSWORD));
        assert_eq!(
            parse_request_untrusted(&raw).unwrap_err(),
            StunError::NotBindingRequest(message_type::SUCCESS)
        );
    }
}

#[test]
fn rfc_5769_section_2_4_long_term_request() {
    let raw = hex(
        "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439\
                   396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8\
                   e0712e85c9a28ca89666",
    );
    let request = parse_request_untrusted(&raw).unwrap();
    assert_eq!(request.username, "マトリックス");
    // MD5 of username ":" realm ":" password after SASLprep (RFC 8489 §9.2.2)
    assert!(request.verify(&raw, &hex("e8ca7ad59d5eb0518e312911d2dab2a9")));
}

#[test]
fn one_flipped_bit_anywhere_is_refused() {
    let raw = rfc_5769_request();
    for bit in 0..raw.len() * 8 {
        let mut damaged = raw.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let verified =
            parse_request_untrusted(&damaged).is_ok_and(|request| request.verify(&damaged, PASSWORD));
        // FINGERPRINT's own type is protected by nothing; with another one, the attribute is ignored behind the integrity
        let in_fingerprint_type = (raw.len() - 8..raw.len() - 6).contains(&(bit / 8));
        assert_eq!(verified, in_fingerprint_type, "bit {bit}");
    }
    for length in 0..raw.len() {
        assert!(parse_request_untrusted(&raw[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn aioice_agrees() {
    let theirs = hex(
        "000100482112a4427061726c65792d61696f696300060009737276753a636c6975000000002400046e7f00ff802a00080102030405060708\
                      0025000000080014d3f530c41193f1649e8e89d5aae36e98b7c5c2be80280004eb28b727",
    );
    let request = parse_request_untrusted(&theirs).unwrap();
    assert!(request.verify(&theirs, AIOICE_PASSWORD) && request.use_candidate);
    assert_eq!((request.local_ufrag(), request.ice_controlling), ("srvu", Some(0x0102_0304_0506_0708)));
    let mut out = [0; 200];
    let length =
        write_request(&mut out, &TID, "srvu:cliu", 0x6E7F_00FF, 0x0102_0304_0506_0708, true, AIOICE_PASSWORD)
            .unwrap();
    assert_eq!(out[..length], theirs);

    let v4 = hex(
        "0101002c2112a4427061726c65792d61696f6963002000080001e930e112a64500080014a9dac251737dde7cbce1f75752ec8fc68c54\
                  ce478028000481e5953e",
    );
    let v6 = hex(
        "010100382112a4427061726c65792d61696f6963002000140002e9300113a9fa7061726c65792d61696f696400080014a849aaeb13a9\
                  af344fcf48ae3467de15be98eebb8028000478a8c538",
    );
    for (theirs, address) in
        [(&v4, "192.0.2.7:51234"), (&v6, "[2001:db8::7]:51234"), (&v4, "[::ffff:192.0.2.7]:51234")]
    {
        let length = write_success(&mut out, &TID, address.parse().unwrap(), AIOICE_PASSWORD).unwrap();
        assert_eq!(out[..length], theirs[..]);
        assert!(length <= MAX_SUCCESS);
        for room in 0..length {
            let written = write_success(&mut out[..room], &TID, address.parse().unwrap(), AIOICE_PASSWORD);
            assert_eq!(written, Err(crate::wire::NoRoom));
        }
    }
    let conflict = hex(
        "011100382112a4427061726c65792d61696f69630009001100000457526f6c6520436f6e666c696374000000000800142dc301c1039a\
                        9c5f2af8b6b95338bb6994b893d28028000479a9370c",
    );
    let length = write_error(&mut out, &TID, 487, "Role Conflict", &[], Some(AIOICE_PASSWORD)).unwrap();
    assert_eq!(out[..length], conflict);
    assert_eq!(Message::parse_untrusted(&conflict).unwrap().error_code(), Some(487));
}

/// A request with these attributes in front of MESSAGE-INTEGRITY.
fn request_with(attributes: &[u8]) -> Vec<u8> {
    let mut raw = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &TID, attributes].concat();
    let tag = integrity(PASSWORD, &raw);
    raw.extend([0, 8, 0, 20]);
    raw.extend(tag.as_ref());
    let length = (raw.len() - HEADER) as u16;
    raw[2..4].copy_from_slice(&length.to_be_bytes());
    raw
}

#[test]
fn unknown_required_attributes_are_listed_and_optional_ones_skipped() {
    let name = [0, 6, 0, 3, b'a', b':', b'b', 0];
    let optional = request_with(&[&name[..], &[0xC0, 0x57, 0, 4, 0, 1, 2, 3]].concat());
    assert!(parse_request_untrusted(&optional).unwrap().verify(&optional, PASSWORD));
    let required = request_with(&[&name[..], &[0x7F, 0xFE, 0, 1, 9, 0, 0, 0]].concat());
    let StunError::UnknownAttributes { transaction_id, types, count } =
        parse_request_untrusted(&required).unwrap_err()
    else {
        panic!("should be unknown")
    };
    assert_eq!((transaction_id, &types[..count]), (TID, &[0x7FFE][..]));
    let mut out = [0; 100];
    let length = write_error(&mut out, &TID, 420, "Unknown Attribute", &types[..count], None).unwrap();
    let answer = Message::parse_untrusted(&out[..length]).unwrap();
    let listed = answer.attributes().find(|&(kind, _)| kind == attribute::UNKNOWN_ATTRIBUTES);
    assert_eq!(
        (answer.error_code(), listed),
        (Some(420), Some((attribute::UNKNOWN_ATTRIBUTES, &[0x7F, 0xFE][..])))
    );
}

#[test]
fn what_follows_the_integrity_is_ignored() {
    let mut raw = request_with(&[0, 6, 0, 3, b'a', b':', b'b', 0]);
    raw.extend([0, 0x25, 0, 0]); // USE-CANDIDATE that anybody on the way could have added
    raw[3] += 4;
    let request = parse_request_untrusted(&raw).unwrap();
    assert!(request.verify(&raw, PASSWORD), "RFC 8489 §14.5: the length is set back for the HMAC");
    assert!(!request.use_candidate);
}

#[test]
fn requests_without_name_or_integrity_are_unauthenticated() {
    let mut bare = request_with(&[]);
    assert_eq!(parse_request_untrusted(&bare).unwrap_err(), StunError::Unauthenticated);
    bare.truncate(HEADER);
    bare[3] = 0;
    assert_eq!(parse_request_untrusted(&bare).unwrap_err(), StunError::Unauthenticated);
    assert!(!Message::parse_untrusted(&bare).unwrap().verify(PASSWORD));
    let long = [&[0, 6, 2, 0][..], &[b'u'; 512]].concat();
    assert!(matches!(parse_request_untrusted(&request_with(&long)), Err(StunError::Malformed(_))));
    let not_text = request_with(&[0, 6, 0, 2, 0xFF, 0xFE, 0, 0]);
    assert!(matches!(parse_request_untrusted(&not_text), Err(StunError::Malformed(_))));
}

#[test]
fn crc_check_value() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926); // the check value of CRC-32/ISO-HDLC
}
