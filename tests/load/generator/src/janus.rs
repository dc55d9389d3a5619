//! Signaling of Janus: the videoroom plugin over WebSockets. Publishing and receiving are two peer connections, as the
//! plugin wants it; everything that a client receives comes over one of them, subscribed once all publishers of the room
//! are there. One thread for each client; blocks.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use _dataplane::command::Kind;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, Message, WebSocket};

use crate::guest::{Guest, Shared, ssrcs};
use crate::joining::{Joining, Milestones};
use crate::media::Command;
use crate::sdp::{self, Line, Local, Remote};

/// How often a thread looks whether the run is over.
const LOOK_EACH: Duration = Duration::from_millis(200);
/// How often it looks whether all publishers are there.
const FEEDS_EACH: Duration = Duration::from_millis(10);
/// Janus forgets sessions after 60 s.
const KEEP_ALIVE_EACH: Duration = Duration::from_secs(20);
/// A request that takes longer has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// (client, number) of a feed.
type Feed = (usize, u64);

/// Feeds of each room, by index: what its publishers announced.
static FEEDS: LazyLock<Mutex<HashMap<usize, Vec<Feed>>>> = LazyLock::new(Mutex::default);

/// Whether a guest has a connection to publish and another to receive.
pub fn has_two(guest: &Guest) -> bool {
    !guest.publishes.is_empty() && guest.expected > 0
}

/// Runs a client until the run is over; what goes wrong is told to the media thread. Who only receives comes when the
/// publishers are there, so that its join is not their delay.
pub fn run(guest: Guest, shared: &Shared) {
    let index = guest.index;
    let publishes = !guest.publishes.is_empty();
    let ready = if publishes { Ok(Vec::new()) } else { wait_feeds(&guest, shared) };
    if let Err(error) = ready.and_then(|_| Session::open(guest, shared)).and_then(Session::serve) {
        shared.media.send(Command::Failed(format!("client {index}: {error}")));
    }
}

/// Feeds of the others in a room, once all its publishers are there.
fn wait_feeds(guest: &Guest, shared: &Shared) -> Result<Vec<u64>, String> {
    let began = Instant::now();
    while began.elapsed() < ANSWER_WITHIN && !shared.over.load(Ordering::Relaxed) {
        let found = {
            let feeds = FEEDS.lock().unwrap_or_else(PoisonError::into_inner);
            feeds.get(&guest.room).filter(|all| all.len() == guest.publishers).cloned()
        };
        if let Some(all) = found {
            let others = all.into_iter().filter(|(owner, _)| *owner != guest.index);
            return Ok(others.map(|(_, feed)| feed).collect());
        }
        sleep(FEEDS_EACH);
    }
    Err("the publishers did not come".to_owned())
}

struct Session<'a> {
    guest: Guest,
    shared: &'a Shared,
    socket: WebSocket<TcpStream>,
    id: u64,
    transactions: u32,
    milestones: Milestones,
}

impl<'a> Session<'a> {
    fn open(guest: Guest, shared: &'a Shared) -> Result<Self, String> {
        let milestones = Milestones { begun: shared.now(), ..Milestones::default() };
        let host = shared.url.strip_prefix("ws://").ok_or("only ws:// is spoken")?;
        let stream = TcpStream::connect(host).map_err(|error| format!("signaling: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(|error| error.to_string())?;
        let mut request = shared.url.as_str().into_client_request().map_err(|error| error.to_string())?;
        let protocol = HeaderValue::from_static("janus-protocol");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let (mut socket, _) =
            tungstenite::client(request, stream).map_err(|error| format!("WebSocket: {error}"))?;
        socket.get_mut().set_read_timeout(Some(LOOK_EACH)).map_err(|error| error.to_string())?;
        let mut session = Self { guest, shared, socket, id: 0, transactions: 0, milestones };
        let created = session.request(json!({"janus": "create"}))?;
        session.id = created["data"]["id"].as_u64().ok_or("no session")?;
        session.milestones.joined = shared.now();
        Ok(session)
    }

    /// Sends a request and waits for what is not merely its acknowledgement.
    fn request(&mut self, mut request: Value) -> Result<Value, String> {
        self.transactions += 1;
        let transaction = self.transactions.to_string();
        request["transaction"] = transaction.clone().into();
        if self.id != 0 {
            request["session_id"] = self.id.into();
        }
        self.socket.send(Message::text(request.to_string())).map_err(|error| error.to_string())?;
        let began = Instant::now();
        while began.elapsed() < ANSWER_WITHIN && !self.shared.over.load(Ordering::Relaxed) {
            let Some(frame) = self.read()? else { continue };
            if frame["transaction"] != transaction.as_str() || frame["janus"] == "ack" {
                continue;
            }
            let refused = frame["plugindata"]["data"].get("error").or(frame.get("error"));
            return refused.map_or(Ok(frame.clone()), |error| Err(format!("Janus says {error}")));
        }
        Err("Janus did not answer".to_owned())
    }

    /// The next frame, if one comes soon.
    fn read(&mut self) -> Result<Option<Value>, String> {
        match self.socket.read() {
            Ok(Message::Text(text)) => {
                serde_json::from_str(text.as_str()).map(Some).map_err(|e| e.to_string())
            }
            Ok(Message::Close(frame)) => Err(format!("signaling was closed: {frame:?}")),
            Ok(_) => Ok(None),
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(format!("signaling: {error}")),
        }
    }

    fn attach(&mut self) -> Result<u64, String> {
        let attached = self.request(json!({"janus": "attach", "plugin": "janus.plugin.videoroom"}))?;
        attached["data"]["id"].as_u64().ok_or_else(|| "no handle".to_owned())
    }

    fn room(&self) -> Result<u64, String> {
        self.guest.meeting.parse().map_err(|_| "a room of Janus is a number".to_owned())
    }

    fn serve(mut self) -> Result<(), String> {
        if !self.guest.publishes.is_empty() {
            self.publish()?;
        }
        if self.guest.expected > 0 {
            self.subscribe()?;
        }
        let mut last = Instant::now();
        while !self.shared.over.load(Ordering::Relaxed) {
            self.read()?;
            if last.elapsed() > KEEP_ALIVE_EACH {
                last = Instant::now();
                let request = json!({"janus": "keepalive", "session_id": self.id, "transaction": "k"});
                self.socket.send(Message::text(request.to_string())).map_err(|error| error.to_string())?;
            }
        }
        let request = json!({"janus": "destroy", "session_id": self.id, "transaction": "d"});
        self.socket.send(Message::text(request.to_string())).map_err(|error| error.to_string())
    }

    fn publish(&mut self) -> Result<(), String> {
        let (handle, room) = (self.attach()?, self.room()?);
        let display = format!("load {}", self.guest.index);
        let body = json!({"request": "join", "ptype": "publisher", "room": room, "display": display});
        let joined = self.request(json!({"janus": "message", "handle_id": handle, "body": body}))?;
        let feed = joined["plugindata"]["data"]["id"].as_u64().ok_or("no feed")?;
        let mut local = self.shared.local(self.guest.index)?;
        for (number, (stream, kind)) in self.guest.publishes.iter().enumerate() {
            let sends = Some(ssrcs(*stream));
            local.lines.push(Line { mid: number.to_string(), kind: *kind, sends });
        }
        let jsep = json!({"type": "offer", "sdp": sdp::write_offer(&local, 1)});
        let body = json!({"request": "publish"});
        let message = json!({"janus": "message", "handle_id": handle, "body": body, "jsep": jsep});
        let answer = self.request(message)?;
        let remote = sdp::parse(answer["jsep"]["sdp"].as_str().ok_or("no answer")?)?;
        self.milestones.answered = self.shared.now();
        let tracks = self.guest.tracks(&local.lines, self.shared.shape);
        self.shared.media.send(Command::Join(Box::new(Joining {
            index: self.guest.index,
            room: self.guest.room,
            local: local.credentials,
            remote,
            tracks,
            expected: 0,
            excludes: Vec::new(),
            milestones: self.milestones,
        })));
        self.wait_up()?;
        let mut feeds = FEEDS.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.entry(self.guest.room).or_default().push((self.guest.index, feed));
        Ok(())
    }

    /// Nobody can subscribe to a feed before its connection is up.
    fn wait_up(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < ANSWER_WITHIN && !self.shared.over.load(Ordering::Relaxed) {
            if self.read()?.is_some_and(|frame| frame["janus"] == "webrtcup") {
                return Ok(());
            }
        }
        Err("the publisher's connection did not come up".to_owned())
    }

    fn subscribe(&mut self) -> Result<(), String> {
        let feeds = wait_feeds(&self.guest, self.shared)?;
        if has_two(&self.guest) {
            self.milestones.begun = self.shared.now(); // waiting for the others is not Janus' delay
        }
        let (handle, room) = (self.attach()?, self.room()?);
        let streams: Vec<Value> = feeds.iter().map(|feed| json!({"feed": feed})).collect();
        let body = json!({"request": "join", "ptype": "subscriber", "room": room, "streams": streams});
        let attached = self.request(json!({"janus": "message", "handle_id": handle, "body": body}))?;
        let offer = sdp::parse(attached["jsep"]["sdp"].as_str().ok_or("no offer")?)?;
        // a publisher's second connection lives behind everybody's first
        let two = has_two(&self.guest);
        let index = self.guest.index + if two { self.shared.everybody } else { 0 };
        let mut local = self.shared.local(index)?;
        for line in &offer.lines {
            let kind = line.kind.ok_or("Janus offers something else than media")?;
            local.lines.push(Line { mid: line.mid.clone(), kind, sends: None });
        }
        let jsep = json!({"type": "answer", "sdp": sdp::write_answer(&local, &offer)});
        let body = json!({"request": "start"});
        self.milestones.answered = self.shared.now();
        self.join_receiving(index, &local, offer);
        let message = json!({"janus": "message", "handle_id": handle, "body": body, "jsep": jsep});
        self.request(message).map(drop)
    }

    fn join_receiving(&self, index: usize, local: &Local, remote: Remote) {
        let seats: Vec<(Kind, u32, Option<u32>)> =
            (remote.lines.iter()).filter_map(|line| Some((line.kind?, line.ssrc?, line.rtx_ssrc))).collect();
        self.shared.media.send(Command::Join(Box::new(Joining {
            index,
            room: self.guest.room,
            local: local.credentials.clone(),
            remote,
            tracks: Vec::new(),
            expected: self.guest.expected,
            excludes: self.guest.own_streams(),
            milestones: self.milestones,
        })));
        self.shared.media.send(Command::Seats(index, seats));
    }
}
