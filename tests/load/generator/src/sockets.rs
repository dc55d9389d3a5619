//! Receiving for all clients on one UDP socket: many datagrams a call, runs of equal datagrams whole (GRO), each with
//! the local address it was sent to, the kernel's time of arrival, and the count of what the socket had to drop.
//!
//! The only file with `unsafe`: every block hands the kernel pointers into vectors that outlive the call and lengths
//! taken from them. Sending and waiting are the data plane's own `io`.
//!
//! Rejected: a socket for each client (an epoll entry and a system call for each), and receiving without GRO: a server
//! that sends with `UDP_SEGMENT` would be charged for the kernel's cutting, which a network card does elsewhere.
#![allow(unsafe_code)]

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::RawFd;

use libc::{c_int, c_void};

/// Messages taken with one call.
const MESSAGES: usize = 32;
/// The kernel joins up to 64 kB (`udp(7)`, UDP_GRO).
const MESSAGE: usize = 65_536;
/// Room for PKTINFO, a timestamp, a segment size and a drop count.
const CONTROL: usize = 192;
/// Half a second of 500 Mbit/s; the generator must not be what loses.
const RECEIVE_BUFFER: c_int = 64 << 20;

/// One message: a datagram, or a run of datagrams of `segment` bytes each (the last may be shorter).
pub struct Message<'a> {
    /// Our address.
    pub local: Ipv4Addr,
    /// The sender's.
    pub remote: SocketAddr,
    /// Wall clock in microseconds when the kernel queued it.
    pub at_us: u64,
    /// Bytes of each datagram.
    pub segment: usize,
    /// All of them.
    pub bytes: &'a mut [u8],
}

/// Aligned as a control message header must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Memory of one `recvmmsg`.
pub struct Receiver {
    fd: RawFd,
    data: Vec<u8>,
    names: Vec<libc::sockaddr_in>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    drops: u32,
}

// SAFETY: the pointers in it go into its own vectors, are set anew by every call and read by that call only.
unsafe impl Send for Receiver {}

fn set_option(fd: RawFd, level: c_int, name: c_int, value: c_int) -> Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    let done = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast::<c_void>(), length) };
    if done < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

impl Receiver {
    /// For a bound IPv4 socket with IP_PKTINFO; sets its options. Errors: as the kernel says.
    pub fn new(fd: RawFd) -> Result<Self> {
        set_option(fd, libc::SOL_UDP, libc::UDP_GRO, 1)?;
        set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
        if set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER).is_err() {
            set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)?; // up to net.core.rmem_max
        }
        Ok(Self {
            fd,
            data: vec![0; MESSAGES * MESSAGE],
            names: vec![unsafe { zeroed() }; MESSAGES],
            controls: vec![Control([0; CONTROL]); MESSAGES],
            vectors: vec![unsafe { zeroed() }; MESSAGES],
            headers: vec![unsafe { zeroed() }; MESSAGES],
            drops: 0,
        })
    }

    /// Datagrams that the socket had no room for since it was bound.
    pub fn drops(&self) -> u32 {
        self.drops
    }

    /// Takes what is there, up to a batch, without blocking; returns the number of messages. Errors: whatever the
    /// kernel reports but "nothing there".
    pub fn receive(&mut self) -> Result<usize> {
        for i in 0..MESSAGES {
            let start = &mut self.data[i * MESSAGE];
            self.vectors[i] = libc::iovec { iov_base: (&raw mut *start).cast(), iov_len: MESSAGE };
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_iov = &raw mut self.vectors[i];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[i]).cast();
            header.msg_controllen = CONTROL;
            header.msg_flags = 0;
        }
        let headers = self.headers.as_mut_ptr();
        let flags = libc::MSG_DONTWAIT;
        let count = unsafe { libc::recvmmsg(self.fd, headers, MESSAGES as u32, flags, std::ptr::null_mut()) };
        if count >= 0 {
            return Ok(count as usize);
        }
        match Error::last_os_error() {
            error if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            error => Err(error),
        }
    }

    /// Message `i` of the last `receive`; None if it came without an address of ours.
    pub fn message(&mut self, i: usize) -> Option<Message<'_>> {
        let length = (self.headers[i].msg_len as usize).min(MESSAGE);
        let header = &self.headers[i].msg_hdr;
        let (mut local, mut at_us, mut segment) = (None, 0, length);
        let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
        while let Some(control) = unsafe { next.as_ref() } {
            let data = unsafe { libc::CMSG_DATA(next) };
            match (control.cmsg_level, control.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
                    local = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()));
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = unsafe { data.cast::<libc::timespec>().read_unaligned() };
                    at_us = time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000;
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    segment = unsafe { data.cast::<c_int>().read_unaligned() } as usize;
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    self.drops = unsafe { data.cast::<u32>().read_unaligned() };
                }
                _ => {}
            }
            next = unsafe { libc::CMSG_NXTHDR(header, next) };
        }
        let name = &self.names[i];
        let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
        let remote = SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into();
        let bytes = &mut self.data[i * MESSAGE..i * MESSAGE + length];
        Some(Message { local: local?, remote, at_us, segment: segment.max(1), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use _dataplane::io::Udp;

    #[test]
    fn datagrams_come_with_our_address_and_a_time() {
        let socket = Udp::bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        let mut receiver = Receiver::new(socket.raw()).unwrap();
        let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = Ipv4Addr::new(127, 9, 8, 7);
        for size in [1200, 1200, 30] {
            other.send_to(&vec![5; size], (local, socket.local_addr().port())).unwrap();
        }
        let mut sizes = Vec::new();
        while sizes.len() < 3 {
            for i in 0..receiver.receive().unwrap() {
                let message = receiver.message(i).unwrap();
                assert_eq!((message.local, message.remote), (local, other.local_addr().unwrap()));
                assert!(message.at_us > 1_500_000_000_000_000);
                sizes.extend(message.bytes.chunks(message.segment).map(<[u8]>::len));
            }
        }
        assert_eq!(sizes, [1200, 1200, 30]);
        assert_eq!(receiver.drops(), 0);
    }
}
