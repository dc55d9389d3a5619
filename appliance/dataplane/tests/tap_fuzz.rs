//! Fuzzing of what taps read, as tests/fuzz.rs does it: never a panic, nothing longer than what came, nothing unbounded.

#[path = "support/fuzzing.rs"]
mod fuzzing;

use std::sync::Arc;
use std::time::Duration;

use _dataplane::codec::{self, Codec, red::Headers};
use _dataplane::command::Kind;
use _dataplane::engine::formats::{FormatNames, PayloadSpec, PayloadTable};
use _dataplane::engine::timeline::NtpClock;
use _dataplane::nack::LossTracker;
use _dataplane::packet_cache::PacketCache;
use _dataplane::tap::Tap;
use _dataplane::tap::buffer::buffer;
use _dataplane::tap::follower::Source;
use _dataplane::tap::frame::Depacketiser;
use _dataplane::tap::picture::Arrived;
use _dataplane::tap::sound::Received;
use _dataplane::units::Time;
use fuzzing::{Random, fuzz};

const PICTURES: [Codec; 4] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];

fn payloads() -> Vec<Vec<u8>> {
    vec![
        vec![0x90, 0xE0, 0x81, 0x23, 7, 0x60, 0x10, 2, 0, 0x9D, 1, 0x2A, 0, 5, 0xD0, 2],
        vec![0x80, 0x80, 0x11, 3],
        vec![0xBA, 0x81, 0x23, 0x34, 9, 0x3B, 1, 0x40, 0, 0xB4, 2, 0x14, 0x28, 1, 2, 3],
        vec![0xFC, 0x81, 0x23, 2, 3, 5, 2, 1, 2, 3],
        vec![24, 0, 4, 0x67, 0x42, 0xE0, 0x1F, 0, 3, 0x68, 1, 2, 0, 2, 0x65, 0x88],
        vec![0x7C, 0x85, 0x88, 1, 2, 3],
        vec![0x7C, 0x45, 0x88, 1, 2, 3],
        vec![0x38, 1, 0x10, 3, 0x08, 0, 9, 0x30, 0x10, 7],
        vec![0x50, 0x30, 0x10, 7, 7],
        vec![0x80, 2, 8, 8, 3, 0x32, 1, 0x30],
    ]
}

#[test]
fn frames_of_pictures() {
    let mut frames = PICTURES.map(|codec| (Depacketiser::new(codec).unwrap(), 0));
    let mut random = Random(3);
    fuzz(&payloads(), |input| {
        for (frame, taken) in &mut frames {
            codec::begins_for_sure(frame.codec(), input);
            let failed = frame.push_untrusted(input).is_err();
            *taken += input.len();
            // start codes, parameter sets, sizes and indices are all that is added
            assert!(frame.frame().len() <= *taken * 5 + 5, "{:?}", frame.codec());
            if failed || random.below(3) == 0 {
                if !failed && frame.finish().is_ok() {
                    assert!(frame.frame().len() <= *taken * 5 + 5 + 8192, "{:?}", frame.codec());
                }
                frame.begin();
                *taken = 0;
            }
        }
    });
}

#[test]
fn blocks_of_sound() {
    let two_older = vec![0xEF, 15, 0, 3, 0xEF, 7, 0x80, 2, 0x6F, 1, 1, 1, 2, 2, 3, 3, 3];
    let mut received = Received::default();
    let mut rtp = 0;
    fuzz(&[two_older, vec![0x6F, 3, 3, 3]], |input| {
        if let Some(headers) = Headers::parse_untrusted(input) {
            let older: usize = headers.older(input).map(|(_, block)| block.len()).sum();
            assert_eq!(older + 4 * headers.older(input).count() + 1, headers.primary);
        }
        rtp += i64::from(input.first().copied().unwrap_or(0)) * 40 - 960;
        let mut bytes = 0;
        received.on_red_untrusted(rtp, input, 0x6F, |_, frame| bytes += frame.len());
        received.on_opus(rtp + 480, input, |_, frame| bytes += frame.len());
        assert!(bytes <= 2 * input.len());
    });
}

#[test]
fn packets_of_a_tapped_picture() {
    let mut names = FormatNames::default();
    let spec = |(payload_type, format): (u8, &str)| PayloadSpec {
        payload_type,
        format: format.into(),
        clock_rate: 90_000,
        rtx_payload_type: None,
    };
    let types = [(96, "vp8"), (97, "vp9/0"), (98, "h264/42e01f/1"), (99, "av1/0"), (111, "opus")];
    let formats = PayloadTable::new(&types.map(spec), &mut names);
    let (end, reader) = buffer(1 << 20);
    let mut tap = Tap::new(Time(0), 1, Kind::Video, false, Arc::clone(&end), NtpClock::new(0));
    let (mut cache, mut losses) = (PacketCache::new(), LossTracker::new(90_000, true));
    let (mut now, mut sequence, mut timestamp, mut generation) = (Time::from_millis(1000), 0u16, 0u32, 0);
    let mut random = Random(11);
    let mut frames = 0;
    fuzz(&payloads(), |input| {
        now += Duration::from_micros(random.next() % 20_000);
        sequence = sequence.wrapping_add(match random.below(30) {
            0 => random.next() as u16 % 200,
            1 => 0u16.wrapping_sub(random.next() as u16 % 50),
            _ => 1,
        });
        timestamp = timestamp.wrapping_add([0, 0, 3000, 3000, random.next() as u32][random.below(5)]);
        let payload_type = 96 + if random.below(20) == 0 { random.below(20) } else { frames / 50 % 4 } as u8;
        let mut packet = vec![0x80, payload_type | u8::from(random.below(3) == 0) << 7];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(input);
        let (_, seq) = losses.on_packet(now, sequence);
        cache.insert(now, seq, &packet[..packet.len().min(1500)]);
        if random.below(200) == 0 {
            generation += 1;
        }
        let codec = PICTURES[frames / 50 % 4];
        let key = codec::inspect_untrusted(codec, input, None).is_some_and(|info| info.key_frame);
        let highest = losses.highest();
        let source = |_| {
            let (cache, losses, formats) = (&cache, &losses, &formats);
            Some(Source { generation, highest, cache, losses, report: None, formats, orientation: 1 })
        };
        tap.on_picture(now, Arrived { layer: 0, generation, seq, key }, source);
        if random.below(20) == 0 {
            tap.tick(now, source);
        }
        if random.below(100) == 0 {
            tap.mute(now, random.below(2) == 0);
        }
        frames = tap.output.frames as usize;
        reader.take(|_| ());
    });
    assert!(frames > 50, "{frames} frames of what came");
}
