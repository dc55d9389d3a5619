//! Fuzzing of every parser of a stranger's bytes: valid packets, mutated at random from a seed, must never panic, loop or
//! give more than their length allows.
//!
//! As an ordinary test each target runs a fixed number of inputs. For longer, by hand, with other seeds each time:
//!
//! ```text
//! PARLEY_FUZZ_SECONDS=600 cargo test --test fuzz -- --nocapture  # of processor time; not --release: overflow checks stay on
//! PARLEY_FUZZ_SEED=… cargo test --test fuzz TARGET  # repeats what a failure printed
//! ```

#[path = "support/fuzzing.rs"]
mod fuzzing;

use std::time::Duration;

use _dataplane::codec::dependency_descriptor::{self, Structure};
use _dataplane::codec::{self, Codec};
use _dataplane::engine::scalability::Scalability;
use _dataplane::engine::selection::Selection;
use _dataplane::nack::LossTracker;
use _dataplane::rtcp::{self, Packet};
use _dataplane::rtp::{self, HeaderBuilder, RtpView};
use _dataplane::srtp::{Context, Profile};
use _dataplane::stun;
use _dataplane::transport_feedback::{ArrivalLog, Feedback};
use _dataplane::units::Time;
use fuzzing::{LONGEST, Random, fuzz};

fn written(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut out = vec![0; LONGEST];
    let length = write(&mut out);
    out.truncate(length);
    out
}

fn rtp_packets() -> Vec<Vec<u8>> {
    let lists: [&[(u8, &[u8])]; 4] = [
        &[],
        &[(1, &[0x80])],
        &[(1, &[5]), (3, &[1, 2]), (4, b"mid"), (10, &[0; 16])],
        &[(200, &[7; 40]), (1, &[])],
    ];
    let packet = |extensions| {
        let builder = HeaderBuilder {
            payload_type: 96,
            marker: true,
            sequence: 65_535,
            timestamp: 3000,
            ssrc: 0xCAFE_BABE,
            padding: false,
            extensions,
        };
        let mut packet = written(|out| builder.write(out).expect("room"));
        packet.extend([0x90, 0x80, 0x81, 0x23, 7, 0x60, 0x10, 2, 0, 0x9D, 1, 0x2A, 0, 5, 0xD0, 2]);
        packet
    };
    let mut packets: Vec<_> = lists.into_iter().map(packet).collect();
    let mut padded = packets[2].clone();
    padded[0] |= 0x20;
    padded.extend([0, 0, 0, 4]);
    packets.push(padded);
    packets
}

#[test]
fn rtp_headers() {
    fuzz(&rtp_packets(), |input| {
        let (header, view) = (rtp::header_len_untrusted(input), RtpView::parse_untrusted(input));
        let Ok(view) = view else { return };
        assert_eq!(header, Ok(view.header_len()));
        assert_eq!(view.header_len() + view.payload().len() + view.padding_len(), input.len());
        let elements: Vec<_> = view.extensions().collect();
        assert!(elements.iter().map(|(_, data)| data.len() + 1).sum::<usize>() <= input.len());
        for &(id, _) in &elements {
            assert_eq!(
                view.extension(id),
                elements.iter().find(|element| element.0 == id).map(|element| element.1)
            );
        }
        // what was read can be written, and reads the same
        let builder = HeaderBuilder {
            payload_type: view.payload_type(),
            marker: view.marker(),
            sequence: view.sequence(),
            timestamp: view.timestamp(),
            ssrc: view.ssrc(),
            padding: false,
            extensions: &elements,
        };
        let mut out = [0; 2 * LONGEST];
        let length = builder.write(&mut out).expect("room for twice the input");
        let again = RtpView::parse_untrusted(&out[..length]).expect("our own header");
        assert_eq!(again.extensions().collect::<Vec<_>>(), elements);
    });
}

#[test]
fn stun_messages() {
    let (id, mapped) = ([7; 12], "[2001:db8::1]:9".parse().expect("an address"));
    let corpus = [
        written(|out| stun::write_request(out, &id, "abcd:efgh", 1, 2, true, b"password").expect("room")),
        written(|out| stun::write_success(out, &id, mapped, b"password").expect("room")),
        written(|out| stun::write_error(out, &id, 420, "no", &[0x7FFE], Some(b"password")).expect("room")),
    ];
    fuzz(&corpus, |input| {
        // a second try with a right FINGERPRINT-less length, else the checksum shields everything behind it
        let mut relaxed = input.to_vec();
        relaxed.truncate(relaxed.len().saturating_sub(8) / 4 * 4);
        if let Ok(length) = u16::try_from(relaxed.len().saturating_sub(20))
            && relaxed.len() >= 20
        {
            relaxed[2..4].copy_from_slice(&length.to_be_bytes());
        }
        for bytes in [input, &relaxed] {
            if let Ok(message) = stun::Message::parse_untrusted(bytes) {
                let attributes: usize = message.attributes().map(|(_, value)| value.len() + 4).sum();
                assert!(attributes <= bytes.len());
                let _ = (message.verify(b"password"), message.xor_mapped_address(), message.error_code());
            }
            if let Ok(request) = stun::parse_request_untrusted(bytes) {
                assert!(request.username.starts_with(request.local_ufrag()));
                assert!(request.username.ends_with(request.remote_ufrag()));
            }
        }
    });
}

fn feedback_packet() -> Vec<u8> {
    let mut log = ArrivalLog::new();
    for step in 0..300u16 {
        if step % 5 != 0 {
            log.on_packet(
                Time(1_000_000 + u64::from(step) * u64::from(step) * 40),
                65_400u16.wrapping_add(step),
            );
        }
    }
    written(|out| log.build(out, 1, 2).expect("room"))
}

#[test]
fn rtcp_compounds() {
    let block = rtcp::ReportBlock { ssrc: 3, fraction_lost: 9, cumulative_lost: -4, ..Default::default() };
    let corpus = [
        written(|out| rtcp::sender_report(out, 1, 2, 3, 4, 5, &[block; 2]).expect("room")),
        written(|out| rtcp::receiver_report(out, 1, &[block]).expect("room")),
        written(|out| rtcp::nack(out, 1, 2, &[65_535, 0, 9, 40]).expect("room")),
        written(|out| rtcp::remb(out, 1, 1 << 50, &[1, 2]).expect("room")),
        written(|out| rtcp::fir(out, 1, 2, 3).expect("room")),
        written(|out| rtcp::bye(out, &[1, 2]).expect("room")),
        written(|out| rtcp::sdes_cname(out, 1, "cname").expect("room")),
        feedback_packet(),
    ];
    fuzz(&corpus, |input| {
        let mut read = 0;
        for packet in rtcp::parse_untrusted(input) {
            read += 1;
            match packet {
                Ok(Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. }) => {
                    assert!(blocks.iter().count() == blocks.len() && blocks.len() <= 31);
                    assert!(
                        blocks.iter().all(|block| (-0x80_0000..0x80_0000).contains(&block.cumulative_lost))
                    );
                }
                Ok(Packet::Nack { lost, .. }) => assert!(lost.iter().count() * 4 <= input.len() * 17),
                Ok(Packet::Bye { ssrcs } | Packet::Remb { ssrcs, .. }) => {
                    assert!(ssrcs.iter().count() * 4 <= input.len())
                }
                Ok(Packet::Fir { entries, .. }) => assert!(entries.iter().count() * 8 <= input.len()),
                Ok(Packet::TransportFeedback { body, .. }) => check_feedback(body),
                Ok(_) | Err(_) => {}
            }
        }
        assert!(read * 4 <= input.len() + 4);
    });
}

fn check_feedback(body: &[u8]) {
    let Some(feedback) = Feedback::parse_untrusted(body) else { return };
    let announced = feedback.len();
    let mut statuses = 0;
    for (_, arrival) in feedback {
        statuses += 1;
        // 24 bits of 64 ms and 65535 deltas of at most 8.2 s: some years, far from any overflow
        assert!(arrival.is_none_or(|at| at.abs() < 1 << 50));
    }
    assert!(statuses <= announced);
}

#[test]
fn transport_feedback_bodies() {
    let body = feedback_packet()[12..].to_vec();
    let runs = [[0, 1, 0xFF, 0xFF, 0x80, 0, 0, 9], [0x3F, 0xFF, 0x5F, 0xFF, 0x9F, 0xFF, 0xFF, 0xFF]].concat();
    fuzz(&[body, runs], check_feedback);
}

#[test]
fn codec_payloads() {
    let corpus = [
        vec![0x90, 0xE0, 0x81, 0x23, 7, 0x60, 0x10, 2, 0, 0x9D, 1, 0x2A, 0, 5, 0xD0, 2],
        vec![0xBA, 0x81, 0x23, 0x34, 9, 0x3B, 1, 0x40, 0, 0xB4, 2, 0x14, 0x28, 1, 2, 3],
        vec![24, 0, 4, 0x67, 0x42, 0xE0, 0x1F, 0, 3, 0x68, 1, 2, 0, 2, 0x65, 0x88],
        vec![0x7C, 0x85, 0x88, 1, 2, 3],
        vec![0x18, 0x0A, 0x0B, 0, 0, 0, 1],
    ];
    // a template structure of two temporal layers, among other bits
    let descriptor = [0xC0, 0, 1, 0x80, 0x01, 0x41, 0x4A, 0xA8, 0x50, 0x52];
    let mut random = Random(5);
    fuzz(&corpus, |input| {
        let descriptor = random.mutate(&descriptor, input);
        for codec in [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Other]
        {
            for descriptor in [None, Some(&descriptor[..])] {
                if let Some(info) = codec::inspect_untrusted(codec, input, descriptor) {
                    assert!(info.temporal.unwrap_or(0) <= 7 && info.spatial.unwrap_or(0) <= 7);
                    assert!(!info.key_frame || info.starts_frame, "{codec:?} {info:?}");
                }
            }
        }
        if let Some(vp8) = codec::vp8::Descriptor::parse_untrusted(input) {
            let mut rewritten = input.to_vec();
            vp8.rewrite(&mut rewritten, 0x5A5A, 0xA5);
            let again = codec::vp8::Descriptor::parse_untrusted(&rewritten).expect("the same shape");
            assert_eq!((again.length, again.temporal), (vp8.length, vp8.temporal));
            assert_eq!(
                again.picture_id,
                vp8.picture_id.map(|_| if vp8.wide_picture_id { 0x5A5A } else { 0x5A })
            );
            assert_eq!(again.tl0_pic_idx, vp8.tl0_pic_idx.map(|_| 0xA5));
        }
    });
}

#[test]
fn redundant_sound() {
    let two_older = vec![0xEF, 15, 0, 3, 0xEF, 7, 0x80, 2, 0x6F, 1, 1, 1, 2, 2, 3, 3, 3];
    fuzz(&[two_older, vec![0x6F, 3, 3, 3]], |input| {
        let Some(headers) = codec::red::Headers::parse_untrusted(input) else { return };
        assert!(headers.primary > 0 && headers.primary < input.len() && headers.payload_type < 128);
        let mut renamed = input.to_vec();
        headers.rename(&mut renamed, 0x55);
        let again = codec::red::Headers::parse_untrusted(&renamed).expect("the same shape");
        assert_eq!((again.payload_type, again.primary), (0x55, headers.primary));
        assert_eq!(renamed[headers.primary..], input[headers.primary..]);
    });
}

#[test]
fn dependency_descriptors() {
    let corpus = [
        // three temporal layers with a chain and a resolution, as an attached structure; then deltas of it
        vec![
            0xFC, 0x01, 0x02, 0x87, 0x82, 0x17, 0xAA, 0xA1, 0x81, 0x4D, 0x14, 0x08, 0x21, 0x0C, 0x09, 0xFC,
            0x05, 0x9C,
        ],
        vec![0xBF, 1, 3],
        vec![0xFD, 0x00, 0x09, 0x7A, 0x25, 0x28, 0x13, 0x00, 0x70, 0x24],
        // two spatial layers, and bits that ask for everything
        vec![0xC0, 0, 1, 0x80, 0x01, 0x41, 0x4A, 0xA8, 0x50, 0x52],
        vec![0xFF; 255],
    ];
    let mut structure = Structure::default();
    assert!(dependency_descriptor::parse_untrusted(&corpus[0], &mut structure).is_some());
    assert!(dependency_descriptor::parse_untrusted(&corpus[2], &mut structure).is_some());
    let mut scalability = Scalability::default();
    let mut selection = Selection::default();
    let mut now = Time(1);
    fuzz(&corpus, |input| {
        let before = structure.clone();
        let read = dependency_descriptor::parse_untrusted(input, &mut structure);
        match &read {
            Some(read) => {
                assert!(
                    read.frame.fdiffs.iter().count() <= 8
                        && read.frame.spatial < 4
                        && read.frame.temporal < 8
                );
                assert!((0..32).all(|target| structure.within(target) & !structure.all_targets() == 0));
                let mut out = [0; dependency_descriptor::MAX_LENGTH];
                let active = Some((1, structure.target_count()));
                if let Some(length) = dependency_descriptor::rewrite(input, 7, active, &mut out) {
                    let mut again = before.clone();
                    let other = dependency_descriptor::parse_untrusted(&out[..length], &mut again);
                    let other = other.expect("what we wrote");
                    assert_eq!((other.frame.number, other.active_targets, &again), (7, Some(1), &structure));
                    assert_eq!(other.frame.fdiffs, read.frame.fdiffs);
                }
            }
            None => assert_eq!(structure, before),
        }
        // and what forwarding makes of it
        now += Duration::from_millis(3);
        let payload = [0x18, 0x0A];
        let Some(mut info) = codec::inspect_untrusted(Codec::Av1, &payload, Some(input)) else { return };
        scalability.on_descriptor(input, &mut info);
        scalability.count(now, &info, input.len());
        let bytes = input.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        (selection.wanted_spatial, selection.wanted_temporal) = (bytes & 3, bytes >> 2 & 3);
        if bytes > 250 {
            selection.restart();
        }
        selection.judge(Codec::Av1, &info, u32::from(bytes), Some(&scalability));
        let _ = (selection.needs_key_frame(Some(&scalability)), selection.sent_targets(Some(&scalability)));
    });
}

#[test]
fn protected_packets() {
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
        let master = vec![9; profile.key_len()];
        let context = || Context::new(profile, &master).expect("the key is as long as the profile asks");
        let mut tx = context();
        let mut corpus: Vec<Vec<u8>> = Vec::new();
        for (sequence, packet) in (0u16..).zip(rtp_packets()) {
            let mut buf = [&packet[..], &[0; 16]].concat();
            buf[2..4].copy_from_slice(&sequence.to_be_bytes());
            let length = tx.protect_rtp(&mut buf, packet.len()).expect("an RTP packet");
            corpus.push(buf[..length].to_vec());
        }
        let mut report = [0x80, 201, 0, 1, 0, 0, 0, 7].to_vec();
        report.resize(28, 0);
        let length = tx.protect_rtcp(&mut report, 8).expect("an RTCP packet");
        corpus.push(report[..length].to_vec());
        let known = corpus.clone();
        let mut rx = context();
        fuzz(&corpus, |input| {
            // nothing but the very packets that were protected opens, each once
            let accepted = [
                rx.unprotect_rtp(&mut input.to_vec()).is_ok(),
                rx.unprotect_rtcp(&mut input.to_vec()).is_ok(),
                tx.protect_rtp(&mut input.to_vec(), input.len()).is_ok(),
            ];
            assert!(!(accepted[0] || accepted[1]) || known.iter().any(|packet| packet == input));
            assert!(!accepted[2], "no room for a tag");
        });
        assert_eq!(rx.ssrc_counts(), (1, 1));
    }
}

#[test]
fn sequence_numbers() {
    let corpus =
        [(0..200).flat_map(|step: u16| (step * 3).to_be_bytes()).collect::<Vec<u8>>(), vec![0xFF; 64]];
    fuzz(&corpus, |input| {
        let (mut tracker, mut log) = (LossTracker::new(90_000, true), ArrivalLog::new());
        let (mut nacks, mut out) = (Vec::new(), [0; 1500]);
        let mut now = Time(5_000_000);
        for pair in input.chunks_exact(2) {
            let sequence = u16::from_be_bytes([pair[0], pair[1]]);
            tracker.on_packet(now, sequence);
            tracker.on_timestamp(now, u32::from(sequence) << 16);
            log.on_packet(now, sequence);
            assert!(tracker.missing() <= 1000);
            now += Duration::from_millis(u64::from(pair[1]));
        }
        tracker.due_nacks(now, Duration::from_millis(u64::MAX >> 20), &mut nacks);
        assert!(nacks.len() <= 1000);
        tracker.report();
        let mut packets = 0;
        while let Some(length) = log.build(&mut out, 1, 2) {
            assert!(matches!(
                rtcp::parse_untrusted(&out[..length]).next(),
                Some(Ok(Packet::TransportFeedback { .. }))
            ));
            packets += 1;
            assert!(packets < 2000, "building must come to an end");
        }
    });
}
