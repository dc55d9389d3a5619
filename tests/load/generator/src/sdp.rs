//! Session descriptions: our offer as a browser would write it, and what matters of a server's answer.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use _dataplane::command::Kind;

/// Payload types of our offers; answers keep them (RFC 3264 §6.1 would allow others, no server uses them).
pub const VP8: u8 = 96;
/// RTX of VP8.
pub const RTX: u8 = 97;
/// Opus.
pub const OPUS: u8 = 111;

const AUDIO_LEVEL: (u8, &str) = (1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
const TRANSPORT_CC: (u8, &str) =
    (3, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
const MID: (u8, &str) = (4, "urn:ietf:params:rtp-hdrext:sdes:mid");

/// User name and password of one side (RFC 8445 §5.3).
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub password: String,
}

/// One m-line of ours.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub mid: String,
    /// What it carries.
    pub kind: Kind,
    /// (media, RTX) of what we send; None: we receive.
    pub sends: Option<(u32, u32)>,
}

/// Our side.
#[derive(Clone, Debug)]
pub struct Local {
    /// Of our ICE agent.
    pub credentials: Credentials,
    /// "sha-256 AA:BB:…".
    pub fingerprint: String,
    /// The only candidate.
    pub address: SocketAddr,
    /// All m-lines so far; never fewer than before.
    pub lines: Vec<Line>,
}

/// Ids of header extensions; 0 where none was agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 6464.
    pub audio_level: u8,
    /// Transport-wide sequence number.
    pub transport_cc: u8,
    /// RFC 9143 §15.
    pub mid: u8,
}

/// One m-line of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteLine {
    /// Its name.
    pub mid: String,
    /// Refused lines have port 0 or are inactive.
    pub accepted: bool,
    /// What the server sends on it.
    pub ssrc: Option<u32>,
    /// RTX of it.
    pub rtx_ssrc: Option<u32>,
}

/// The server's side.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Of its ICE agent.
    pub credentials: Credentials,
    /// "sha-256 AA:BB:…".
    pub fingerprint: String,
    /// Its first UDP candidate on loopback, else its first one over UDP and IPv4.
    pub address: SocketAddr,
    /// Agreed.
    pub extensions: Extensions,
    /// In the order of the offer.
    pub lines: Vec<RemoteLine>,
}

/// Writes the offer; `version` counts up.
pub fn write_offer(local: &Local, version: u32) -> String {
    let mids: Vec<&str> = local.lines.iter().map(|line| line.mid.as_str()).collect();
    let mut out = format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=msid-semantic: WMS *\r\n",
        mids.join(" ")
    );
    for line in &local.lines {
        write_line(&mut out, local, line).expect("writing to a String");
    }
    out
}

fn write_line(out: &mut String, local: &Local, line: &Line) -> std::fmt::Result {
    let Local { credentials, fingerprint, address, .. } = local;
    let (name, formats) = match line.kind {
        Kind::Audio => ("audio", format!("{OPUS}")),
        Kind::Video => ("video", format!("{VP8} {RTX}")),
    };
    write!(
        out,
        "m={name} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{fingerprint}\r\na=setup:actpass\r\na=mid:{}\r\n\
         a=candidate:1 1 udp 2130706431 {} {} typ host\r\na=end-of-candidates\r\n",
        credentials.ufrag,
        credentials.password,
        line.mid,
        address.ip(),
        address.port()
    )?;
    if line.kind == Kind::Audio {
        write!(out, "a=extmap:{} {}\r\n", AUDIO_LEVEL.0, AUDIO_LEVEL.1)?;
    }
    for (id, uri) in [TRANSPORT_CC, MID] {
        write!(out, "a=extmap:{id} {uri}\r\n")?;
    }
    let direction = if line.sends.is_some() { "sendonly" } else { "recvonly" };
    write!(out, "a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n")?;
    match line.kind {
        Kind::Audio => write!(
            out,
            "a=rtpmap:{OPUS} opus/48000/2\r\na=rtcp-fb:{OPUS} transport-cc\r\na=fmtp:{OPUS} minptime=10;useinbandfec=1\r\n"
        )?,
        Kind::Video => write!(
            out,
            "a=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} transport-cc\r\na=rtcp-fb:{VP8} ccm fir\r\n\
             a=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\na=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n"
        )?,
    }
    let Some((ssrc, rtx)) = line.sends else { return Ok(()) };
    write!(out, "a=msid:load {name}\r\n")?;
    if line.kind == Kind::Video {
        write!(
            out,
            "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{rtx} cname:load\r\na=ssrc:{rtx} msid:load {name}\r\n"
        )?;
    }
    write!(out, "a=ssrc:{ssrc} cname:load\r\na=ssrc:{ssrc} msid:load {name}\r\n")
}

/// Reads an answer. Errors say what is missing.
pub fn parse_answer(text: &str) -> Result<Remote, String> {
    let mut credentials = Credentials::default();
    let mut fingerprint = String::new();
    let mut candidates: Vec<SocketAddr> = Vec::new();
    let mut extensions = Extensions::default();
    let mut lines: Vec<RemoteLine> = Vec::new();
    let keep_first = |kept: &mut String, value: &str| {
        if kept.is_empty() {
            value.clone_into(kept);
        }
    };
    for row in text.lines() {
        if let Some(media) = row.strip_prefix("m=") {
            let port = media.split(' ').nth(1).unwrap_or("0");
            lines.push(RemoteLine { accepted: port != "0", ..RemoteLine::default() });
            continue;
        }
        let Some(attribute) = row.strip_prefix("a=") else { continue };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "ice-ufrag" => keep_first(&mut credentials.ufrag, value),
            "ice-pwd" => keep_first(&mut credentials.password, value),
            "fingerprint" => keep_first(&mut fingerprint, value),
            "candidate" => candidates.extend(udp_candidate(value)),
            "extmap" => read_extension(&mut extensions, value),
            _ => {
                if let Some(line) = lines.last_mut() {
                    read_line_attribute(line, name, value);
                }
            }
        }
    }
    if credentials.ufrag.is_empty() || credentials.password.is_empty() || fingerprint.is_empty() {
        return Err("the answer has no ICE credentials or no fingerprint".to_owned());
    }
    let loopback = candidates.iter().find(|address| address.ip().is_loopback());
    let address = *loopback.or(candidates.first()).ok_or("the answer has no UDP candidate over IPv4")?;
    Ok(Remote { credentials, fingerprint, address, extensions, lines })
}

fn udp_candidate(value: &str) -> Option<SocketAddr> {
    let words: Vec<&str> = value.split(' ').collect();
    let ip: IpAddr = words.get(4)?.parse().ok()?;
    let port = words.get(5)?.parse().ok()?;
    let usable = words[1] == "1" && words[2].eq_ignore_ascii_case("udp") && ip.is_ipv4();
    usable.then(|| SocketAddr::new(ip, port))
}

fn read_extension(extensions: &mut Extensions, value: &str) {
    let Some((id, uri)) = value.split_once(' ') else { return };
    let id = id.split('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
    match uri.split(' ').next() {
        Some(uri) if uri == AUDIO_LEVEL.1 => extensions.audio_level = id,
        Some(uri) if uri == TRANSPORT_CC.1 => extensions.transport_cc = id,
        Some(uri) if uri == MID.1 => extensions.mid = id,
        _ => {}
    }
}

fn read_line_attribute(line: &mut RemoteLine, name: &str, value: &str) {
    match name {
        "mid" => value.clone_into(&mut line.mid),
        "inactive" => line.accepted = false,
        "ssrc-group" => {
            let mut words = value.split(' ');
            if words.next() == Some("FID") {
                line.ssrc = words.next().and_then(|word| word.parse().ok());
                line.rtx_ssrc = words.next().and_then(|word| word.parse().ok());
            }
        }
        "ssrc" if line.ssrc.is_none() => {
            line.ssrc = value.split(' ').next().and_then(|word| word.parse().ok());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = "v=0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
            a=fingerprint:sha-256 AA:BB\r\na=setup:passive\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
            a=recvonly\r\na=candidate:1 1 udp 2130706431 192.0.2.1 8801 typ host\r\n\
            a=candidate:2 1 tcp 1 127.0.0.1 8801 typ host tcptype passive\r\n\
            a=candidate:3 1 udp 2130706175 127.0.0.1 8801 typ host\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\na=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\n\
            m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\n";
        let remote = parse_answer(text).unwrap();
        assert_eq!(remote.address, "127.0.0.1:8801".parse().unwrap());
        assert_eq!(remote.extensions, Extensions { audio_level: 1, ..Extensions::default() });
        let seat = RemoteLine { mid: "1".into(), accepted: true, ssrc: Some(11), rtx_ssrc: Some(12) };
        assert_eq!(remote.lines[1], seat);
        assert_eq!(remote.lines.iter().map(|line| line.accepted).collect::<Vec<_>>(), [true, true, false]);
        assert!(parse_answer("v=0\r\n").is_err());
    }

    #[test]
    fn an_offer_names_every_line() {
        let line = |mid: &str, kind, sends| Line { mid: mid.into(), kind, sends };
        let local = Local {
            credentials: Credentials { ufrag: "abcd".into(), password: "p".repeat(24) },
            fingerprint: "sha-256 AA".into(),
            address: "127.1.0.1:5000".parse().unwrap(),
            lines: vec![line("0", Kind::Audio, Some((5, 6))), line("1", Kind::Video, None)],
        };
        let offer = write_offer(&local, 1);
        assert!(offer.contains("a=group:BUNDLE 0 1\r\n"));
        assert_eq!(offer.matches("a=sendonly\r\n").count(), 1);
        assert_eq!(offer.matches("a=recvonly\r\n").count(), 1);
        assert!(offer.contains("a=ssrc:5 cname:load\r\n") && !offer.contains("FID"));
    }
}
