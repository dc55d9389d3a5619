//! The face for Python (`appliance/_dataplane.pyi`): arguments in, events out, no logic.

mod tap;

use std::net::IpAddr;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::command::{Command, ConsumerSpec, Kind, ProducerSpec};
use crate::engine::formats::{ExtensionIds, PayloadSpec};
use crate::srtp::Profile;
use crate::{StartError, event};
use tap::Tap;

fn invalid(message: String) -> PyErr {
    PyValueError::new_err(message)
}

/// One negotiated payload type of a session.
#[pyclass(frozen, module = "appliance._dataplane")]
#[derive(Clone)]
struct Payload(PayloadSpec);

#[pymethods]
impl Payload {
    #[new]
    #[pyo3(signature = (payload_type, *, format, clock_rate, rtx_payload_type=None))]
    fn new(
        payload_type: u8,
        format: String,
        clock_rate: u32,
        rtx_payload_type: Option<u8>,
    ) -> PyResult<Self> {
        if let Some(bad) = [Some(payload_type), rtx_payload_type].into_iter().flatten().find(|p| *p > 127) {
            return Err(invalid(format!("payload type {bad} is not 0..127")));
        }
        if clock_rate == 0 {
            return Err(invalid("clock_rate is 0".into()));
        }
        Ok(Self(PayloadSpec { payload_type, format, clock_rate, rtx_payload_type }))
    }
}

/// Header extension ids of a session.
#[pyclass(frozen, module = "appliance._dataplane")]
#[derive(Clone)]
struct Extensions(ExtensionIds);

#[pymethods]
impl Extensions {
    #[new]
    #[pyo3(signature = (*, audio_level=None, abs_send_time=None, transport_cc=None, mid=None, rid=None,
                        repaired_rid=None, playout_delay=None, video_orientation=None, dependency_descriptor=None))]
    #[allow(clippy::too_many_arguments)] // one keyword per extension
    fn new(
        audio_level: Option<u8>,
        abs_send_time: Option<u8>,
        transport_cc: Option<u8>,
        mid: Option<u8>,
        rid: Option<u8>,
        repaired_rid: Option<u8>,
        playout_delay: Option<u8>,
        video_orientation: Option<u8>,
        dependency_descriptor: Option<u8>,
    ) -> PyResult<Self> {
        let id = |name: &str, id: Option<u8>| match id {
            // RFC 8285 §4.2, §4.3: 0 is padding, 15 stops the one-byte form
            Some(bad @ (0 | 15)) => Err(invalid(format!("{name}: extension id {bad} is reserved"))),
            other => Ok(other.unwrap_or(0)),
        };
        Ok(Self(ExtensionIds {
            audio_level: id("audio_level", audio_level)?,
            abs_send_time: id("abs_send_time", abs_send_time)?,
            transport_cc: id("transport_cc", transport_cc)?,
            mid: id("mid", mid)?,
            rid: id("rid", rid)?,
            repaired_rid: id("repaired_rid", repaired_rid)?,
            playout_delay: id("playout_delay", playout_delay)?,
            video_orientation: id("video_orientation", video_orientation)?,
            dependency_descriptor: id("dependency_descriptor", dependency_descriptor)?,
        }))
    }
}

/// Something that happened; match with `case Event.SessionConnected(session=s)`.
#[pyclass(frozen, module = "appliance._dataplane")]
enum Event {
    SessionConnected { session: u64, address: String, transport: String },
    SessionPathChanged { session: u64, address: String, transport: String },
    SessionLost { session: u64 },
    ProducerStarted { producer: u64 },
    ProducerStalled { producer: u64 },
    ProducerLayersWanted { producer: u64, layers: Vec<bool> },
    ConsumerStarted { consumer: u64, producer: u64, layer: u8 },
    Speakers { room: u64, levels: Vec<(u64, f64)>, dominant: Option<u64> },
    SegmentationOff { worker: u32, message: String },
    WorkerFailed { worker: u32, message: String },
}

impl From<event::Event> for Event {
    fn from(event: event::Event) -> Self {
        use event::Event as E;
        let transport = |tcp: bool| if tcp { "tcp" } else { "udp" }.to_owned();
        match event {
            E::SessionConnected { session, address, tcp } => {
                Self::SessionConnected { session, address, transport: transport(tcp) }
            }
            E::SessionPathChanged { session, address, tcp } => {
                Self::SessionPathChanged { session, address, transport: transport(tcp) }
            }
            E::SessionLost { session } => Self::SessionLost { session },
            E::ProducerStarted { producer } => Self::ProducerStarted { producer },
            E::ProducerStalled { producer } => Self::ProducerStalled { producer },
            E::ProducerLayersWanted { producer, layers } => Self::ProducerLayersWanted { producer, layers },
            E::ConsumerStarted { consumer, producer, layer } => {
                Self::ConsumerStarted { consumer, producer, layer }
            }
            E::Speakers { room, levels, dominant } => Self::Speakers { room, levels, dominant },
            E::SegmentationOff { worker, message } => Self::SegmentationOff { worker, message },
            E::WorkerFailed { worker, message } => Self::WorkerFailed { worker, message },
        }
    }
}

fn kind_of(kind: &str) -> PyResult<Kind> {
    match kind {
        "audio" => Ok(Kind::Audio),
        "video" => Ok(Kind::Video),
        other => Err(invalid(format!("kind is neither audio nor video: {other:?}"))),
    }
}

/// Running workers.
#[pyclass(frozen, module = "appliance._dataplane")]
struct DataPlane(crate::DataPlane);

#[pymethods]
impl DataPlane {
    #[new]
    #[pyo3(signature = (*, hosts, port, workers, tcp, max_sessions=4096))]
    fn new(hosts: Vec<String>, port: u16, workers: usize, tcp: bool, max_sessions: usize) -> PyResult<Self> {
        if hosts.is_empty() || hosts.len() > 64 {
            return Err(invalid(format!("hosts names {} addresses, not 1 to 64", hosts.len())));
        }
        // worker i takes port + i; 256 is more than any machine's cores this was made for
        if workers == 0 || workers > 256 || (port > 0 && usize::from(port) + workers > 65_536) {
            return Err(invalid(format!("{workers} workers do not fit from port {port}")));
        }
        let parse = |host: &String| {
            host.parse::<IpAddr>().map_err(|_| invalid(format!("not an IP address: {host:?}")))
        };
        let hosts = hosts.iter().map(parse).collect::<PyResult<Vec<_>>>()?;
        let os_error = |error: std::io::Error, what: String| match error.raw_os_error() {
            Some(number) => PyOSError::new_err((number, what)),
            None => PyOSError::new_err(what),
        };
        crate::DataPlane::start(&hosts, port, workers, tcp, max_sessions).map(Self).map_err(|error| {
            match error {
                StartError::Bind((address, error)) => {
                    let what = format!("cannot bind {address}: {error}");
                    os_error(error, what)
                }
                StartError::System(error) => {
                    let what = format!("cannot start a media worker: {error}");
                    os_error(error, what)
                }
            }
        })
    }

    #[getter]
    fn ports(&self) -> Vec<u16> {
        self.0.ports().to_vec()
    }

    /// Stops the threads and closes the sockets; idempotent.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }

    fn event_fd(&self) -> i32 {
        self.0.mailbox().event_fd()
    }

    fn poll_events(&self) -> Vec<Event> {
        self.0.mailbox().take_events().into_iter().map(Event::from).collect()
    }

    fn dtls_fd(&self) -> i32 {
        self.0.mailbox().dtls_fd()
    }

    fn poll_dtls<'py>(&self, py: Python<'py>) -> Vec<(u64, Bound<'py, PyBytes>)> {
        let datagrams = self.0.mailbox().take_dtls();
        datagrams.into_iter().map(|(session, bytes)| (session, PyBytes::new(py, &bytes))).collect()
    }

    #[pyo3(signature = (room, *, worker, audio_last_n=0))]
    fn add_room(&self, room: u64, worker: usize, audio_last_n: usize) -> PyResult<()> {
        if self.0.add_room(room, worker, audio_last_n) {
            Ok(())
        } else {
            Err(invalid(format!("there is no worker {worker}")))
        }
    }

    fn remove_room(&self, room: u64) {
        self.0.send(Command::RemoveRoom { room });
    }

    #[pyo3(signature = (session, *, room, ufrag, password))]
    fn add_session(&self, session: u64, room: u64, ufrag: String, password: String) -> PyResult<()> {
        credentials(&ufrag, &password)?;
        self.0.send(Command::AddSession { session, room, ufrag, password });
        Ok(())
    }

    #[pyo3(signature = (session, *, ufrag, password))]
    fn restart_ice(&self, session: u64, ufrag: String, password: String) -> PyResult<()> {
        credentials(&ufrag, &password)?;
        self.0.send(Command::RestartIce { session, ufrag, password });
        Ok(())
    }

    #[pyo3(signature = (session, *, profile, tx, rx))]
    fn set_keys(&self, session: u64, profile: &str, tx: Vec<u8>, rx: Vec<u8>) -> PyResult<()> {
        let profile = Profile::from_openssl_name(profile)
            .ok_or_else(|| invalid(format!("unknown SRTP profile {profile:?}")))?;
        for (name, key) in [("tx", &tx), ("rx", &rx)] {
            if key.len() != profile.key_len() {
                return Err(invalid(format!("{name} has {} bytes, not {}", key.len(), profile.key_len())));
            }
        }
        self.0.send(Command::SetKeys { session, profile, tx, rx });
        Ok(())
    }

    #[pyo3(signature = (session, *, payloads, extensions))]
    fn set_formats(&self, session: u64, payloads: Vec<Bound<'_, Payload>>, extensions: &Extensions) {
        let payloads = payloads.iter().map(|p| p.get().0.clone()).collect();
        self.0.send(Command::SetFormats { session, payloads, extensions: extensions.0 });
    }

    fn send_dtls(&self, session: u64, datagram: Vec<u8>) {
        self.0.send(Command::SendDtls { session, datagram });
    }

    fn remove_session(&self, session: u64) {
        self.0.send(Command::RemoveSession { session });
    }

    #[pyo3(signature = (producer, *, session, kind, mid, rids=Vec::new(), ssrcs=Vec::new(), speaker=false))]
    #[allow(clippy::too_many_arguments)] // keywords of the contract
    fn add_producer(
        &self,
        producer: u64,
        session: u64,
        kind: &str,
        mid: String,
        rids: Vec<String>,
        ssrcs: Vec<(u32, Option<u32>)>,
        speaker: bool,
    ) -> PyResult<()> {
        // "up to three simulcast layers"
        if rids.len() > 3 {
            return Err(invalid(format!("{} simulcast layers, not up to 3", rids.len())));
        }
        let spec = ProducerSpec { kind: kind_of(kind)?, mid, rids, ssrcs, speaker };
        self.0.send(Command::AddProducer { producer, session, spec });
        Ok(())
    }

    #[pyo3(signature = (producer, *, muted))]
    fn mute_producer(&self, producer: u64, muted: bool) {
        self.0.send(Command::MuteProducer { producer, muted });
    }

    fn remove_producer(&self, producer: u64) {
        self.0.send(Command::RemoveProducer { producer });
    }

    #[pyo3(signature = (consumer, *, session, kind, mid, ssrc, rtx_ssrc, cname))]
    #[allow(clippy::too_many_arguments)] // keywords of the contract
    fn add_consumer(
        &self,
        consumer: u64,
        session: u64,
        kind: &str,
        mid: String,
        ssrc: u32,
        rtx_ssrc: Option<u32>,
        cname: String,
    ) -> PyResult<()> {
        // RFC 8843 §15.1 sets no bound, one-byte header extensions do
        if mid.is_empty() || mid.len() > 16 {
            return Err(invalid(format!("mid has {} bytes, not 1 to 16", mid.len())));
        }
        // RFC 3550 §6.5: the length of an SDES item is one byte
        if cname.len() > 255 {
            return Err(invalid(format!("cname has {} bytes, not up to 255", cname.len())));
        }
        let spec = ConsumerSpec { kind: kind_of(kind)?, mid, ssrc, rtx_ssrc, cname };
        self.0.send(Command::AddConsumer { consumer, session, spec });
        Ok(())
    }

    #[pyo3(signature = (consumer, producer))]
    fn bind_consumer(&self, consumer: u64, producer: Option<u64>) {
        self.0.send(Command::BindConsumer { consumer, producer });
    }

    #[pyo3(signature = (consumer, *, layer, temporal=7, priority=1))]
    fn set_consumer_layer(&self, consumer: u64, layer: u8, temporal: u8, priority: u8) {
        self.0.send(Command::SetConsumerPriority { consumer, priority });
        self.0.send(Command::SetConsumerLayer { consumer, layer, temporal });
    }

    #[pyo3(signature = (consumer, *, paused))]
    fn pause_consumer(&self, consumer: u64, paused: bool) {
        self.0.send(Command::PauseConsumer { consumer, paused });
    }

    fn remove_consumer(&self, consumer: u64) {
        self.0.send(Command::RemoveConsumer { consumer });
    }

    fn request_key_frame(&self, producer: u64) {
        self.0.send(Command::RequestKeyFrame { producer });
    }

    #[pyo3(signature = (tap, producer, max_bytes, *, max_layer=u8::MAX))]
    fn open_tap(&self, tap: u64, producer: u64, max_bytes: usize, max_layer: u8) -> PyResult<Tap> {
        // a key frame of a large picture must fit; a buffer of a gigabyte is a mistake
        if !(64 << 10..=1 << 30).contains(&max_bytes) {
            return Err(invalid(format!("max_bytes is {max_bytes}, not 65536 to 1073741824")));
        }
        Ok(Tap(self.0.open_tap(tap, producer, max_bytes, max_layer)))
    }

    fn now_us(&self) -> i64 {
        self.0.now_us()
    }

    fn stats<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.stats())
    }
}

/// RFC 8839 §5.4: ufrag of 4 to 256 characters, password of 22 to 256.
fn credentials(ufrag: &str, password: &str) -> PyResult<()> {
    if !(4..=256).contains(&ufrag.len()) || ufrag.contains(':') {
        return Err(invalid(format!(
            "ufrag has {} characters or a colon, not 4 to 256 ice-chars",
            ufrag.len()
        )));
    }
    if !(22..=256).contains(&password.len()) {
        return Err(invalid(format!("password has {} characters, not 22 to 256", password.len())));
    }
    Ok(())
}

/// See `appliance/_dataplane.pyi`.
#[pymodule]
fn _dataplane(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Payload>()?;
    module.add_class::<Extensions>()?;
    module.add_class::<Event>()?;
    module.add("AnyEvent", module.py().get_type::<Event>())?; // a union in the stub, where variants have types
    module.add_class::<Tap>()?;
    module.add_class::<DataPlane>()
}
