//! Where a datagram came from and goes to, and which of these a session trusts.

use std::net::{IpAddr, SocketAddr};

use crate::units::Time;

/// A five-tuple as the shell sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Path {
    /// A UDP address pair: replies leave from the address that was asked.
    Udp {
        /// Index of the bound socket.
        socket: u8,
        /// Address of ours that the peer sent to.
        local: IpAddr,
        /// The peer.
        remote: SocketAddr,
    },
    /// A TCP connection (RFC 6544, framed by RFC 4571).
    Tcp {
        /// Number of the connection, never used again.
        connection: u64,
        /// The peer.
        remote: SocketAddr,
    },
}

impl Path {
    /// The peer's address.
    pub fn remote(&self) -> SocketAddr {
        match self {
            Path::Udp { remote, .. } | Path::Tcp { remote, .. } => *remote,
        }
    }

    /// What the link carries beside each of our packets: IPv4 (RFC 791) or IPv6 (RFC 8200), and UDP or, as if each packet
    /// were a segment, TCP with time stamps (RFC 7323) and the frame's length (RFC 4571). An estimate without it would be
    /// a tenth below what the link carries in small packets.
    pub fn overhead(&self) -> usize {
        let ip = if self.remote().ip().to_canonical().is_ipv4() { 20 } else { 40 };
        ip + if self.is_tcp() { 32 + 2 } else { 8 }
    }

    /// True for a TCP connection.
    pub fn is_tcp(&self) -> bool {
        matches!(self, Path::Tcp { .. })
    }
}

/// Validated paths that a session keeps. A browser with several interfaces, both address families and TCP has about
/// six; more only helps somebody who wants our table full (MEDIA-NOTES §7: tuples per session capped).
pub const MAX_PATHS: usize = 8;

/// RFC 7675 §5.1: consent ends 30 s after the last answered, here authenticated, check.
pub const CONSENT_US: u64 = 30_000_000;

#[derive(Clone, Copy, Debug)]
struct Validated {
    path: Path,
    last_check: Time,
}

/// The paths of a session that passed a connectivity check, and the one in use.
#[derive(Default, Debug)]
pub struct Paths {
    validated: Vec<Validated>,
    selected: Option<Path>,
}

/// What a check changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anybody else needs to know.
    None,
    /// The session had no path before.
    Connected(Path),
    /// Packets leave on another path from now on.
    Moved(Path),
}

impl Paths {
    /// Takes an authenticated check in. The first path is used at once, later ones when the peer nominates them
    /// (RFC 8445 §7.3.1.5); the latest nomination wins. Returns what changed and the path that was forgotten for it.
    pub fn on_check(&mut self, now: Time, path: Path, nominated: bool) -> (Change, Option<Path>) {
        let mut forgotten = None;
        match self.validated.iter_mut().find(|v| v.path == path) {
            Some(known) => known.last_check = now,
            None => {
                if self.validated.len() >= MAX_PATHS {
                    let selected = self.selected;
                    let oldest = self
                        .validated
                        .iter()
                        .enumerate()
                        .filter(|(_, v)| Some(v.path) != selected)
                        .min_by_key(|(_, v)| v.last_check)
                        .map(|(i, _)| i);
                    if let Some(oldest) = oldest {
                        forgotten = Some(self.validated.swap_remove(oldest).path);
                    }
                }
                self.validated.push(Validated { path, last_check: now });
            }
        }
        let change = match self.selected {
            None => Change::Connected(path),
            Some(selected) if nominated && selected != path => Change::Moved(path),
            Some(_) => return (Change::None, forgotten),
        };
        self.selected = Some(path);
        (change, forgotten)
    }

    /// Where packets leave.
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// Forgets one path (its connection closed). Falls back to the path checked last, if any is left.
    pub fn forget(&mut self, path: Path) -> Change {
        self.validated.retain(|v| v.path != path);
        if self.selected != Some(path) {
            return Change::None;
        }
        self.selected = self.validated.iter().max_by_key(|v| v.last_check).map(|v| v.path);
        self.selected.map_or(Change::None, Change::Moved)
    }

    /// When a check was last seen on any path.
    pub fn last_check(&self) -> Option<Time> {
        self.validated.iter().map(|v| v.last_check).max()
    }

    /// Forgets everything and returns the paths that were known.
    pub fn clear(&mut self) -> Vec<Path> {
        self.selected = None;
        self.validated.drain(..).map(|v| v.path).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        let local = "192.0.2.1".parse().unwrap();
        Path::Udp { socket: 0, local, remote: SocketAddr::new("198.51.100.9".parse().unwrap(), port) }
    }

    #[test]
    fn the_latest_nomination_wins_and_the_table_is_bounded() {
        let mut paths = Paths::default();
        assert_eq!(paths.on_check(Time(1), path(1), false).0, Change::Connected(path(1)));
        assert_eq!(paths.on_check(Time(2), path(2), false).0, Change::None);
        assert_eq!(paths.on_check(Time(3), path(2), true).0, Change::Moved(path(2)));
        assert_eq!(paths.on_check(Time(4), path(1), true).0, Change::Moved(path(1)));
        let mut forgotten = 0;
        for port in 10..1000 {
            forgotten += usize::from(paths.on_check(Time(u64::from(port)), path(port), false).1.is_some());
        }
        assert_eq!(paths.validated.len(), MAX_PATHS);
        assert_eq!(forgotten, 990 - (MAX_PATHS - 2));
        assert_eq!(paths.selected(), Some(path(1)));
    }

    #[test]
    fn a_closed_connection_falls_back_to_the_path_checked_last() {
        let mut paths = Paths::default();
        for (at, port) in [(1, 1), (2, 2), (3, 3)] {
            paths.on_check(Time(at), path(port), port == 1);
        }
        assert_eq!(paths.forget(path(2)), Change::None);
        assert_eq!(paths.forget(path(1)), Change::Moved(path(3)));
        assert_eq!(paths.forget(path(3)), Change::None);
        assert_eq!((paths.selected(), paths.last_check()), (None, None));
    }
}
