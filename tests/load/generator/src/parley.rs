//! Signaling of a Parley server: joins as a guest over HTTP, speaks the protocol of appliance/signaling/PROTOCOL.md on a
//! WebSocket, offers and offers again when more seats are asked for. One thread for each client; blocks.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use _dataplane::command::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use crate::guest::{Guest, Shared, ssrcs};
use crate::joining::{Joining, Milestones};
use crate::media::Command;
use crate::sdp::{self, Line, Local, Remote};

/// How often a thread looks whether the run is over; the kernel wakes it at once for a frame.
const LOOK_EACH: Duration = Duration::from_millis(500);
/// The server's heart-beat is 5 s; it closes after 20 s of silence.
const PING_EACH: Duration = Duration::from_secs(5);
/// A join that takes longer has failed.
const HTTP_WITHIN: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct JoinAnswer {
    token: String,
    signaling_path: String,
    meeting: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Clone, Copy, Deserialize)]
struct Need {
    seats: usize,
    audio_seats: usize,
}

/// Runs a client until the run is over; what goes wrong is told to the media thread.
pub fn run(guest: Guest, shared: &Shared) {
    let index = guest.index;
    if let Err(error) = Session::join(guest, shared).and_then(Session::serve) {
        shared.media.send(Command::Failed(format!("client {index}: {error}")));
    }
}

struct Session<'a> {
    guest: Guest,
    shared: &'a Shared,
    socket: WebSocket<TcpStream>,
    local: Local,
    seats: Vec<(String, Option<String>)>,
    negotiation: u32,
    answered: u32,
    need: Need,
    milestones: Milestones,
}

impl<'a> Session<'a> {
    fn join(guest: Guest, shared: &'a Shared) -> Result<Self, String> {
        let begun = shared.now();
        let config = ureq::Agent::config_builder().timeout_global(Some(HTTP_WITHIN)).proxy(None).build();
        let url = format!("{}/api/v1/meetings/{}/join", shared.url, guest.meeting);
        let name = format!("load {}", guest.index);
        let answer: Envelope<JoinAnswer> = ureq::Agent::new_with_config(config)
            .post(url)
            .send_json(json!({"name": name}))
            .and_then(|mut answer| answer.body_mut().read_json())
            .map_err(|error| format!("join over HTTP: {error}"))?;
        let JoinAnswer { token, signaling_path, meeting } = answer.data;

        let host = shared.url.strip_prefix("http://").ok_or("only http:// is spoken")?;
        let stream = TcpStream::connect(host).map_err(|error| format!("signaling: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(HTTP_WITHIN)).map_err(|error| error.to_string())?;
        let (mut socket, _) = tungstenite::client(format!("ws://{host}{signaling_path}"), stream)
            .map_err(|error| format!("WebSocket: {error}"))?;
        socket.get_mut().set_read_timeout(Some(LOOK_EACH)).map_err(|error| error.to_string())?;

        let capabilities = json!({"max_seats": 49, "data_channel": false});
        let join = json!({"type": "join", "room": meeting.id, "token": token, "capabilities": capabilities});
        socket.send(Message::text(join.to_string())).map_err(|error| error.to_string())?;
        let milestones = Milestones { begun, ..Milestones::default() };
        let local = shared.local(guest.index)?;
        let need = Need { seats: 0, audio_seats: 0 };
        let seats = Vec::new();
        Ok(Self { guest, shared, socket, local, seats, negotiation: 0, answered: 0, need, milestones })
    }

    fn send(&mut self, frame: &Value) -> Result<(), String> {
        self.socket.send(Message::text(frame.to_string())).map_err(|error| format!("signaling: {error}"))
    }

    fn serve(mut self) -> Result<(), String> {
        let mut last_ping = Instant::now();
        while !self.shared.over.load(Ordering::Relaxed) {
            match self.socket.read() {
                Ok(Message::Text(text)) => self.on_frame(text.as_str())?,
                Ok(Message::Close(frame)) => return Err(format!("signaling was closed: {frame:?}")),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("signaling: {error}")),
            }
            if last_ping.elapsed() > PING_EACH {
                last_ping = Instant::now();
                self.send(&json!({"type": "ping", "time_ms": 0}))?;
            }
        }
        self.send(&json!({"type": "leave"}))
    }

    fn on_frame(&mut self, text: &str) -> Result<(), String> {
        // most frames are of no concern, and there are many: the type is looked at before the rest is decoded
        let concerns = ["\"joined\"", "\"need_media\"", "\"answer\"", "\"error\"", "\"room-closed\""];
        if !concerns.iter().any(|name| text.contains(name)) {
            return Ok(());
        }
        let frame: Value = serde_json::from_str(text).map_err(|error| format!("bad frame: {error}"))?;
        match frame["type"].as_str() {
            Some("joined") => {
                self.milestones.joined = self.shared.now();
                self.offer_for(&frame["need_media"])
            }
            Some("need_media") => self.offer_for(&frame["need"]),
            Some("answer") => self.on_answer(frame["sdp"].as_str().unwrap_or_default()),
            Some("error" | "room-closed") => Err(format!("the server says {frame}")),
            _ => Ok(()),
        }
    }

    fn offer_for(&mut self, need: &Value) -> Result<(), String> {
        self.need = Need::deserialize(need).map_err(|error| format!("need_media: {error}"))?;
        if self.negotiation == self.answered { self.offer() } else { Ok(()) } // else after the answer
    }

    fn line(&mut self, kind: Kind, sends: Option<(u32, u32)>) -> String {
        let mid = self.local.lines.len().to_string();
        self.local.lines.push(Line { mid: mid.clone(), kind, sends });
        mid
    }

    fn offer(&mut self) -> Result<(), String> {
        if self.negotiation == 0 {
            for number in 0..self.guest.publishes.len() {
                let (stream, kind) = self.guest.publishes[number];
                self.line(kind, Some(ssrcs(stream)));
            }
        }
        for (with_video, wanted) in [(true, self.need.seats), (false, self.need.audio_seats)] {
            let have = self.seats.iter().filter(|(_, video)| video.is_some() == with_video).count();
            for _ in have..wanted {
                let audio = self.line(Kind::Audio, None);
                let video = with_video.then(|| self.line(Kind::Video, None));
                self.seats.push((audio, video));
            }
        }
        if self.local.lines.is_empty() {
            return Ok(()); // nobody to see yet
        }
        self.negotiation += 1;
        let publish: Vec<Value> = (self.guest.publishes.iter().zip(&self.local.lines))
            .map(|((_, kind), line)| {
                let source = if *kind == Kind::Audio { "microphone" } else { "camera" };
                json!({"mid": line.mid, "source": source})
            })
            .collect();
        let receive: Vec<Value> = (self.seats.iter().enumerate())
            .map(|(seat, (audio, video))| json!({"seat": seat, "audio_mid": audio, "video_mid": video}))
            .collect();
        let sdp = sdp::write_offer(&self.local, self.negotiation);
        let negotiation = self.negotiation;
        self.send(&json!({
            "type": "offer", "sdp": sdp, "negotiation": negotiation, "publish": publish, "receive": receive}))
    }

    fn on_answer(&mut self, text: &str) -> Result<(), String> {
        self.answered = self.negotiation;
        let remote = sdp::parse(text)?;
        let seats = self.seats_of(&remote);
        if self.answered == 1 {
            self.milestones.answered = self.shared.now();
            let tracks = self.guest.tracks(&self.local.lines, self.shared.shape);
            self.shared.media.send(Command::Join(Box::new(Joining {
                index: self.guest.index,
                room: self.guest.room,
                local: self.local.credentials.clone(),
                remote,
                tracks,
                expected: self.guest.expected,
                excludes: self.guest.own_streams(),
                milestones: self.milestones,
            })));
        }
        self.shared.media.send(Command::Seats(self.guest.index, seats));
        let missing = self.need.seats + self.need.audio_seats > self.seats.len();
        if missing { self.offer() } else { Ok(()) }
    }

    fn seats_of(&self, remote: &Remote) -> Vec<(Kind, u32, Option<u32>)> {
        let receiving =
            |mid: &str| self.local.lines.iter().find(|line| line.mid == mid && line.sends.is_none());
        (remote.lines.iter().filter(|line| line.accepted))
            .filter_map(|line| Some((receiving(&line.mid)?.kind, line.ssrc?, line.rtx_ssrc)))
            .collect()
    }
}
