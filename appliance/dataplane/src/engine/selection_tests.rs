use super::*;

#[test]
fn the_window_remembers_what_was_left_out_and_forgets_the_rest() {
    let mut window = Window::begin(65_535);
    assert!(!window.was_left_out(0) && window.was_left_out(1), "what came before the beginning is missing");
    window.decide(0, true);
    assert_eq!(window.place(1), Some(0), "numbers wrap");
    assert_eq!((window.decided(2), window.decided(1), window.decided(0)), (Some(true), None, None));
    assert_eq!(window.place(0), Some(1));
    window.decide(1, false);
    assert!(window.was_left_out(1) && window.was_left_out(WINDOW));
    assert_eq!(window.place(200), Some(0));
    assert!((0..WINDOW).all(|behind| window.decided(behind).is_none()), "a jump forgets");
    assert_eq!((window.place(100), window.place(60)), (Some(100), None));
}

fn vp8(temporal: u8, switching_point: bool) -> FrameInfo {
    FrameInfo { temporal: Some(temporal), switching_point, starts_frame: true, ..FrameInfo::default() }
}

#[test]
fn temporal_layers_of_vp8_fall_at_once_and_rise_where_the_stream_allows_it() {
    let mut selection = Selection { wanted_temporal: 0, ..Selection::default() };
    selection.restart();
    let mut judge = |wanted: u8, info: FrameInfo| {
        selection.wanted_temporal = wanted;
        selection.judge(Codec::Vp8, &info, 0, None) != Verdict::LeaveOut
    };
    assert!(judge(0, vp8(0, true)) && !judge(0, vp8(1, true)));
    assert!(!judge(2, vp8(2, false)), "it refers to what was left out");
    assert!(judge(2, vp8(1, true)) && !judge(2, vp8(2, false)) && judge(2, vp8(2, true)));
    assert!(judge(2, vp8(2, false)), "and goes on");
    assert!(!judge(1, vp8(2, true)) && judge(1, vp8(1, false)));
    assert!(judge(2, FrameInfo { key_frame: true, ..vp8(0, true) }) && judge(2, vp8(2, false)));
}

#[test]
fn a_source_without_layers_passes_whole() {
    let mut selection = Selection { wanted_spatial: 0, wanted_temporal: 0, ..Selection::default() };
    selection.restart();
    for codec in [Codec::H264, Codec::Av1, Codec::Other] {
        assert_eq!(selection.judge(codec, &FrameInfo::default(), 0, None), Verdict::Forward(false));
    }
    assert!(!selection.needs_key_frame(None));
    assert_eq!(selection.sent_targets(None), None);
}
