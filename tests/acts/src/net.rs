//! Socket addresses as the kernel reads them, and the calls that take them.

use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys::{Acted, Stop, call, owned};

/// `IPPROTO_MPTCP`.
pub(crate) const MPTCP: i32 = 262;

/// An address of any family, with its length.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    storage: libc::sockaddr_storage,
    len: usize,
}

impl Address {
    fn of<T: Copy>(value: T) -> Address {
        // SAFETY: all-zero bytes are a valid `sockaddr_storage`.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let len = size_of::<T>().min(size_of::<libc::sockaddr_storage>());
        // SAFETY: `len` bytes are readable at `value` and writable at `storage`, which do not overlap.
        unsafe { std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), (&raw mut storage).cast::<u8>(), len) };
        Address { storage, len }
    }

    /// 127.0.0.1.
    pub(crate) fn v4(port: u16) -> Address {
        Address::of(libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
            },
            sin_zero: [0; 8],
        })
    }

    /// `::1`.
    pub(crate) fn v6(port: u16) -> Address {
        let mut bytes = [0; 16];
        bytes[15] = 1;
        Address::v6_bytes(bytes, port)
    }

    /// `::ffff:127.0.0.1`: IPv4 reached through an IPv6 socket.
    pub(crate) fn mapped(port: u16) -> Address {
        Address::v6_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1], port)
    }

    fn v6_bytes(bytes: [u8; 16], port: u16) -> Address {
        Address::of(libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as u16,
            sin6_port: port.to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: bytes },
            sin6_scope_id: 0,
        })
    }

    /// A unix socket's path, or with a leading NUL its abstract name.
    pub(crate) fn unix(name: &[u8]) -> Acted<Address> {
        // SAFETY: all-zero bytes are a valid `sockaddr_un`.
        let mut un: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        un.sun_family = libc::AF_UNIX as u16;
        if name.len() >= un.sun_path.len() {
            return Err(Stop::Wrong(String::from(
                "the fixture folder's path is too long for a unix socket",
            )));
        }
        for (to, from) in un.sun_path.iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        let mut address = Address::of(un);
        let terminator = usize::from(name.first() != Some(&0));
        address.len = size_of::<libc::sa_family_t>() + name.len() + terminator;
        Ok(address)
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr_storage {
        &raw const self.storage
    }

    /// The address as the kernel reads it.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the storage is fully initialised (it was zeroed first) and at least `len` bytes long.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len) }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr_storage {
        &raw mut self.storage
    }

    /// In bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// socket(2), closed on exec.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> Acted<OwnedFd> {
    owned(call!(libc::SYS_socket, family, kind | libc::SOCK_CLOEXEC, protocol)?)
}

/// connect(2).
pub(crate) fn connect(socket: &OwnedFd, to: &Address) -> Acted {
    call!(libc::SYS_connect, socket.as_raw_fd(), to.as_ptr(), to.len()).map(|_| ())
}

/// bind(2).
pub(crate) fn bind(socket: &OwnedFd, at: &Address) -> Acted {
    call!(libc::SYS_bind, socket.as_raw_fd(), at.as_ptr(), at.len()).map(|_| ())
}

/// listen(2).
pub(crate) fn listen(socket: &OwnedFd) -> Acted {
    call!(libc::SYS_listen, socket.as_raw_fd(), 128).map(|_| ())
}

/// sendto(2), with an address or without.
pub(crate) fn sendto(socket: &OwnedFd, bytes: &[u8], flags: i32, to: Option<&Address>) -> Acted<i64> {
    let (address, len) = to.map_or((std::ptr::null(), 0), |to| (to.as_ptr(), to.len()));
    call!(
        libc::SYS_sendto,
        socket.as_raw_fd(),
        bytes.as_ptr(),
        bytes.len(),
        flags,
        address,
        len
    )
}

/// The port the kernel chose for a bound IPv4 or IPv6 socket.
pub(crate) fn bound_port(socket: &OwnedFd) -> Acted<u16> {
    let mut address = Address::v4(0);
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    call!(
        libc::SYS_getsockname,
        socket.as_raw_fd(),
        &raw mut address.storage,
        &raw mut len
    )?;
    // SAFETY: the port lies at the same offset in both families, within the zeroed storage.
    let port = unsafe { (*(&raw const address.storage).cast::<libc::sockaddr_in>()).sin_port };
    Ok(u16::from_be(port))
}
