//! Signaling by one HTTP request each way: publishers send their offer to a WHIP endpoint (RFC 9725), receivers to a
//! WHEP endpoint (draft-ietf-wish-whep), of whichever server. A room has one publisher, since its stream is what the
//! viewers of one endpoint get. One thread for each client; blocks.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use _dataplane::command::Kind;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::guest::{Guest, Shared, ssrcs};
use crate::joining::{Joining, Milestones};
use crate::media::Command;
use crate::plan::Streaming;
use crate::sdp::{self, Line, Remote};

/// How often a thread looks whether the run is over.
const LOOK_EACH: Duration = Duration::from_millis(200);
/// An answer that takes longer has failed.
const HTTP_WITHIN: Duration = Duration::from_secs(20);
/// An answer is a few kB, a refusal less.
const ANSWER_MOST: u64 = 1 << 20;

/// Runs a client until the run is over; what goes wrong is told to the media thread.
pub fn run(guest: &Guest, shared: &Shared) {
    let index = guest.index;
    if let Err(error) = stream(guest, shared) {
        shared.media.send(Command::Failed(format!("client {index}: {error}")));
    }
}

fn stream(guest: &Guest, shared: &Shared) -> Result<(), String> {
    let streaming = shared.streaming.as_ref().ok_or("the plan has no \"streaming\"")?;
    if guest.publishers != 1 {
        return Err("a room over WHIP has one publisher".to_owned());
    }
    let config =
        Agent::config_builder().timeout_global(Some(HTTP_WITHIN)).proxy(None).http_status_as_error(false);
    let agent = Agent::new_with_config(config.build());
    let session = open(guest, shared, streaming, &agent)?;
    while !shared.over.load(Ordering::Relaxed) {
        sleep(LOOK_EACH);
    }
    let mut request = agent.delete(&session);
    if !streaming.token.is_empty() {
        request = request.header("Authorization", format!("Bearer {}", streaming.token));
    }
    request.call().map(drop).map_err(|error| format!("DELETE {session}: {error}"))
}

/// The session's URL, once the media thread has its client.
fn open(guest: &Guest, shared: &Shared, streaming: &Streaming, agent: &Agent) -> Result<String, String> {
    let milestones = Milestones { begun: shared.now(), ..Milestones::default() };
    let publishes = !guest.publishes.is_empty();
    let mut local = shared.local(guest.index)?;
    if publishes {
        for (number, (stream, kind)) in guest.publishes.iter().enumerate() {
            local.lines.push(Line { mid: number.to_string(), kind: *kind, sends: Some(ssrcs(*stream)) });
        }
    } else {
        for (mid, kind) in [("0", Kind::Audio), ("1", Kind::Video)] {
            local.lines.push(Line { mid: mid.to_owned(), kind, sends: None });
        }
    }
    let endpoint = if publishes { &streaming.whip } else { &streaming.whep };
    let endpoint = endpoint.replace("{room}", &guest.meeting);
    let mut request = agent.post(&endpoint).header("Content-Type", "application/sdp");
    if !streaming.token.is_empty() {
        request = request.header("Authorization", format!("Bearer {}", streaming.token));
    }
    let answer = request.send(sdp::write_offer(&local, 1)).map_err(|error| format!("{endpoint}: {error}"))?;
    let (session, text) = read_answer(&endpoint, answer)?;
    let remote = sdp::parse(&text)?;
    let seats = if publishes { Vec::new() } else { seats_of(&remote)? };
    let now = shared.now();
    shared.media.send(Command::Join(Box::new(Joining {
        index: guest.index,
        room: guest.room,
        local: local.credentials.clone(),
        remote,
        tracks: guest.tracks(&local.lines, shared.shape),
        expected: guest.expected,
        excludes: guest.own_streams(),
        milestones: Milestones { joined: now, answered: now, ..milestones },
    })));
    shared.media.send(Command::Seats(guest.index, seats));
    Ok(session)
}

/// (URL of the session, SDP).
fn read_answer(endpoint: &str, mut answer: Response<Body>) -> Result<(String, String), String> {
    let status = answer.status();
    let location = answer.headers().get("Location").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = answer.body_mut().with_config().limit(ANSWER_MOST).read_to_string();
    let text = text.map_err(|error| format!("{endpoint}: {error}"))?;
    if status != StatusCode::CREATED {
        return Err(format!("{endpoint} says {status}: {}", text.chars().take(200).collect::<String>()));
    }
    let location = location.ok_or_else(|| format!("{endpoint} names no Location"))?;
    Ok((resolve(endpoint, &location), text))
}

/// A reference against the URL that it came from (RFC 3986 §5.2, without dot segments).
fn resolve(base: &str, reference: &str) -> String {
    let after_scheme = base.find("://").map_or(0, |at| at + 3);
    let path = base[after_scheme..].find('/').map_or(base.len(), |at| after_scheme + at);
    if reference.contains("://") {
        reference.to_owned()
    } else if reference.starts_with('/') {
        format!("{}{reference}", &base[..path])
    } else {
        let folder = base[..base.find('?').unwrap_or(base.len())].rfind('/').unwrap_or(path);
        format!("{}/{reference}", &base[..folder.max(path)])
    }
}

fn seats_of(remote: &Remote) -> Result<Vec<(Kind, u32, Option<u32>)>, String> {
    let seat = |line: &sdp::RemoteLine| Some((line.kind?, line.ssrc?, line.rtx_ssrc));
    let seats: Vec<_> = remote.lines.iter().filter(|line| line.accepted).filter_map(seat).collect();
    if seats.is_empty() { Err("the server's answer names no SSRC".to_owned()) } else { Ok(seats) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let base = "http://127.0.0.1:8889/load0/whip?x=/y";
        assert_eq!(resolve(base, "http://other/a"), "http://other/a");
        assert_eq!(resolve(base, "/whip/1"), "http://127.0.0.1:8889/whip/1");
        assert_eq!(resolve(base, "1"), "http://127.0.0.1:8889/load0/1");
        assert_eq!(resolve("http://h", "1"), "http://h/1");
    }
}
