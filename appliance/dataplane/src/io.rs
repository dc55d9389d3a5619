//! System calls: UDP with address information, eventfd, epoll, thread CPU time. This file and its own modules are the
//! only ones with `unsafe`.
//!
//! Every unsafe block hands the kernel pointers into vectors that outlive the call and lengths taken from them.
#![allow(unsafe_code)]

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_void};

mod batch;

pub use batch::{Batch, Message};

/// Bytes kept of one datagram: Ethernet's 1500 and room for jumbo senders to be told apart (they are cut off and
/// dropped). The rest of the slot is where SRTP appends.
pub const DATAGRAM: usize = 2048;
/// Datagrams taken or given with one system call.
pub const BATCH: usize = 64;
/// Socket buffers in bytes: 0.2 s of 300 Mbit/s. The kernel doubles and then caps it by `net.core.rmem_max`.
const SOCKET_BUFFER: c_int = 8 << 20;

fn check(result: c_int) -> Result<c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

fn set_option(fd: RawFd, level: c_int, name: c_int, value: c_int) -> Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast::<c_void>(), length) }).map(drop)
}

/// A counter in the kernel that makes a descriptor readable.
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A lowered one. Errors: no descriptor left.
    pub fn new() -> Result<Self> {
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Makes it readable. Cannot fail: the counter would have to reach 2⁶⁴ − 2.
    pub fn raise(&self) {
        let one = 1u64.to_ne_bytes();
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it unreadable.
    pub fn clear(&self) {
        let mut count = [0u8; 8];
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Whether it is readable now.
    pub fn is_raised(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.raw(), events: libc::POLLIN, revents: 0 };
        (unsafe { libc::poll(&raw mut poll, 1, 0) }) > 0
    }

    /// The descriptor; stays ours.
    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// epoll, level-triggered.
pub struct Poller {
    fd: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Number it was added under.
    pub token: u64,
    /// Can be read, or is closed or broken.
    pub readable: bool,
    /// Can be written.
    pub writable: bool,
}

impl Poller {
    /// An empty one. Errors: no descriptor left.
    pub fn new() -> Result<Self> {
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        let ready = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, ready })
    }

    fn control(&self, operation: c_int, fd: RawFd, token: u64, writable: bool) -> Result<()> {
        let events = (libc::EPOLLIN | if writable { libc::EPOLLOUT } else { 0 }) as u32;
        let mut event = libc::epoll_event { events, u64: token };
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd, &raw mut event) }).map(drop)
    }

    /// Watches a descriptor for reading; closing it ends the watch.
    pub fn add(&self, fd: RawFd, token: u64) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, false)
    }

    /// Watches it for writing too, or no longer.
    pub fn want_write(&self, fd: RawFd, token: u64, wanted: bool) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, wanted)
    }

    /// Waits for the first ready descriptor or the time-out (milliseconds, None for ever). An interruption by a signal
    /// counts as a time-out.
    pub fn wait(&mut self, timeout_ms: Option<u32>, out: &mut Vec<Ready>) -> Result<()> {
        let timeout = timeout_ms.map_or(-1, |t| t.min(i32::MAX as u32) as c_int);
        let room = self.ready.len() as c_int;
        let count = match check(unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), self.ready.as_mut_ptr(), room, timeout)
        }) {
            Ok(count) => count as usize,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        out.clear();
        out.extend(self.ready[..count].iter().map(|e| Ready {
            token: e.u64,
            readable: e.events & !(libc::EPOLLOUT as u32) != 0,
            writable: e.events & libc::EPOLLOUT as u32 != 0,
        }));
        Ok(())
    }
}

/// CPU time of the calling thread in seconds.
pub fn thread_cpu_s() -> f64 {
    let mut time: libc::timespec = unsafe { zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// A bound UDP socket that knows which of our addresses a datagram was sent to.
pub struct Udp {
    socket: UdpSocket,
    bound: SocketAddr,
    coalesced: bool,
}

impl Udp {
    /// Binds without ever blocking later. Errors: as the kernel says.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let domain = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = check(unsafe { libc::socket(domain, kind, 0) })?;
        let socket = unsafe { UdpSocket::from_raw_fd(fd) };
        if address.is_ipv4() {
            set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            // what is never fragmented needs no identification (RFC 6864 §4.1), for which the kernel hashes and misses
            // the cache twice: measured, 200 to 290 ns of 4.2 µs a message
            set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)?;
        } else {
            // the IPv4 twin has its own socket, and "::" must not take its port away
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        }
        for (force, plain) in
            [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            if set_option(fd, libc::SOL_SOCKET, force, SOCKET_BUFFER).is_err() {
                set_option(fd, libc::SOL_SOCKET, plain, SOCKET_BUFFER)?; // without CAP_NET_ADMIN: up to rmem_max
            }
        }
        let (name, length) = to_kernel(address);
        check(unsafe { libc::bind(fd, (&raw const name).cast(), length) })?;
        let bound = socket.local_addr()?;
        Ok(Self { socket, bound, coalesced: false })
    }

    /// Asks the kernel for runs of equal datagrams of one sender whole (UDP_GRO, Linux 5.0), whatever it does: where it
    /// refuses, datagrams come singly. Receive with [`Batch::for_runs`] then.
    pub fn coalesce(&mut self) {
        self.coalesced = set_option(self.raw(), libc::SOL_UDP, libc::UDP_GRO, 1).is_ok();
    }

    /// From now on the kernel may cut datagrams that are longer than a path takes, as it does by default. To be called
    /// once it refused one (EMSGSIZE).
    pub fn allow_fragments(&self) {
        if self.bound.is_ipv4() {
            // cannot fail: the option and the value are there since Linux 2.2
            let _ = set_option(self.raw(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT);
        }
    }

    /// Whether the kernel may cut datagrams.
    #[cfg(test)]
    pub fn allows_fragments(&self) -> bool {
        let (mut value, mut length) = (0, size_of::<c_int>() as libc::socklen_t);
        let (level, name) = (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER);
        let to = (&raw mut value).cast::<c_void>();
        check(unsafe { libc::getsockopt(self.raw(), level, name, to, &raw mut length) }).unwrap();
        value == libc::IP_PMTUDISC_WANT
    }

    /// Whether runs may come whole.
    pub fn is_coalesced(&self) -> bool {
        self.coalesced
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound
    }

    /// The descriptor; stays ours.
    pub fn raw(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A listening TCP socket whose port may be taken again at once after a restart, and whose IPv6 wildcard leaves the
/// IPv4 one alone. Errors: as the kernel says.
pub fn listen_tcp(address: SocketAddr) -> Result<TcpListener> {
    let domain = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let fd = check(unsafe { libc::socket(domain, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if address.is_ipv6() {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    let (name, length) = to_kernel(address);
    check(unsafe { libc::bind(fd, (&raw const name).cast(), length) })?;
    check(unsafe { libc::listen(fd, 128) })?;
    Ok(listener)
}

fn to_kernel(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let length = match address {
        SocketAddr::V4(v4) => {
            let name = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = v4.port().to_be();
            name.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let name = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = v6.port().to_be();
            name.sin6_addr.s6_addr = v6.ip().octets();
            name.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, length as libc::socklen_t)
}

fn from_kernel(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            let name = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            let name = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "io_tests.rs"]
mod tests;
