//! REMB, the fall-back for receivers without transport-wide feedback, and what it does to the layers that they are sent.

mod support;

use std::time::Duration;

use _dataplane::rtcp;
use support::Net;
use support::meeting::{WIRED, meeting, video};

/// The subscriber tells what it thinks of its link, twice a second for so long.
fn told(net: &mut Net, bps: &[u64], ms: u64) {
    let index = net.peers.len() - 1;
    let ssrcs: Vec<_> = net.peers[index].inbound.iter().map(|i| i.ssrc).collect();
    for step in 0..ms / 500 {
        let bps = bps[(step as usize).min(bps.len() - 1)];
        let mut out = [0; 200];
        let len = rtcp::remb(&mut out, 1, bps, &ssrcs).unwrap();
        let sealed = net.peers[index].rtcp(&out[..len]);
        net.send(index, sealed);
        net.run(Duration::from_millis(500));
    }
}

fn layer(net: &mut Net) -> Option<u8> {
    video(net)[0].layer
}

#[test]
fn a_remb_that_falls_takes_the_picture_down_and_one_that_rises_up_again() {
    let mut net = meeting(100, WIRED, 50e6, 1);
    net.peers.last_mut().unwrap().arrivals = None;
    told(&mut net, &[600_000, 1_500_000, 3_500_000], 4_000);
    assert_eq!(layer(&mut net), Some(2), "nothing says that the link is full, not even a low beginning");
    told(&mut net, &[900_000], 1_500);
    assert_eq!(layer(&mut net), Some(1), "900 kbit/s");
    told(&mut net, &[300_000], 1_500);
    assert_eq!(layer(&mut net), Some(0), "300 kbit/s");
    told(&mut net, &[400_000, 900_000], 2_000);
    assert_eq!(layer(&mut net), Some(1), "900 kbit/s again");
    told(&mut net, &[1_300_000], 8_000);
    assert_eq!(layer(&mut net), Some(2), "ten seconds after the fall more is tried");
    told(&mut net, &[1_100_000], 15_000);
    assert_eq!(layer(&mut net), Some(1), "in vain, so for twice as long");
    told(&mut net, &[1_300_000], 8_000);
    assert_eq!(layer(&mut net), Some(2));
    net.peers.last().unwrap().inbound[0].assert_continuous();
}

#[test]
fn beside_transport_wide_feedback_it_is_ignored() {
    let mut net = meeting(101, WIRED, 50e6, 1);
    net.run_ms(4_000);
    assert_eq!(layer(&mut net), Some(2));
    told(&mut net, &[3_000_000, 200_000], 4_000);
    assert_eq!(layer(&mut net), Some(2));
}
