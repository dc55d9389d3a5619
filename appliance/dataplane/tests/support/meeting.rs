//! Meetings behind a bottleneck: cameras with three layers and microphones, and one subscriber to all of them.

use std::time::Duration;

use _dataplane::command::Kind;
use _dataplane::engine::snapshot::{ConsumerNumbers, SessionNumbers};
use _dataplane::units::Time;

use super::{Bottleneck, CLEAN, Link, Net};

/// A wired link.
pub const WIRED: Link = Link { delay: Duration::from_millis(25), ..CLEAN };
/// (packets in a frame, bytes in a packet) of three layers at 30 fps: about 150, 500 and 2000 kbit/s.
pub const LAYERS: [(&str, usize, usize); 3] = [("q", 1, 560), ("h", 2, 980), ("f", 8, 980)];

/// `cameras` publishers with three layers and a microphone, one subscriber (the last peer) to all of them behind a
/// bottleneck: video consumers 10, 20 …, audio 11, 21 ….
pub fn meeting(seed: u64, link: Link, bps: f64, cameras: u64) -> Net {
    meeting_of(seed, link, bps, cameras, &LAYERS)
}

/// The same with other layers; one without a name is no simulcast.
pub fn meeting_of(seed: u64, link: Link, bps: f64, cameras: u64, layers: &[(&str, usize, usize)]) -> Net {
    let rids: Vec<_> = layers.iter().map(|(rid, ..)| *rid).filter(|rid| !rid.is_empty()).collect();
    let mut net = Net::new(seed, link);
    for camera in 1..=cameras {
        let peer = net.connect(camera);
        net.publish(peer, camera * 10, Kind::Video, "0", &rids);
        net.publish(peer, camera * 10 + 1, Kind::Audio, "1", &[]);
        for &(rid, packets, bytes) in layers {
            let rid = Some(rid).filter(|rid| !rid.is_empty());
            let track = net.peers[peer].track(Kind::Video, "0", rid);
            let track = &mut net.peers[peer].tracks[track];
            (track.packets_per_frame, track.packet_bytes, track.key_frame_factor) = (packets, bytes, 5);
        }
        net.peers[peer].track(Kind::Audio, "1", None);
    }
    let subscriber = net.connect(cameras + 1);
    net.peers[subscriber].arrivals = Some(_dataplane::transport_feedback::ArrivalLog::new());
    net.bottlenecks.insert(subscriber, Bottleneck::new(bps));
    for camera in 1..=cameras {
        net.subscribe(subscriber, camera * 10, Kind::Video, Some(camera * 10));
        net.subscribe(subscriber, camera * 10 + 1, Kind::Audio, Some(camera * 10 + 1));
    }
    net
}

pub fn session(net: &mut Net) -> SessionNumbers {
    let id = net.peers.last().unwrap().session;
    let now = net.now;
    let sessions = net.engine.snapshot(now, Default::default()).sessions;
    sessions.into_iter().find(|s| s.session == id).unwrap()
}

pub fn estimate(net: &mut Net) -> f64 {
    session(net).estimate_bps.unwrap() as f64
}

pub fn video(net: &mut Net) -> Vec<ConsumerNumbers> {
    let now = net.now;
    let consumers = net.engine.snapshot(now, Default::default()).consumers;
    consumers.into_iter().filter(|c| c.consumer % 10 == 0).collect()
}

pub fn bottleneck(net: &mut Net) -> &mut Bottleneck {
    net.bottlenecks.values_mut().next().unwrap()
}

/// Sound that did not arrive since `from`, of what the newest arrival shows was sent.
pub fn audio_lost(net: &Net, from: Time) -> u64 {
    let inbound = net.peers.last().unwrap().inbound.iter().filter(|i| i.kind == Kind::Audio);
    inbound
        .map(|i| {
            let mut since = i.got.iter().filter(|(_, got)| got.at >= from).map(|(seq, _)| *seq);
            let first = since.next().expect("sound flows");
            let (last, more) = since.fold((first, 1), |(last, count), seq| (last.max(seq), count + 1));
            last + 1 - first - more
        })
        .sum()
}
