use super::cipher::{LABEL_RTCP, LABEL_RTP};
use super::index::WINDOW;
use super::*;
use crate::testing::{Random, hex};

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];

fn pair(profile: Profile) -> (Context, Context) {
    let master: Vec<u8> = (0..profile.key_len() as u8).map(|byte| byte.wrapping_mul(37)).collect();
    (Context::new(profile, &master).unwrap(), Context::new(profile, &master).unwrap())
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn protect(context: &mut Context, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buf = [packet, &[0; RTP_OVERHEAD]].concat();
    let length = context.protect_rtp(&mut buf, packet.len())?;
    buf.truncate(length);
    Ok(buf)
}

fn unprotect(context: &mut Context, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buf = packet.to_vec();
    let length = context.unprotect_rtp(&mut buf)?;
    buf.truncate(length);
    Ok(buf)
}

fn protect_rtcp(context: &mut Context, packet: &[u8]) -> Vec<u8> {
    let mut buf = [packet, &[0; RTCP_OVERHEAD]].concat();
    let length = context.protect_rtcp(&mut buf, packet.len()).unwrap();
    buf.truncate(length);
    buf
}

fn unprotect_rtcp(context: &mut Context, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buf = packet.to_vec();
    let length = context.unprotect_rtcp(&mut buf)?;
    buf.truncate(length);
    Ok(buf)
}

#[test]
fn rfc_3711_appendix_b2_key_stream() {
    let stream = cipher::key_stream(
        &hex("2B7E151628AED2A6ABF7158809CF4F3C"),
        &hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"),
    );
    let expected =
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..], hex(expected)[..]);
}

#[test]
fn rfc_3711_appendix_b3_key_derivation() {
    let (key, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
    let prf = cipher::prf(key[..].try_into().unwrap());
    assert_eq!(cipher::derive::<16>(&prf, &salt, 0)[..], hex("C61E7A93744F39EE10734AFE3FF7A087")[..]);
    assert_eq!(cipher::derive::<14>(&prf, &salt, 2)[..], hex("30CBBC08863D8C85D49DB34A9AE1")[..]);
    let auth = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF72270986371C10C9A36\
                9AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(cipher::derive::<94>(&prf, &salt, 1)[..], hex(auth)[..]);
}

/// RFC 7714 §16 and §17 give session keys, not master keys.
fn rfc_7714_keys() -> SessionKeys {
    SessionKeys::from_gcm_session(&hex("000102030405060708090a0b0c0d0e0f"), &hex("517569642070726f2071756f"))
}

#[test]
fn rfc_7714_section_16_1_srtp() {
    let plain = [&hex("8040f17b8041f8d35501a0b2")[..], b"Gallia est omnis divisa in partes tres"].concat();
    let sealed = hex(
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb1\
         6a9152cf765ee4390cce",
    );
    let mut packet = [&plain[..], &[0; 16]].concat();
    rfc_7714_keys().seal_rtp(&mut packet, 12, 0x5501_A0B2, 0xF17B);
    assert_eq!(packet, sealed);
    let length = rfc_7714_keys().open_rtp(&mut packet, 12, 0x5501_A0B2, 0xF17B).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn rfc_7714_section_17_1_srtcp() {
    let plain = hex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    let sealed = hex(
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa458\
         96cf4d2fc5abf87245d9eade800005d4",
    );
    let mut packet = [&plain[..], &[0; 20]].concat();
    rfc_7714_keys().seal_rtcp(&mut packet, 8, 0x4D61_7273, 0x8000_05D4);
    assert_eq!(packet, sealed);
    assert_eq!(rfc_7714_keys().index_word(&packet), 0x8000_05D4);
    let length = rfc_7714_keys().open_rtcp(&mut packet, 8, 0x4D61_7273, 0x8000_05D4).unwrap();
    assert_eq!(packet[..length], plain);
}

#[test]
fn libsrtp_agrees_over_two_turns_of_the_sequence_number() {
    let mut contexts: Vec<(String, Context, Context)> = Vec::new();
    let mut packets = 0;
    for line in include_str!("../../tests/vectors/libsrtp.txt").lines().filter(|line| !line.starts_with('#'))
    {
        let [name, key, kind, plain, sealed] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let profile = Profile::from_openssl_name(name).unwrap();
        if !contexts.iter().any(|(known, ..)| known == key) {
            let new = || Context::new(profile, &hex(key)).unwrap();
            contexts.push((key.to_owned(), new(), new()));
        }
        let (_, tx, rx) = contexts.iter_mut().find(|(known, ..)| known == key).unwrap();
        let (plain, sealed) = (hex(plain), hex(sealed));
        if kind == "rtp" {
            assert_eq!(protect(tx, &plain).unwrap(), sealed, "{line}");
            assert_eq!(unprotect(rx, &sealed).unwrap(), plain, "{line}");
        } else {
            assert_eq!(unprotect_rtcp(rx, &sealed).unwrap(), plain, "{line}");
            // libsrtp's first index is 1, ours 0 (RFC 3711 §3.4): one ahead, then equal
            if packets % 15 == 12 {
                protect_rtcp(tx, &plain);
            }
            assert_eq!(protect_rtcp(tx, &plain), sealed, "{line}");
        }
        packets += 1;
    }
    assert_eq!(packets, 30);
}

#[test]
fn one_flipped_bit_anywhere_is_refused_and_the_session_lives() {
    for profile in PROFILES {
        let (mut tx, mut rx) = pair(profile);
        let sealed = protect(&mut tx, &rtp(5, 100, b"twenty bytes of voice")).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unprotect(&mut rx, &damaged).is_err(), "{profile:?} bit {bit}");
            assert_eq!(rx.ssrc_counts(), (0, 0), "nothing is learnt from a forgery");
        }
        assert!(unprotect(&mut rx, &sealed).is_ok());
        let report = [0x80, 201, 0, 1, 0, 0, 0, 5, 0x81, 206, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6];
        let sealed = protect_rtcp(&mut tx, &report);
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unprotect_rtcp(&mut rx, &damaged).is_err(), "{profile:?} bit {bit}");
        }
        assert_eq!(unprotect_rtcp(&mut rx, &sealed).unwrap(), report);
        assert_eq!(unprotect_rtcp(&mut rx, &sealed), Err(SrtpError::Replay));
    }
}

/// Indices around the first and the second turn of the sequence number, with two jumps between.
fn turns() -> impl Iterator<Item = u64> {
    (65_000..66_000).chain([90_000, 120_000]).chain(130_600..131_600)
}

#[test]
fn each_packet_opens_once_under_loss_reorder_and_roll_over() {
    for profile in PROFILES {
        for seed in 0..4 {
            let (mut tx, mut rx) = pair(profile);
            let mut random = Random::new(seed);
            let mut flight: Vec<(u64, Vec<u8>)> = Vec::new();
            let (mut opened, mut before) = (0, 65_000);
            for index in turns() {
                if index > before + 1 {
                    // reordering over a jump would be older than the window
                    for (_, sealed) in flight.drain(..) {
                        unprotect(&mut rx, &sealed).unwrap();
                    }
                }
                before = index;
                let sealed = protect(&mut tx, &rtp(9, index as u16, &index.to_be_bytes())).unwrap();
                if random.below(10) == 0 && index % 1000 > 0 {
                    continue; // lost, but for the jumps
                }
                flight.push((index, sealed));
                if flight.len() > random.below(64) as usize && index > 65_000 {
                    let (index, sealed) = flight.swap_remove(random.below(flight.len() as u64) as usize);
                    match unprotect(&mut rx, &sealed) {
                        Ok(plain) => assert_eq!(plain[12..], index.to_be_bytes()),
                        Err(error) => panic!("{profile:?} seed {seed} index {index}: {error}"),
                    }
                    assert_eq!(unprotect(&mut rx, &sealed), Err(SrtpError::Replay));
                    opened += 1;
                }
            }
            assert!(opened > 1500, "{opened}");
        }
    }
}

#[test]
fn a_packet_behind_the_window_is_a_replay() {
    for profile in PROFILES {
        let (mut tx, mut rx) = pair(profile);
        let sealed: Vec<_> =
            (0..=WINDOW).map(|index| protect(&mut tx, &rtp(1, 100 + index as u16, b"x")).unwrap()).collect();
        unprotect(&mut rx, &sealed[WINDOW as usize]).unwrap();
        assert_eq!(unprotect(&mut rx, &sealed[0]), Err(SrtpError::Replay));
        assert!(unprotect(&mut rx, &sealed[1]).is_ok(), "the oldest inside");
    }
}

#[test]
fn an_index_is_never_used_twice_to_send() {
    for profile in PROFILES {
        let (mut tx, _) = pair(profile);
        for sequence in [10, 12, 11] {
            protect(&mut tx, &rtp(1, sequence, b"x")).unwrap();
        }
        assert_eq!(protect(&mut tx, &rtp(1, 11, b"y")), Err(SrtpError::Replay));
        assert!(protect(&mut tx, &rtp(2, 11, b"y")).is_ok(), "another source counts by itself");
    }
}

#[test]
fn gathering_gives_the_same_packet() {
    for profile in PROFILES {
        let (mut tx, mut other) = pair(profile);
        for payload in [&b""[..], b"a", &[7; 1200]] {
            let packet = rtp(3, 500 + payload.len() as u16, payload);
            let mut out = [&packet[..12], &vec![0xEE; payload.len() + RTP_OVERHEAD][..]].concat();
            let length = tx.protect_rtp_from(&mut out, 12, payload).unwrap();
            assert_eq!(out[..length], protect(&mut other, &packet).unwrap());
        }
        assert!(matches!(tx.protect_rtp_from(&mut [0x80; 64], 16, b"x"), Err(SrtpError::Malformed(_))));
        assert_eq!(tx.protect_rtp_from(&mut [0x80; 20], 12, b"x"), Err(SrtpError::NoRoom));
    }
}

#[test]
fn sources_are_capped() {
    for profile in PROFILES {
        let (mut tx, mut rx) = pair(profile);
        for ssrc in 0..MAX_SSRCS as u32 {
            let sealed = protect(&mut tx, &rtp(ssrc, 1, b"x")).unwrap();
            unprotect(&mut rx, &sealed).unwrap();
        }
        assert_eq!(protect(&mut tx, &rtp(9999, 1, b"x")), Err(SrtpError::TooManySsrcs));
        let sealed = protect(&mut pair(profile).0, &rtp(9999, 1, b"x")).unwrap();
        assert_eq!(unprotect(&mut rx, &sealed), Err(SrtpError::TooManySsrcs));
        let known = protect(&mut tx, &rtp(17, 2, b"x")).unwrap();
        assert!(unprotect(&mut rx, &known).is_ok(), "known sources go on");
    }
}

#[test]
fn what_is_no_srtp_is_malformed() {
    for profile in PROFILES {
        let (mut tx, mut rx) = pair(profile);
        for length in 0..12 + profile.rtp_overhead() {
            assert!(
                matches!(rx.unprotect_rtp(&mut vec![0x80; length]), Err(SrtpError::Malformed(_))),
                "{length}"
            );
        }
        for length in 0..8 + profile.rtcp_overhead() {
            assert!(
                matches!(rx.unprotect_rtcp(&mut vec![0x80; length]), Err(SrtpError::Malformed(_))),
                "{length}"
            );
        }
        // RFC 3711 §3.4: E = 0 is an unencrypted packet, which WebRTC has not
        let mut sealed = protect_rtcp(&mut tx, &[0x80, 201, 0, 1, 0, 0, 0, 5]);
        let word = sealed.len() - if profile == Profile::AeadAes128Gcm { 4 } else { 14 };
        sealed[word] &= 0x7F;
        assert!(matches!(unprotect_rtcp(&mut rx, &sealed), Err(SrtpError::Malformed(_))));
        assert_eq!(tx.protect_rtp(&mut rtp(1, 1, b"no room"), 19), Err(SrtpError::NoRoom));
        assert_eq!(tx.protect_rtp(&mut [0x80; 20], 40), Err(SrtpError::NoRoom));
        assert!(Context::new(profile, &[0; 29]).is_err());
    }
    assert_eq!(Profile::from_openssl_name("SRTP_AES128_CM_SHA1_32"), None);
}

#[test]
fn a_context_knows_its_key() {
    let context = Context::new(Profile::AeadAes128Gcm, &[3; 28]).unwrap();
    assert!(context.is_from(Profile::AeadAes128Gcm, &[3; 28]));
    assert!(!context.is_from(Profile::AeadAes128Gcm, &[4; 28]));
    assert!(!context.is_from(Profile::Aes128CmSha1_80, &[3; 30]));
    assert!(!format!("{context:?}").contains('3'), "no key in a log");
}

#[test]
fn rtp_and_rtcp_keys_differ() {
    let master = [3; 28];
    let derive = |label| SessionKeys::derive(Profile::AeadAes128Gcm, &[3; 16], &master[16..], label);
    let seal = |keys: SessionKeys| {
        let mut packet = rtp(1, 1, &[0; 32]);
        keys.seal_rtp(&mut packet, 12, 1, 1);
        packet
    };
    assert_ne!(seal(derive(LABEL_RTP)), seal(derive(LABEL_RTCP)));
}
