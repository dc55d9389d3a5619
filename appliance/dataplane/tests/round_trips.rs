//! The round trip to a client that only publishes, which reports nothing about us: known by its answers to our NACKs.

mod support;

use std::time::Duration;

use _dataplane::command::Kind;
use support::{CLEAN, Link, Net};

/// A publisher alone with a watcher, both on a link that loses 3 %: (round trip of the stats in ms, requests for packets,
/// packets of the publisher that were lost on their way, by estimate).
fn publish_over(seed: u64, delay_ms: u64) -> (f64, u64, f64) {
    let link = Link { loss: 0.03, delay: Duration::from_millis(delay_ms), ..CLEAN };
    let mut net = Net::new(seed, link);
    let publisher = net.connect(1);
    net.publish(publisher, 10, Kind::Video, "0", &[]);
    net.peers[publisher].track(Kind::Video, "0", None);
    let watcher = net.connect(2);
    net.subscribe(watcher, 10, Kind::Video, Some(10));
    net.run_ms(2000);
    let nacked = net.peers[publisher].nacked;
    let offered = net.peers[publisher].tracks[0].offered;
    net.run_ms(8000);
    let lost = (net.peers[publisher].tracks[0].offered - offered) as f64 * link.loss;
    let nacked = net.peers[publisher].nacked - nacked;
    let numbers = net.engine.snapshot(net.now, Default::default()).sessions;
    let rtt = numbers.into_iter().find(|s| s.session == 1).unwrap().rtt_ms;
    (rtt.expect("measured"), nacked, lost)
}

#[test]
fn answers_to_nacks_tell_the_round_trip_and_packets_are_asked_for_once() {
    for (seed, rtt) in [(1, 20u64), (2, 300)] {
        let (measured, nacked, lost) = publish_over(seed, rtt / 2);
        let error = measured - rtt as f64;
        assert!((0.0..=3.0).contains(&error), "{measured} ms of {rtt}");
        // requests and answers are lost too: 1 / 0.97² each; with the guess of 100 ms it were three at 300 ms
        let each = nacked as f64 / lost;
        assert!((0.8..1.4).contains(&each), "{rtt} ms: asked {each:.2} times for a packet");
        println!("{rtt} ms: measured {measured:.1}, asked {each:.2} times for a packet");
    }
}
