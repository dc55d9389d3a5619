//! Many datagrams with one system call: `recvmmsg`, `sendmmsg`, `UDP_SEGMENT` on the way out and `UDP_GRO` on the way in.

use std::io::{ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::slice::ChunksMut;

use libc::c_int;

use super::{BATCH, DATAGRAM, Udp, check, from_kernel, to_kernel};

/// Room for two control messages: PKTINFO of either family (40 bytes for IPv6) and UDP_SEGMENT or UDP_GRO (24).
const CONTROL: usize = 64;

/// One message for the kernel: a datagram, or several of equal size for one address.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// The datagrams, one behind the other.
    pub bytes: &'a [u8],
    /// Bytes of each of them; the last one may be shorter. With as many as there are or more, it is one datagram.
    pub segment: usize,
}

impl<'a> Message<'a> {
    /// One datagram.
    pub fn datagram(local: IpAddr, remote: SocketAddr, bytes: &'a [u8]) -> Self {
        Self { local, remote, bytes, segment: bytes.len() }
    }

    /// Whether the kernel has to cut it (linux/udp.h, UDP_SEGMENT).
    pub fn is_segmented(&self) -> bool {
        self.bytes.len() > self.segment
    }

    /// Its datagrams, each as a message of its own.
    pub fn datagrams(&self) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let Self { local, remote, .. } = *self;
        self.bytes.chunks(self.segment.max(1)).map(move |bytes| Self::datagram(local, remote, bytes))
    }
}

/// Aligned as a control message header must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Runs taken with one system call: with 64 datagrams each, more than the socket's turn.
const RUNS: usize = 32;
/// Bytes of a run, what IP carries at most, and some cache lines: slots that lie 64 kB apart would all begin in the same
/// sets of the caches.
const RUN: usize = 65_536 + 33 * 64;

/// Memory for one `recvmmsg` or `sendmmsg`: headers, names and control messages, and for receiving the data.
pub struct Batch {
    data: Vec<u8>,
    /// Bytes of a message's slot in `data`.
    slot: usize,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in it go into its own vectors, are set anew by every call and read by that call only.
unsafe impl Send for Batch {}

impl Batch {
    /// For receiving datagrams.
    pub fn for_receiving() -> Self {
        Self { data: vec![0; BATCH * DATAGRAM], slot: DATAGRAM, ..Self::for_sending() }
    }

    /// For receiving runs of datagrams: 2 MB of addresses, of which the kernel gives what is written to.
    pub fn for_runs() -> Self {
        Self { data: vec![0; RUNS * RUN], slot: RUN, ..Self::for_sending() }
    }

    /// Messages that one `receive` takes at most.
    pub fn room(&self) -> usize {
        (self.data.len() / self.slot).min(BATCH)
    }

    /// For sending.
    pub fn for_sending() -> Self {
        Self {
            data: Vec::new(),
            slot: DATAGRAM,
            names: vec![unsafe { zeroed() }; BATCH],
            controls: vec![Control([0; CONTROL]); BATCH],
            vectors: vec![unsafe { zeroed() }; BATCH],
            headers: vec![unsafe { zeroed() }; BATCH],
        }
    }

    /// Takes up to `room` messages without blocking. Errors: whatever the kernel reports but "nothing there".
    pub fn receive(&mut self, socket: &Udp) -> Result<usize> {
        let room = self.room();
        for i in 0..room {
            let slot = &mut self.data[i * self.slot..(i + 1) * self.slot];
            self.vectors[i] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
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
            unsafe { libc::recvmmsg(socket.raw(), headers, room as u32, flags, std::ptr::null_mut()) };
        match check(count) {
            Ok(count) => Ok(count as usize),
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::Interrupted => {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Message `i` of the last `receive`: (our address, the peer's, its datagrams). None if it was cut off, came without
    /// addresses, or has datagrams longer than `DATAGRAM`.
    pub fn datagrams(&mut self, i: usize, socket: &Udp) -> Option<(IpAddr, SocketAddr, ChunksMut<'_, u8>)> {
        let header = &self.headers[i];
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let remote = from_kernel(&self.names[i])?;
        let (local, segment) = told(&header.msg_hdr);
        let len = (header.msg_len as usize).min(self.slot);
        // never longer than the message, and never zero
        let segment = segment.map_or(len, |segment| segment.min(len)).max(1);
        let bytes = &mut self.data[i * self.slot..i * self.slot + len];
        (segment <= DATAGRAM).then(|| (local.unwrap_or(socket.bound.ip()), remote, bytes.chunks_mut(segment)))
    }

    /// Message `i` of a socket whose datagrams come singly: (our address, the peer's, bytes). None as for `datagrams`, or
    /// if it is empty.
    pub fn datagram(&mut self, i: usize, socket: &Udp) -> Option<(IpAddr, SocketAddr, &mut [u8])> {
        let (local, remote, mut datagrams) = self.datagrams(i, socket)?;
        Some((local, remote, datagrams.next()?))
    }

    /// Gives up to `BATCH` messages to the kernel. Returns how many it took. Errors: why it did not take the first one.
    pub fn send(&mut self, socket: &Udp, messages: &[Message<'_>]) -> Result<usize> {
        let count = messages.len().min(BATCH);
        for (i, message) in messages[..count].iter().enumerate() {
            let (name, length) = to_kernel(message.remote);
            let bytes = message.bytes;
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
            // a socket bound to the address sends from it unasked
            let bound = message.local == socket.bound.ip();
            let mut written = if bound { 0 } else { write_local(header, message.local) };
            if message.is_segmented() {
                written += write_segment(header, written, message.segment);
            }
            header.msg_controllen = written;
        }
        let headers = self.headers.as_mut_ptr();
        let sent = unsafe { libc::sendmmsg(socket.raw(), headers, count as u32, libc::MSG_DONTWAIT) };
        check(sent).map(|sent| sent as usize)
    }
}

/// What control messages tell: our address, and the size of each datagram of a run.
fn told(header: &libc::msghdr) -> (Option<IpAddr>, Option<usize>) {
    let (mut local, mut segment) = (None, None);
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while let Some(control) = unsafe { message.as_ref() } {
        let data = unsafe { libc::CMSG_DATA(message) };
        match (control.cmsg_level, control.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                local = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
                local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            // an int (linux/udp.h)
            (libc::SOL_UDP, libc::UDP_GRO) => {
                segment = usize::try_from(unsafe { data.cast::<c_int>().read_unaligned() }).ok();
            }
            _ => {}
        }
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    (local, segment)
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

/// Writes the size of each datagram as a control message behind the first `at` bytes of them; returns its length. Not
/// by CMSG_NXTHDR, which would believe the length that an earlier batch left there.
fn write_segment(header: &libc::msghdr, at: usize, segment: usize) -> usize {
    let size = size_of::<u16>() as u32;
    unsafe {
        let message = header.msg_control.cast::<u8>().add(at).cast::<libc::cmsghdr>();
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(size) as usize;
        libc::CMSG_DATA(message).cast::<u16>().write_unaligned(segment as u16);
        libc::CMSG_SPACE(size) as usize
    }
}
