//! The network between a client and the server: seeded loss and a constant delay, both ways, each client its own.
//!
//! Only media and RTCP get lost, so that who joins when is the same in every run. Rejected: the kernel's netem, which
//! many machines lack, and dropping whole GRO messages, which would lose a burst where networks lose packets.

use std::collections::VecDeque;
use std::time::Duration;

use _dataplane::units::Time;
use serde::Deserialize;

use crate::random::Random;

/// What the network does.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Share of datagrams lost in each direction, 0 to 1.
    pub loss: f64,
    /// One way; the round trip is twice that.
    pub delay_ms: u64,
}

impl Shape {
    /// One way.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

/// A datagram on its way.
pub struct Flight {
    /// Which client's.
    pub client: usize,
    /// Wall clock in microseconds when it left.
    pub at_us: u64,
    /// The bytes.
    pub datagram: Vec<u8>,
    due: Time,
}

/// One direction of all clients.
pub struct Link {
    /// Datagrams lost so far.
    pub dropped: u64,
    shape: Shape,
    random: Random,
    flights: VecDeque<Flight>, // in the order of their time, because the delay is the same for all
}

impl Link {
    /// With nothing on its way.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self { dropped: 0, shape, random: Random(seed), flights: VecDeque::new() }
    }

    /// Whether this datagram is lost here.
    pub fn loses(&mut self, datagram: &[u8]) -> bool {
        let media = datagram.first().is_some_and(|first| *first >= 128); // RFC 7983 §7
        let lost = media && self.shape.loss > 0.0 && self.random.share() < self.shape.loss;
        self.dropped += u64::from(lost);
        lost
    }

    /// Whether datagrams arrive the moment they leave: then none needs [`Link::push`].
    pub fn is_instant(&self) -> bool {
        self.shape.delay_ms == 0
    }

    /// A datagram leaves.
    pub fn push(&mut self, now: Time, client: usize, at_us: u64, datagram: Vec<u8>) {
        self.flights.push_back(Flight { client, at_us, datagram, due: now + self.shape.delay() });
    }

    /// When the next one arrives.
    pub fn next(&self) -> Time {
        self.flights.front().map_or(Time(u64::MAX), |flight| flight.due)
    }

    /// One that has arrived.
    pub fn pop(&mut self, now: Time) -> Option<Flight> {
        if self.next() <= now { self.flights.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_as_told_and_spares_the_handshake() {
        let mut link = Link::new(Shape { loss: 0.05, delay_ms: 0 }, 1);
        let lost = (0..100_000).filter(|_| link.loses(&[0x80; 100])).count();
        assert!((4_700..5_300).contains(&lost), "{lost}");
        assert_eq!(link.dropped, lost as u64);
        assert!((0..1000).all(|_| !link.loses(&[22; 100]) && !link.loses(&[0; 20])));
        let mut again = Link::new(Shape { loss: 0.05, delay_ms: 0 }, 1);
        assert_eq!((0..100_000).filter(|_| again.loses(&[0x80; 100])).count(), lost, "seeded");
    }

    #[test]
    fn what_leaves_arrives_after_the_delay_in_order() {
        let mut link = Link::new(Shape { loss: 0.0, delay_ms: 25 }, 1);
        link.push(Time(1000), 7, 5, vec![1]);
        link.push(Time(2000), 8, 6, vec![2]);
        assert_eq!(link.next(), Time(26_000));
        assert!(link.pop(Time(25_999)).is_none());
        let first = link.pop(Time(30_000)).unwrap();
        assert_eq!((first.client, first.at_us, first.datagram), (7, 5, vec![1]));
        assert_eq!(link.pop(Time(30_000)).unwrap().client, 8);
        assert_eq!(link.next(), Time(u64::MAX));
    }
}
