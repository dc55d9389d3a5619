//! In a big room the loudest are heard, from their first word to their last, and nobody else costs anything.

mod support;

use std::time::Duration;

use _dataplane::command::{Command, Kind};
use _dataplane::units::Time;
use support::inbound::Got;
use support::{CLEAN, Net};

const MICROPHONES: u64 = 12;
const SPEECH: u8 = 15;
const SILENCE: u8 = 100;

/// Twelve people, each with a microphone (producer = session), and a listener (the last peer) to all of them.
fn room(audio_last_n: usize) -> Net {
    let mut net = Net::with_last_n(1, CLEAN, audio_last_n);
    for session in 1..=MICROPHONES {
        let peer = net.connect(session);
        net.publish(peer, session, Kind::Audio, "0", &[]);
        net.peers[peer].track(Kind::Audio, "0", None);
        net.peers[peer].tracks[0].audio_level = SILENCE;
    }
    let listener = net.connect(MICROPHONES + 1);
    for producer in 1..=MICROPHONES {
        net.subscribe(listener, 100 + producer, Kind::Audio, Some(producer));
    }
    net
}

fn level(net: &mut Net, producer: u64, level: u8) {
    net.peers[producer as usize - 1].tracks[0].audio_level = level;
}

/// What the listener got of a microphone since `from`.
fn got(net: &Net, producer: u64, from: Time) -> Vec<Got> {
    let inbound = &net.peers[MICROPHONES as usize].inbound[producer as usize - 1];
    inbound.got.values().filter(|got| got.at > from).cloned().collect()
}

#[test]
fn three_who_speak_are_heard_and_the_silent_are_not() {
    let mut net = room(3);
    (1..=3).for_each(|producer| level(&mut net, producer, SPEECH));
    net.run_ms(3000);
    let from = net.now;
    net.run_ms(1000);
    let counts: Vec<usize> = (1..=MICROPHONES).map(|producer| got(&net, producer, from).len()).collect();
    assert!(counts[..3].iter().all(|count| (49..=51).contains(count)), "{counts:?}");
    assert!(counts[3..].iter().all(|count| *count == 0), "{counts:?}");
}

#[test]
fn a_word_is_whole_and_the_stream_has_no_gap() {
    let mut net = room(3);
    net.run_ms(500);
    level(&mut net, 1, SPEECH); // becomes the dominant speaker and stays so
    net.run_ms(2500);
    for _ in 0..3 {
        let offered = net.peers[6].tracks[0].offered;
        let from = net.now;
        level(&mut net, 7, SPEECH);
        net.run_ms(600);
        level(&mut net, 7, SILENCE);
        net.run_ms(4000);
        let word = got(&net, 7, from);
        let first = word[0].mark.unwrap().1;
        assert!(first <= offered + 1, "the first loud packet: {first} of {offered}");
        assert!(word[0].marker && !word[1].marker, "a talk spurt begins with a marker (RFC 3551 §4.1)");
        let ended = word.last().unwrap().at - from;
        let lasts = Duration::from_millis(2400)..Duration::from_millis(3200);
        assert!(lasts.contains(&ended), "0.6 s of speech and 2 s more: {ended:?}");
    }
    let inbound = &net.peers[MICROPHONES as usize].inbound[6];
    inbound.assert_continuous();
    let all: Vec<&Got> = inbound.got.values().collect();
    for pair in all.windows(2) {
        let packets = pair[1].mark.unwrap().1 - pair[0].mark.unwrap().1;
        let ticks = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert_eq!(u64::from(ticks), packets * 960, "the clock of the stream is the publisher's");
    }
    let first = got(&net, 1, Time::from_millis(3000));
    assert!(first.windows(2).all(|w| w[1].mark.unwrap().1 == w[0].mark.unwrap().1 + 1), "never cut");
}

#[test]
fn everybody_is_heard_where_all_are_asked_for_or_few_are_unmuted() {
    for (last_n, muted) in [(0, 0), (3, 3)] {
        let mut net = room(last_n);
        for producer in 1..=muted {
            net.command(Command::MuteProducer { producer, muted: true });
        }
        net.run_ms(500);
        let from = net.now;
        net.run_ms(400);
        assert!((muted + 1..=MICROPHONES).all(|producer| got(&net, producer, from).len() >= 19));
    }
}
