use super::*;

fn key_frames(codec: Codec, payload: &[u8]) -> bool {
    inspect_untrusted(codec, payload, None).expect("well-formed").key_frame
}

#[test]
fn formats_name_their_codec() {
    assert_eq!(Codec::from_format("h264/42e01f/1"), Codec::H264);
    assert_eq!(Codec::from_format("vp9/0"), Codec::Vp9);
    assert_eq!(Codec::from_format("flexfec-03"), Codec::Other);
}

#[test]
fn vp8_descriptors_are_read_in_every_width() {
    let plain = vp8::Descriptor::parse_untrusted(&[0x10, 0x00]).expect("plain");
    assert_eq!((plain.length, plain.picture_id, plain.starts_frame), (1, None, true));
    // X, I with 15 bits, L, T with tid 2 and Y.
    let full = [0x90, 0xe0, 0x92, 0x34, 0x07, 0xa0, 0x01];
    let read = vp8::Descriptor::parse_untrusted(&full).expect("full");
    assert_eq!((read.length, read.picture_id, read.tl0_pic_idx), (6, Some(0x1234), Some(7)));
    assert_eq!((read.temporal, read.layer_sync), (Some(2), true));
    assert!(!read.info(&full).key_frame, "P = 1 is an inter frame");
    let narrow = vp8::Descriptor::parse_untrusted(&[0x90, 0x80, 0x45, 0x00]).expect("narrow");
    assert_eq!((narrow.picture_id, narrow.wide_picture_id, narrow.length), (Some(0x45), false, 3));
    for cut in 0..5 {
        assert_eq!(vp8::Descriptor::parse_untrusted(&full[..cut]), None, "cut at {cut}");
    }
}

#[test]
fn vp8_key_frames_start_partition_zero_with_p_cleared() {
    assert!(key_frames(Codec::Vp8, &[0x10, 0x50, 0x9d]));
    assert!(!key_frames(Codec::Vp8, &[0x10, 0x51]));
    assert!(!key_frames(Codec::Vp8, &[0x00, 0x50]), "a later packet of the frame");
    assert!(!key_frames(Codec::Vp8, &[0x11, 0x50]), "another partition");
}

#[test]
fn vp8_counters_are_rewritten_in_place() {
    let mut payload = [0x90, 0xe0, 0x92, 0x34, 0x07, 0x00, 0xee];
    let descriptor = vp8::Descriptor::parse_untrusted(&payload).expect("full");
    descriptor.rewrite(&mut payload, 0x7fff, 255);
    let again = vp8::Descriptor::parse_untrusted(&payload).expect("still whole");
    assert_eq!((again.picture_id, again.tl0_pic_idx, payload[6]), (Some(0x7fff), Some(255), 0xee));
    let mut narrow = [0x90, 0x80, 0x45, 0x00];
    vp8::Descriptor::parse_untrusted(&narrow).expect("narrow").rewrite(&mut narrow, 0x1ff, 9);
    assert_eq!(narrow, [0x90, 0x80, 0x7f, 0x00]);
}

#[test]
fn vp9_key_frames_are_unpredicted_lowest_layers() {
    assert!(key_frames(Codec::Vp9, &[0x88, 0x05, 0xaa])); // I, B
    assert!(!key_frames(Codec::Vp9, &[0xc8, 0x05]), "P");
    assert!(!key_frames(Codec::Vp9, &[0x84, 0x05]), "not the first packet");
    // I (15 bits), L, B; tid 1, U, sid 2, D; tl0picidx.
    let layered = [0xa8, 0x81, 0x02, 0x35, 0x09];
    let read = vp9::Descriptor::parse_untrusted(&layered).expect("layered");
    assert_eq!((read.picture_id, read.temporal, read.spatial), (Some(0x102), Some(1), Some(2)));
    assert!(read.switching_up && read.inter_layer && read.tl0_pic_idx == Some(9));
    assert!(!read.info().key_frame, "an upper spatial layer cannot start a decoder");
    for cut in 0..5 {
        assert_eq!(vp9::Descriptor::parse_untrusted(&layered[..cut]), None);
    }
}

#[test]
fn h264_key_frames_are_found_alone_in_aggregates_and_in_fragments() {
    assert!(key_frames(Codec::H264, &[0x67, 0x42]));
    assert!(key_frames(Codec::H264, &[0x65, 0x88]));
    assert!(!key_frames(Codec::H264, &[0x41, 0x9a]));
    assert!(key_frames(Codec::H264, &[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68]));
    assert!(!key_frames(Codec::H264, &[0x78, 0, 1, 0x68]));
    assert!(key_frames(Codec::H264, &[0x7c, 0x85, 0x00]), "FU-A start of an IDR");
    assert!(!key_frames(Codec::H264, &[0x7c, 0x05, 0x00]), "FU-A middle of an IDR");
    assert_eq!(inspect_untrusted(Codec::H264, &[0x78, 0, 9, 0x67], None), None, "unit past the end");
    assert_eq!(inspect_untrusted(Codec::H264, &[0x7c], None), None);
}

#[test]
fn av1_key_frames_begin_a_coded_video_sequence() {
    assert!(key_frames(Codec::Av1, &[0x18, 0x0a]));
    assert!(!key_frames(Codec::Av1, &[0x10, 0x32]));
    assert_eq!(inspect_untrusted(Codec::Av1, &[0x88], None), None, "Z with N");
}

#[test]
fn vp9_counters_are_shifted_in_the_width_that_they_have() {
    let mut wide = [0xa8, 0xff, 0xfe, 0x35, 0xfe];
    assert_eq!(counters(Codec::Vp9, &wide), Some((0x7ffe, 0xfe)));
    assert_eq!(shift_counters(Codec::Vp9, &mut wide, 3, 4), Some((0x8001, 2)));
    assert_eq!(counters(Codec::Vp9, &wide), Some((1, 2)));
    let mut narrow = [0x98, 0x7f]; // flexible mode: no TL0PICIDX
    assert_eq!(shift_counters(Codec::Vp9, &mut narrow, 2, 9), Some((0x81, 9)));
    assert_eq!(narrow, [0x98, 0x01]);
    assert_eq!(counters(Codec::Vp9, &[0x08, 0x00]), None, "no picture id");
    assert_eq!(shift_counters(Codec::H264, &mut [0x65, 0x88], 1, 1), None);
}

#[test]
fn descriptors_say_where_frames_of_av1_begin_and_end() {
    let inspect =
        |payload: &[u8], dd: &[u8]| inspect_untrusted(Codec::Av1, payload, Some(dd)).expect("well-formed");
    let key = inspect(&[0x10], &[0x85, 1, 2, 0x80]);
    assert_eq!(
        (key.key_frame, key.starts_frame, key.ends_frame, key.number),
        (true, true, false, Some(0x102))
    );
    let inside = inspect(&[0x18], &[0x05, 1, 2]);
    assert!(!inside.key_frame, "N within a frame");
    assert!(inspect(&[0x90], &[0x45, 1, 2]).ends_frame);
    assert_eq!(inspect(&[0x18], &[0x85, 1]).number, None, "cut short");
}

#[test]
fn random_payloads_never_panic_and_rewrites_stay_inside() {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    for _ in 0..200_000 {
        let length = usize::from(next() % 24);
        let mut payload: Vec<u8> = (0..length).map(|_| next()).collect();
        let dd: Vec<u8> = (0..next() % 20).map(|_| next()).collect();
        for codec in [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::Other]
        {
            let _ = inspect_untrusted(codec, &payload, Some(&dd));
        }
        if let Some(descriptor) = vp8::Descriptor::parse_untrusted(&payload) {
            assert!(descriptor.length <= payload.len());
            descriptor.rewrite(&mut payload, 0x1234, 5);
            let again = vp8::Descriptor::parse_untrusted(&payload).expect("same shape");
            assert_eq!((again.length, again.temporal), (descriptor.length, descriptor.temporal));
        }
    }
}
