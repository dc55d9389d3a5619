//! The controlling ICE agent of a virtual client with one candidate pair (RFC 8445): nominates at once, keeps consent
//! fresh (RFC 7675), answers the checks of full agents. Knows no sockets.

use std::net::SocketAddr;
use std::time::Duration;

use _dataplane::stun::{self, Message, message_type};
use _dataplane::units::Time;

use crate::sdp::Credentials;

/// Pause after the first check; doubles up to [`LONGEST_PAUSE`]. Browsers begin with about as much.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// RFC 7675 §5.1 asks for 5 s ± 20 %; browsers check twice as often.
const CONSENT_EACH: Duration = Duration::from_millis(2500);
/// RFC 7675 §5.1.
const CONSENT_FOR: Duration = Duration::from_secs(30);
/// RFC 8445 §5.1.2.2: peer-reflexive type preference 110, one address, component 1.
const PRIORITY: u32 = 110 << 24 | 65_535 << 8 | 255;

/// The state of one pair.
pub struct Agent {
    local: Credentials,
    username: String,
    remote_password: String,
    tie_breaker: u64,
    checks: u32,
    next_check: Time,
    pause: Duration,
    /// Consent was last given then; None before the first answer.
    consent: Option<Time>,
}

/// What a datagram did.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first answer: the pair works and is nominated.
    Connected,
    /// To be sent back.
    Reply(Vec<u8>),
    /// Nothing to do.
    Nothing,
}

impl Agent {
    /// Checks begin at `now`. `tie_breaker` should differ between clients.
    pub fn new(now: Time, local: Credentials, remote: &Credentials, tie_breaker: u64) -> Self {
        Self {
            username: format!("{}:{}", remote.ufrag, local.ufrag),
            local,
            remote_password: remote.password.clone(),
            tie_breaker,
            checks: 0,
            next_check: now,
            pause: FIRST_PAUSE,
            consent: None,
        }
    }

    fn transaction(&self, check: u32) -> [u8; 12] {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.tie_breaker.to_be_bytes());
        id[8..].copy_from_slice(&check.to_be_bytes());
        id
    }

    /// When [`Agent::poll`] has something to do.
    pub fn next(&self) -> Time {
        self.next_check
    }

    /// Whether the server has been silent for too long.
    pub fn is_lost(&self, now: Time) -> bool {
        self.consent.is_some_and(|at| now.since(at) > CONSENT_FOR)
    }

    /// The check that is due.
    pub fn poll(&mut self, now: Time) -> Option<Vec<u8>> {
        if now < self.next_check {
            return None;
        }
        self.checks += 1;
        self.next_check = now + if self.consent.is_some() { CONSENT_EACH } else { self.pause };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let mut out = vec![0; 256];
        let id = self.transaction(self.checks);
        let password = self.remote_password.as_bytes();
        let length =
            stun::write_request(&mut out, &id, &self.username, PRIORITY, self.tie_breaker, true, password)
                .ok()?;
        out.truncate(length);
        Some(out)
    }

    /// A STUN datagram came.
    pub fn handle(&mut self, now: Time, datagram: &[u8], from: SocketAddr) -> Outcome {
        let Ok(message) = Message::parse_untrusted(datagram) else { return Outcome::Nothing };
        match message.message_type() {
            message_type::SUCCESS if self.is_answer(&message) => {
                let first = self.consent.replace(now).is_none();
                if first {
                    self.next_check = now + CONSENT_EACH;
                    return Outcome::Connected;
                }
                Outcome::Nothing
            }
            message_type::REQUEST => self.answer(datagram, from).map_or(Outcome::Nothing, Outcome::Reply),
            _ => Outcome::Nothing,
        }
    }

    fn is_answer(&self, message: &Message<'_>) -> bool {
        let id = message.transaction_id();
        let check = u32::from_be_bytes([id[8], id[9], id[10], id[11]]);
        id == self.transaction(check)
            && (1..=self.checks).contains(&check)
            && message.verify(self.remote_password.as_bytes())
    }

    fn answer(&self, datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        let request = stun::parse_request_untrusted(datagram).ok()?;
        let password = self.local.password.as_bytes();
        if !request.verify(datagram, password) {
            return None;
        }
        let mut out = vec![0; stun::MAX_SUCCESS];
        let length = stun::write_success(&mut out, &request.transaction_id, from, password).ok()?;
        out.truncate(length);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(name: &str) -> Credentials {
        Credentials { ufrag: name.to_owned(), password: format!("password-of-{name}-0123456789") }
    }

    #[test]
    fn a_check_is_repeated_until_answered_and_then_keeps_consent() {
        let (mine, theirs) = (credentials("mine"), credentials("theirs"));
        let from: SocketAddr = "127.0.0.1:8801".parse().unwrap();
        let mut agent = Agent::new(Time::from_millis(1000), mine, &theirs, 77);
        let first = agent.poll(Time::from_millis(1000)).unwrap();
        assert_eq!(agent.poll(Time::from_millis(1049)), None);
        let second = agent.poll(Time::from_millis(1050)).unwrap();
        let request = stun::parse_request_untrusted(&first).unwrap();
        assert!(request.verify(&first, theirs.password.as_bytes()) && request.use_candidate);
        assert_eq!(request.username, "theirs:mine");
        assert_ne!(request.transaction_id, stun::parse_request_untrusted(&second).unwrap().transaction_id);

        let mut reply = [0; 100];
        let answer = |reply: &mut [u8], password: &str| {
            stun::write_success(reply, &request.transaction_id, from, password.as_bytes()).unwrap()
        };
        let length = answer(&mut reply, "of somebody else");
        assert_eq!(agent.handle(Time::from_millis(1060), &reply[..length], from), Outcome::Nothing);
        let length = answer(&mut reply, &theirs.password);
        assert_eq!(agent.handle(Time::from_millis(1060), &reply[..length], from), Outcome::Connected);
        assert_eq!(agent.handle(Time::from_millis(1061), &reply[..length], from), Outcome::Nothing);
        assert_eq!(agent.next(), Time::from_millis(3560));
        assert!(!agent.is_lost(Time::from_millis(31_000)) && agent.is_lost(Time::from_millis(31_062)));
    }

    #[test]
    fn a_full_agent_is_answered() {
        let (mine, theirs) = (credentials("mine"), credentials("theirs"));
        let from: SocketAddr = "127.0.0.1:8801".parse().unwrap();
        let mut agent = Agent::new(Time(1), mine.clone(), &theirs, 77);
        let mut out = [0; 256];
        let mut check = |password: &str| {
            let length =
                stun::write_request(&mut out, &[3; 12], "mine:theirs", 1, 5, false, password.as_bytes())
                    .unwrap();
            out[..length].to_vec()
        };
        let good = check(&mine.password);
        let Outcome::Reply(reply) = agent.handle(Time(2), &good, from) else { panic!("no reply") };
        let message = Message::parse_untrusted(&reply).unwrap();
        assert!(message.verify(mine.password.as_bytes()));
        assert_eq!(message.xor_mapped_address(), Some(from));
        assert_eq!(agent.handle(Time(2), &check("of somebody else"), from), Outcome::Nothing);
    }
}
