//! The descriptors the command inherits from whoever started us.
//!
//! They were opened before tracking began, so `connect4` and `file_open` never see them: an inherited socket or writable
//! file is a hole that must be reported. Nothing is closed here. Sources: proc_pid_fd(5), proc_pid_fdinfo(5), socket(7).

#![expect(
    unsafe_code,
    reason = "descriptors that nothing in this process owns are looked at by number"
)]

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

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

/// Lists all descriptors of another process, by number. A socket is duplicated to be asked for its addresses; nothing is
/// read or written.
///
/// # Errors
/// [`LaunchError::System`] when its `/proc` directory cannot be read: it has ended, or may not be looked at.
pub fn open_in(pid: u32) -> Result<Vec<Inherited>> {
    let listing = fs::read_dir(format!("/proc/{pid}/fd")).map_err(LaunchError::system("/proc/PID/fd"))?;
    let numbers = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
    let process = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let mut found: Vec<Inherited> = numbers
        .filter_map(|fd| {
            let (access, _) = opened(&format!("/proc/{pid}/fdinfo/{fd}"))?;
            let link = format!("/proc/{pid}/fd/{fd}");
            let target = fs::read_link(&link).ok()?;
            let named = target.to_string_lossy();
            let is_tty = || named.starts_with("/dev/pts/") || named.starts_with("/dev/tty");
            let ask = || {
                let copy = pidfd_getfd(process.as_ref()?, fd, PidfdGetfdFlags::empty()).ok()?;
                Some(socket(copy.as_fd()))
            };
            let kind = kind_of(&link, access, is_tty, ask)?;
            Some(Inherited {
                fd,
                kind,
                target,
                access,
            })
        })
        .collect();
    found.sort_by_key(|entry| entry.fd);
    Ok(found)
}

/// The mode of a descriptor and whether an `execve` closes it, from its `fdinfo`.
fn opened(info: &str) -> Option<(Access, bool)> {
    let info = fs::read_to_string(info).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = OFlags::from_bits_retain(u32::from_str_radix(flags.trim(), 8).ok()?);
    let access = if flags.contains(OFlags::PATH) {
        Access::Path
    } else if flags.contains(OFlags::RDWR) {
        Access::ReadWrite
    } else if flags.contains(OFlags::WRONLY) {
        Access::Write
    } else {
        Access::Read
    };
    Some((access, flags.contains(OFlags::CLOEXEC)))
}

/// `None` for what an `execve` closes, and for what was closed since the listing.
fn describe(fd: RawFd) -> Option<Inherited> {
    let (access, closes) = opened(&format!("/proc/self/fdinfo/{fd}"))?;
    if closes {
        return None;
    }
    let link = format!("/proc/self/fd/{fd}");
    let target = fs::read_link(&link).ok()?;
    // SAFETY: isatty takes any number and answers 0 for one that is not open.
    let is_tty = || unsafe { libc::isatty(fd) } == 1;
    // SAFETY: the number is not -1, the borrow does not outlive this call, and a descriptor closed meanwhile only makes the
    // calls on it fail.
    let ask = || Some(socket(unsafe { BorrowedFd::borrow_raw(fd) }));
    let kind = kind_of(&link, access, is_tty, ask)?;
    Some(Inherited {
        fd,
        kind,
        target,
        access,
    })
}

/// What a descriptor is, by its link in `/proc`; `ask` asks a socket for its addresses.
fn kind_of(
    link: &str,
    access: Access,
    is_tty: impl FnOnce() -> bool,
    ask: impl FnOnce() -> Option<InheritedSocket>,
) -> Option<InheritedKind> {
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
        return Some(if is_tty() {
            InheritedKind::Tty
        } else {
            InheritedKind::Device
        });
    }
    if kind.is_socket() && access != Access::Path {
        return ask().map(InheritedKind::Socket);
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
