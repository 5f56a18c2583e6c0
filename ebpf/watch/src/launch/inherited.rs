//! The descriptors the command inherits from whoever started us.
//!
//! They were opened before tracking began, so `connect4` and `file_open` never see them: an inherited socket or writable
//! file is a hole that must be reported. Nothing is closed here. Sources: proc_pid_fd(5), proc_pid_fdinfo(5), socket(7).

#![expect(
    unsafe_code,
    reason = "descriptors that nothing in this process owns are looked at by number"
)]

use std::fs;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, sockopt};

use super::{LaunchError, Result};

/// One descriptor without `FD_CLOEXEC`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inherited {
    /// The number.
    pub fd: RawFd,
    /// What it refers to.
    pub kind: InheritedKind,
    /// The link in `/proc/self/fd`: a path, `pipe:[N]`, `socket:[N]`, `anon_inode:...`.
    pub target: PathBuf,
    /// The mode it was opened with.
    pub access: Access,
}

/// What a descriptor refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InheritedKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A block device, or a character device that is not a terminal.
    Device,
    /// A pipe or FIFO.
    Pipe,
    /// A terminal.
    Tty,
    /// A socket.
    Socket(InheritedSocket),
    /// An anonymous inode: eventfd, epoll, BPF object, memfd-like and others.
    Anon,
}

/// What a socket says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InheritedSocket {
    /// `SO_DOMAIN`: `inet`, `inet6`, `unix`, `netlink`, or the number.
    pub family: String,
    /// `SO_TYPE`: `stream`, `dgram`, `raw`, `seqpacket`, or the number.
    pub kind: String,
    /// `SO_PROTOCOL`, as a number of the family; 0 where the family has none.
    pub protocol: u32,
    /// The local address, empty when unbound.
    pub local: String,
    /// The peer's address, `None` when not connected.
    pub peer: Option<String>,
}

/// The mode a descriptor was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_WRONLY`.
    Write,
    /// `O_RDWR`.
    ReadWrite,
    /// `O_PATH`: names an object without opening it.
    Path,
}

impl Access {
    /// Whether something can be written through it.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

impl Inherited {
    /// Whether this descriptor lets the command act where no hook looks: a socket, or something other than a pipe or
    /// terminal that can be written.
    #[must_use]
    pub fn is_hole(&self) -> bool {
        match self.kind {
            InheritedKind::Socket(_) => true,
            InheritedKind::Pipe | InheritedKind::Tty => false,
            InheritedKind::Device => self.access.writes() && self.target.as_os_str() != "/dev/null",
            InheritedKind::File | InheritedKind::Directory | InheritedKind::Anon => self.access.writes(),
        }
    }
}

/// Lists the descriptors of this process that an `execve` would keep, by number.
///
/// # Errors
/// [`LaunchError::System`] when `/proc/self/fd` cannot be read.
pub fn inherited() -> Result<Vec<Inherited>> {
    let listing = fs::read_dir("/proc/self/fd").map_err(LaunchError::system("/proc/self/fd"))?;
    let numbers: Vec<RawFd> = listing
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let mut found: Vec<Inherited> = numbers.into_iter().filter_map(describe).collect();
    found.sort_by_key(|entry| entry.fd);
    Ok(found)
}

/// `None` for what an `execve` closes, and for what was closed since the listing.
fn describe(fd: RawFd) -> Option<Inherited> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = OFlags::from_bits_retain(u32::from_str_radix(flags.trim(), 8).ok()?);
    if flags.contains(OFlags::CLOEXEC) {
        return None;
    }
    let access = if flags.contains(OFlags::PATH) {
        Access::Path
    } else if flags.contains(OFlags::RDWR) {
        Access::ReadWrite
    } else if flags.contains(OFlags::WRONLY) {
        Access::Write
    } else {
        Access::Read
    };
    let link = format!("/proc/self/fd/{fd}");
    let target = fs::read_link(&link).ok()?;
    let kind = kind_of(fd, &link, access)?;
    Some(Inherited {
        fd,
        kind,
        target,
        access,
    })
}

fn kind_of(fd: RawFd, link: &str, access: Access) -> Option<InheritedKind> {
    let kind = fs::metadata(link).ok()?.file_type();
    if kind.is_file() {
        return Some(InheritedKind::File);
    }
    if kind.is_dir() {
        return Some(InheritedKind::Directory);
    }
    if kind.is_fifo() {
        return Some(InheritedKind::Pipe);
    }
    if kind.is_char_device() || kind.is_block_device() {
        // SAFETY: isatty takes any number and answers 0 for one that is not open.
        let tty = unsafe { libc::isatty(fd) } == 1;
        return Some(if tty { InheritedKind::Tty } else { InheritedKind::Device });
    }
    if kind.is_socket() && access != Access::Path {
        // SAFETY: the number is not -1, the borrow does not outlive this call, and a descriptor closed meanwhile only
        // makes the calls on it fail.
        return Some(InheritedKind::Socket(socket(unsafe { BorrowedFd::borrow_raw(fd) })));
    }
    Some(InheritedKind::Anon)
}

fn socket(fd: BorrowedFd<'_>) -> InheritedSocket {
    let family = match sockopt::socket_domain(fd) {
        Ok(AddressFamily::INET) => "inet".to_owned(),
        Ok(AddressFamily::INET6) => "inet6".to_owned(),
        Ok(AddressFamily::UNIX) => "unix".to_owned(),
        Ok(AddressFamily::NETLINK) => "netlink".to_owned(),
        Ok(other) => other.as_raw().to_string(),
        Err(_) => "unknown".to_owned(),
    };
    let kind = match sockopt::socket_type(fd) {
        Ok(SocketType::STREAM) => "stream".to_owned(),
        Ok(SocketType::DGRAM) => "dgram".to_owned(),
        Ok(SocketType::RAW) => "raw".to_owned(),
        Ok(SocketType::SEQPACKET) => "seqpacket".to_owned(),
        Ok(other) => other.as_raw().to_string(),
        Err(_) => "unknown".to_owned(),
    };
    let protocol = sockopt::socket_protocol(fd)
        .ok()
        .flatten()
        .map_or(0, |p| p.as_raw().get());
    let local = rustix::net::getsockname(fd).map(|a| address(&a)).unwrap_or_default();
    let peer = rustix::net::getpeername(fd).ok().flatten().map(|a| address(&a));
    InheritedSocket {
        family,
        kind,
        protocol,
        local,
        peer,
    }
}

/// `127.0.0.1:80`, `[::1]:80`, a path, `@` and an abstract name; empty for an unnamed socket and an unknown family.
fn address(any: &SocketAddrAny) -> String {
    if let Ok(inet) = std::net::SocketAddr::try_from(any.clone()) {
        return inet.to_string();
    }
    let Ok(unix) = rustix::net::SocketAddrUnix::try_from(any.clone()) else {
        return String::new();
    };
    match (unix.path(), unix.abstract_name()) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (None, Some(name)) => format!("@{}", String::from_utf8_lossy(name)),
        (None, None) => String::new(),
    }
}
