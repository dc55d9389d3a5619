//! The engine's numbers, as `_dataplane.pyi` promises them in `stats`.

use serde::Serialize;

use super::bandwidth::allocation::Grant;
use super::producer::LAYER_SILENT;
use super::{Counters, Engine};
use crate::units::Time;

#[derive(Serialize, Clone, Debug, Default)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct WorkerNumbers {
    pub worker: u32,
    pub port: u16,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub stun_in: u64,
    pub stun_rejected: u64,
    pub junk: u64,
    pub policed: u64,
    pub srtp_errors: u64,
    pub replayed: u64,
    pub unknown_ids: u64,
    pub sessions: usize,
    pub rooms: usize,
    pub send_drops: u64,
    pub cpu_s: f64,
    pub gso: bool,
}

#[derive(Serialize, Clone, Debug)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct SessionNumbers {
    pub session: u64,
    pub connected: bool,
    pub address: String,
    pub transport: &'static str,
    pub rtt_ms: Option<f64>,
    pub uplink_loss: f64,
    pub downlink_loss: f64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub policed: u64,
    pub nacks_sent: u64,
    pub nacks_received: u64,
    pub rtx_sent: u64,
    pub plis_sent: u64,
    pub plis_received: u64,
    pub estimate_bps: Option<u64>,
    pub allocated_bps: u64,
}

#[derive(Serialize, Clone, Debug)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct LayerNumbers {
    pub rid: String,
    pub ssrc: Option<u32>,
    pub packets: u64,
    pub bytes: u64,
    pub bitrate_bps: u64,
    pub lost: u64,
    pub flowing: bool,
    pub wanted: bool,
}

#[derive(Serialize, Clone, Debug)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct ProducerNumbers {
    pub producer: u64,
    pub layers: Vec<LayerNumbers>,
}

#[derive(Serialize, Clone, Debug)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct ConsumerNumbers {
    pub consumer: u64,
    pub producer: Option<u64>,
    pub layer: Option<u8>,
    pub packets: u64,
    pub bytes: u64,
    pub bitrate_bps: u64,
    pub rtx: u64,
    pub paused_by_estimate: bool,
}

#[derive(Serialize, Clone, Debug)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct TapNumbers {
    pub tap: u64,
    pub producer: u64,
    pub frames: u64,
    pub bytes: u64,
    pub dropped: u64,
}

/// Everything at one moment.
#[derive(Serialize, Clone, Debug, Default)]
#[allow(missing_docs)] // names of `_dataplane.pyi`, `stats`
pub struct Snapshot {
    pub workers: Vec<WorkerNumbers>,
    pub sessions: Vec<SessionNumbers>,
    pub producers: Vec<ProducerNumbers>,
    pub consumers: Vec<ConsumerNumbers>,
    pub taps: Vec<TapNumbers>,
}

impl Engine {
    /// What each flowing layer of a producer costs whoever gets it, in bits per second, headers below RTP left out.
    pub fn layer_costs(&mut self, now: Time, producer: u64) -> Vec<Option<f64>> {
        let Some(producer) = self.producers.key(producer).and_then(|key| self.producers.get_mut(key)) else {
            return Vec::new();
        };
        (0..producer.layer_count()).map(|layer| producer.layer_cost(now, layer, 0)?.0).collect()
    }

    /// The numbers now. `worker`: what the shell alone knows, its counters are filled in here. Allocates: once a second,
    /// not on the packet path.
    pub fn snapshot(&mut self, now: Time, worker: WorkerNumbers) -> Snapshot {
        let Counters {
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            stun_in,
            stun_rejected,
            junk,
            policed,
            srtp_errors,
            replayed,
            unknown_ids,
            send_drops,
        } = self.counters;
        let worker = WorkerNumbers {
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            stun_in,
            stun_rejected,
            junk,
            policed,
            srtp_errors,
            replayed,
            unknown_ids,
            send_drops,
            sessions: self.sessions.len(),
            rooms: self.rooms.len(),
            ..worker
        };
        let mut snapshot = Snapshot { workers: vec![worker], ..Snapshot::default() };
        for slot in 0..self.sessions.slots() {
            let Some(session) = self.sessions.key_at(slot).and_then(|key| self.sessions.get_mut(key)) else {
                continue;
            };
            let (path, counters) = (session.paths.selected(), session.counters);
            snapshot.sessions.push(SessionNumbers {
                session: session.id,
                connected: path.is_some(),
                address: path.map_or_else(String::new, |p| p.remote().to_string()),
                transport: if path.is_some_and(|p| p.is_tcp()) { "tcp" } else { "udp" },
                rtt_ms: session.round_trip.known().map(|rtt| rtt.as_secs_f64() * 1000.0),
                uplink_loss: session.uplink.share,
                downlink_loss: session.downlink.share(now),
                bytes_in: counters.bytes_in,
                bytes_out: counters.bytes_out,
                packets_in: counters.packets_in,
                packets_out: counters.packets_out,
                policed: counters.policed,
                nacks_sent: counters.nacks_sent,
                nacks_received: counters.nacks_received,
                rtx_sent: counters.rtx_sent,
                plis_sent: counters.plis_sent,
                plis_received: counters.plis_received,
                estimate_bps: session
                    .bandwidth
                    .limit(now, session.extensions.transport_cc != 0)
                    .bps()
                    .map(|bps| bps as u64),
                allocated_bps: session.division.allocated_bps as u64,
            });
        }
        for slot in 0..self.producers.slots() {
            let Some(producer) = self.producers.key_at(slot).and_then(|key| self.producers.get_mut(key))
            else {
                continue;
            };
            let layers = producer.layers.iter_mut().map(|layer| {
                let (expected, received) = layer.losses.totals();
                LayerNumbers {
                    rid: layer.rid.clone(),
                    ssrc: layer.ssrc,
                    packets: layer.packets,
                    bytes: layer.bytes,
                    bitrate_bps: layer.rate.bps(now),
                    lost: expected.saturating_sub(received),
                    flowing: layer.flowing(now, LAYER_SILENT),
                    wanted: layer.wanting.is_on(),
                }
            });
            let layers = layers.collect();
            snapshot.producers.push(ProducerNumbers { producer: producer.id, layers });
            snapshot.taps.extend(producer.tap_numbers());
        }
        for slot in 0..self.consumers.slots() {
            let Some(consumer) = self.consumers.key_at(slot).and_then(|key| self.consumers.get_mut(key))
            else {
                continue;
            };
            let producer = consumer.producer.and_then(|p| self.producers.get(p));
            snapshot.consumers.push(ConsumerNumbers {
                consumer: consumer.id,
                producer: producer.map(|p| p.id),
                layer: consumer.current_layer(producer),
                packets: consumer.packets,
                bytes: consumer.bytes,
                bitrate_bps: consumer.rate.bps(now),
                rtx: consumer.rtx.sent,
                paused_by_estimate: consumer.grant == Grant::Paused,
            });
        }
        snapshot
    }
}
