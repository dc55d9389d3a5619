//! ICE-lite (RFC 8445 §2.5): answers connectivity checks, learns paths from the authenticated ones, ends consent.

use std::net::SocketAddr;

use super::Engine;
use super::arena::Key;
use super::bandwidth::allocation::Holds;
use super::path::{CONSENT_US, Change, Path};
use super::session::Session;
use crate::event::Event;
use crate::stun::{self, Message, StunError, attribute};
use crate::units::Time;

/// Longest answer: an error of ours with its reason and unknown attributes, signed. An answer that would be longer than
/// the request is not sent, so that we are nobody's amplifier, not even for whom knows a password: a check holds PRIORITY
/// and a role (RFC 8445 §7.1.1) and is longer than any answer to it.
const MAX_REPLY: usize = 128;

impl Engine {
    pub(super) fn on_stun(&mut self, now: Time, path: Path, datagram: &[u8]) {
        self.counters.stun_in += 1;
        if !self.try_check(now, path, datagram) {
            self.counters.stun_rejected += 1;
        }
    }

    /// False for a message that was refused. Nothing is learnt and nothing is sent before the integrity is checked: an
    /// address that is not the peer's cannot make us answer, remember or allocate.
    fn try_check(&mut self, now: Time, path: Path, datagram: &[u8]) -> bool {
        let request = match stun::parse_request_untrusted(datagram) {
            Ok(request) => request,
            Err(StunError::UnknownAttributes { transaction_id, types, count }) => {
                return self.answer_unknown(path, datagram, &transaction_id, &types[..count]);
            }
            Err(StunError::NotBindingRequest(kind)) => return kind == stun::message_type::INDICATION,
            Err(_) => return false,
        };
        let Some(key) = self.ufrags.get(request.local_ufrag()).copied() else { return false };
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let Some(password) = session.password_of(request.local_ufrag()) else { return false };
        if !request.verify(datagram, password.as_bytes()) {
            return false;
        }
        let most = MAX_REPLY.min(datagram.len());
        if request.ice_controlled.is_some() {
            // RFC 8445 §7.3.1.1: a lite agent is always controlled, so the peer must switch
            self.outbox.push_with(path, most, |out| {
                let (id, password) = (&request.transaction_id, Some(password.as_bytes()));
                stun::write_error(out, id, 487, "Role Conflict", &[], password).ok()
            });
            return true;
        }
        let (id, mapped): (_, SocketAddr) = (&request.transaction_id, path.remote());
        self.outbox
            .push_with(path, most, |out| stun::write_success(out, id, mapped, password.as_bytes()).ok());
        let renewed = request.local_ufrag() == session.credentials.ufrag;
        // checks with the credentials from before a restart keep the old path alive and move nothing
        let nominated = request.use_candidate && (renewed || session.previous.is_none());
        self.learn(now, key, path, nominated, renewed);
        true
    }

    fn learn(&mut self, now: Time, key: Key<Session>, path: Path, nominated: bool, renewed: bool) {
        let former = self.paths.insert(path, key).filter(|owner| *owner != key);
        if let Some(owner) = former {
            // the same address pair now authenticates as another session: a page that was reloaded
            let bereft = self.sessions.get_mut(owner).is_some_and(|former| {
                former.paths.forget(path);
                former.paths.selected().is_none()
            });
            if bereft {
                self.lose(owner);
            }
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (change, forgotten) = session.paths.on_check(now, path, nominated);
        if nominated
            && renewed
            && let Some(old) = session.previous.take()
        {
            self.ufrags.remove(&old.ufrag);
        }
        if let Some(forgotten) = forgotten {
            self.paths.remove(&forgotten);
        }
        match change {
            Change::None => {}
            Change::Connected(path) => {
                let (session, address, tcp) = (session.id, path.remote().to_string(), path.is_tcp());
                self.events.push(Event::SessionConnected { session, address, tcp });
                self.due.wake(key);
                self.restart_consumers(key);
                self.begin_link(key);
            }
            Change::Moved(path) => {
                self.events.push(super::path_changed(session.id, path));
                self.begin_link(key);
            }
        }
    }

    /// Packets take another path from now on: what was found out about the one before says nothing about it.
    pub(super) fn begin_link(&mut self, key: Key<Session>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.bandwidth.restart();
        session.round_trip = Default::default();
        session.division.due = Time(0);
        for consumer in &session.consumers {
            if let Some(consumer) = self.consumers.get_mut(*consumer) {
                consumer.holds = Holds::default();
            }
        }
        self.due.wake(key);
    }

    fn answer_unknown(&mut self, path: Path, datagram: &[u8], id: &[u8; 12], unknown: &[u16]) -> bool {
        let Ok(message) = Message::parse_untrusted(datagram) else { return false };
        let Some((_, username)) = message.attributes().find(|(kind, _)| *kind == attribute::USERNAME) else {
            return false;
        };
        let Ok(username) = std::str::from_utf8(username) else { return false };
        let ufrag = username.split(':').next().unwrap_or("");
        let Some(session) = self.ufrags.get(ufrag).and_then(|key| self.sessions.get(*key)) else {
            return false;
        };
        let Some(password) = session.password_of(ufrag).map(str::as_bytes) else { return false };
        if !message.verify(password) {
            return false;
        }
        // RFC 8489 §6.3.1
        self.outbox.push_with(path, MAX_REPLY.min(datagram.len()), |out| {
            stun::write_error(out, id, 420, "Unknown Attribute", unknown, Some(password)).ok()
        });
        true
    }

    /// RFC 7675 §5.1: no consent for 30 s.
    pub(super) fn check_consent(&mut self, now: Time, key: Key<Session>) {
        let Some(session) = self.sessions.get(key) else { return };
        if session.paths.last_check().is_some_and(|last| now.0 > last.0 + CONSENT_US) {
            self.lose(key);
        }
    }

    /// Forgets the paths of a session and says so. What it published counts as stalled by itself.
    pub(super) fn lose(&mut self, key: Key<Session>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for path in session.paths.clear() {
            self.paths.remove(&path);
        }
        self.events.push(Event::SessionLost { session: session.id });
    }
}

impl Session {
    fn password_of(&self, ufrag: &str) -> Option<&str> {
        [Some(&self.credentials), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|c| c.ufrag == ufrag)
            .map(|c| c.password.as_str())
    }
}
