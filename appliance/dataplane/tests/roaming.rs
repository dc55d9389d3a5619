//! A client whose address changes is on another link: its estimate begins anew, whatever the one before was.

mod support;

use std::time::Duration;

use _dataplane::engine::path::Path;
use support::meeting::{WIRED, audio_lost, bottleneck, estimate, meeting, session, video};
use support::{Bottleneck, Link, Net, address, path};

const FAST: f64 = 5e6;
const SLOW: f64 = 500e3;

/// The subscriber goes over to another path, with a queue of its own.
fn roam(net: &mut Net, to: Path, bps: f64) {
    let index = net.peers.len() - 1;
    *bottleneck(net) = Bottleneck::new(bps);
    net.peers[index].path = to;
    net.check(index, true);
    assert_eq!(session(net).rtt_ms, None, "that of the other link");
}

fn paths(net: &Net) -> [Path; 2] {
    let home = net.peers.last().unwrap().path;
    [home, Path::Tcp { connection: 7, remote: address(999) }]
}

#[test]
fn from_a_fast_link_to_a_slow_one_and_back() {
    for seed in 0..3 {
        let link = Link { jitter: Duration::from_millis(3 * seed), ..WIRED };
        let mut net = meeting(80 + seed, link, FAST, 1);
        let [home, away] = paths(&net);
        net.run_ms(8_000);
        assert_eq!(video(&mut net)[0].layer, Some(2));

        roam(&mut net, away, SLOW);
        net.run_ms(1_500);
        let from = net.now;
        net.run_ms(8_500);
        let share = estimate(&mut net) / SLOW;
        assert!((0.80..=1.05).contains(&share), "{share:.2} of the slow link");
        let queue = bottleneck(&mut net).wait(from, 0.99);
        assert!(queue < Duration::from_millis(100), "queue {queue:?} (p99) from 1.5 s on");
        assert_eq!(audio_lost(&net, from), 0);
        let newest = net.peers.last().unwrap().inbound[0].got.values().next_back().unwrap().at;
        assert!(net.now - newest < Duration::from_millis(99), "and the picture goes on");

        roam(&mut net, home, FAST);
        net.run_ms(2_500);
        assert_eq!(video(&mut net)[0].layer, Some(2), "as soon as for somebody who joins");
        println!("slow: {share:.2}, queue {queue:?} p99; fast again: {:.0}", estimate(&mut net));
    }
}

#[test]
fn a_check_on_the_path_in_use_or_on_another_one_changes_nothing() {
    let mut net = meeting(90, WIRED, FAST, 1);
    net.run_ms(8_000);
    let (index, before) = (net.peers.len() - 1, estimate(&mut net));
    net.check(index, true);
    net.peers[index].path = path(address(999));
    net.check(index, false);
    net.peers[index].path = path(address(net.peers[index].session));
    assert!((estimate(&mut net) / before - 1.0).abs() < 0.01);
}
