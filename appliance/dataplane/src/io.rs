//! System calls: UDP with address information, eventfd, epoll, thread CPU time. The only file with `unsafe`.
//!
//! Every unsafe block hands the kernel pointers into vectors that outlive the call and lengths taken from them.
#![allow(unsafe_code)]

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_void};

/// Bytes kept of one datagram: Ethernet's 1500 and room for jumbo senders to be told apart (they are cut off and
/// dropped). The rest of the slot is where SRTP appends.
pub const DATAGRAM: usize = 2048;
/// Datagrams taken or given with one system call.
pub const BATCH: usize = 64;
/// Socket buffers in bytes: 0.2 s of 300 Mbit/s. The kernel doubles and then caps it by `net.core.rmem_max`.
const SOCKET_BUFFER: c_int = 8 << 20;
/// Room for one control message: PKTINFO of either family.
const CONTROL: usize = 64;

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
        Ok(Self { socket, bound })
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

/// Aligned as a control message header must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Memory for one `recvmmsg` or `sendmmsg`: headers, names and control messages, and for receiving the data.
pub struct Batch {
    data: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in it go into its own vectors, are set anew by every call and read by that call only.
unsafe impl Send for Batch {}

impl Batch {
    /// For receiving.
    pub fn for_receiving() -> Self {
        Self { data: vec![0; BATCH * DATAGRAM], ..Self::for_sending() }
    }

    /// For sending.
    pub fn for_sending() -> Self {
        Self {
            data: Vec::new(),
            names: vec![unsafe { zeroed() }; BATCH],
            controls: vec![Control([0; CONTROL]); BATCH],
            vectors: vec![unsafe { zeroed() }; BATCH],
            headers: vec![unsafe { zeroed() }; BATCH],
        }
    }

    /// Takes up to `BATCH` datagrams without blocking. Errors: whatever the kernel reports but "nothing there".
    pub fn receive(&mut self, socket: &Udp) -> Result<usize> {
        for i in 0..BATCH {
            let start = &mut self.data[i * DATAGRAM];
            self.vectors[i] = libc::iovec { iov_base: (&raw mut *start).cast(), iov_len: DATAGRAM };
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = CONTROL;
            header.msg_flags = 0;
        }
        let flags = libc::MSG_DONTWAIT;
        let headers = self.headers.as_mut_ptr();
        let count =
            unsafe { libc::recvmmsg(socket.raw(), headers, BATCH as u32, flags, std::ptr::null_mut()) };
        match check(count) {
            Ok(count) => Ok(count as usize),
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::Interrupted => {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Datagram `i` of the last `receive`: (our address, the peer's, bytes). None if it was cut off or came without
    /// addresses.
    pub fn datagram(&mut self, i: usize, socket: &Udp) -> Option<(IpAddr, SocketAddr, &mut [u8])> {
        let header = &self.headers[i];
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let remote = from_kernel(&self.names[i])?;
        let local = local_of(&header.msg_hdr).unwrap_or(socket.bound.ip());
        let len = (header.msg_len as usize).min(DATAGRAM);
        Some((local, remote, &mut self.data[i * DATAGRAM..i * DATAGRAM + len]))
    }

    /// Gives up to `BATCH` datagrams to the kernel: (our address, the peer's, bytes). Returns how many it took. Errors:
    /// why it did not take the first one.
    pub fn send(&mut self, socket: &Udp, datagrams: &[(IpAddr, SocketAddr, &[u8])]) -> Result<usize> {
        let count = datagrams.len().min(BATCH);
        for (i, (local, remote, bytes)) in datagrams[..count].iter().enumerate() {
            let (name, length) = to_kernel(*remote);
            self.names[i] = name;
            self.vectors[i] =
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = length;
            header.msg_iov = &raw mut self.vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = CONTROL;
            header.msg_controllen = write_local(header, *local);
        }
        let headers = self.headers.as_mut_ptr();
        let sent = unsafe { libc::sendmmsg(socket.raw(), headers, count as u32, libc::MSG_DONTWAIT) };
        check(sent).map(|sent| sent as usize)
    }
}

fn local_of(header: &libc::msghdr) -> Option<IpAddr> {
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while let Some(control) = unsafe { message.as_ref() } {
        let data = unsafe { libc::CMSG_DATA(message) };
        match (control.cmsg_level, control.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                return Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => message = unsafe { libc::CMSG_NXTHDR(header, message) },
        }
    }
    None
}

/// Writes the address to send from as the only control message of `header`; returns the length of all of them. The
/// interface is left to the routing table.
fn write_local(header: &libc::msghdr, local: IpAddr) -> usize {
    let message = unsafe { libc::CMSG_FIRSTHDR(header) };
    let put = |level: c_int, kind: c_int, size: usize, write: &dyn Fn(*mut u8)| unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size as u32) as usize;
        write(libc::CMSG_DATA(message));
        libc::CMSG_SPACE(size as u32) as usize
    };
    match local {
        IpAddr::V4(ip) => {
            let mut info: libc::in_pktinfo = unsafe { zeroed() };
            info.ipi_spec_dst.s_addr = u32::from_ne_bytes(ip.octets());
            put(libc::IPPROTO_IP, libc::IP_PKTINFO, size_of::<libc::in_pktinfo>(), &|data| unsafe {
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
            })
        }
        IpAddr::V6(ip) => {
            let mut info: libc::in6_pktinfo = unsafe { zeroed() };
            info.ipi6_addr.s6_addr = ip.octets();
            put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of::<libc::in6_pktinfo>(), &|data| unsafe {
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
            })
        }
    }
}

#[cfg(test)]
#[path = "io_tests.rs"]
mod tests;
