//! The listeners that connecting acts need, in a process outside the watched tree.
//!
//! Every service exists twice, once per form, so that an allowed and another port both answer. What a service cannot
//! offer on this host (no IPv6, no MPTCP) has no port in what is printed.

use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use serde_json::{Map, Value, json};

use crate::command;
use crate::context::Form;
use crate::net::{self, Address};
use crate::sys::{self, Acted, Stop, call, owned, sure};
use crate::victim::until_closed;

/// Opens everything, prints the ports per form when ready, and ends on the end of standard input.
pub(crate) fn serve(dir: &str) -> Acted {
    let mut ports = Map::new();
    for form in Form::BOTH {
        ports.insert(String::from(form.folder()), Value::Object(services(dir, form)?));
    }
    sure(
        command::print(&format!("{}\n", Value::Object(ports))) == 0,
        "standard output is closed",
    )?;
    until_closed();
    for form in Form::BOTH {
        for kind in ["stream", "dgram", "rights"] {
            remove(&path(dir, form, kind));
        }
    }
    Ok(())
}

fn services(dir: &str, form: Form) -> Acted<Map<String, Value>> {
    let mut ports = Map::new();
    let mut offer = |name: &str, port: Acted<u16>| {
        if let Ok(port) = port {
            ports.insert(String::from(name), json!(port));
        }
    };
    offer("tcp4", tcp(libc::AF_INET, 0, &Address::v4(0)));
    offer("tcp6", tcp(libc::AF_INET6, 0, &Address::v6(0)));
    offer("mptcp", tcp(libc::AF_INET, net::MPTCP, &Address::v4(0)));
    offer("udp4", udp(libc::AF_INET, &Address::v4(0)));
    offer("udp6", udp(libc::AF_INET6, &Address::v6(0)));
    offer("free", free());
    unix_stream(&Address::unix(path(dir, form, "stream").as_bytes())?, None)?;
    unix_dgram(&Address::unix(path(dir, form, "dgram").as_bytes())?)?;
    unix_stream(&Address::unix(&abstract_name(dir, form))?, None)?;
    let secret = std::ffi::CString::new(format!("{dir}/{}/secret", form.folder()))
        .map_err(|_| Stop::Wrong(String::from("a NUL in --dir")))?;
    let secret = sys::open(&secret, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    unix_stream(&Address::unix(path(dir, form, "rights").as_bytes())?, Some(secret))?;
    Ok(ports)
}

/// A unix socket's path; the file of an earlier run is removed.
fn path(dir: &str, form: Form, kind: &str) -> String {
    let path = format!("{dir}/sock/{}.{kind}", form.folder());
    remove(&path);
    path
}

fn remove(path: &str) {
    if let Ok(path) = std::ffi::CString::new(path) {
        let _ = call!(libc::SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), 0);
    }
}

/// The abstract name of a form's stream listener: a NUL, then the folder and the form.
pub(crate) fn abstract_name(dir: &str, form: Form) -> Vec<u8> {
    format!("\0{dir}/{}", form.folder()).into_bytes()
}

fn tcp(family: i32, protocol: i32, at: &Address) -> Acted<u16> {
    let listener = net::socket(family, libc::SOCK_STREAM, protocol)?;
    let queue = 16_i32;
    let _ = call!(
        libc::SYS_setsockopt,
        listener.as_raw_fd(),
        libc::IPPROTO_TCP,
        libc::TCP_FASTOPEN,
        &raw const queue,
        size_of::<i32>()
    );
    net::bind(&listener, at)?;
    net::listen(&listener)?;
    let port = net::bound_port(&listener)?;
    accept_all(listener, None);
    Ok(port)
}

fn unix_stream(at: &Address, gift: Option<OwnedFd>) -> Acted {
    let listener = net::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    net::bind(&listener, at)?;
    net::listen(&listener)?;
    accept_all(listener, gift);
    Ok(())
}

fn unix_dgram(at: &Address) -> Acted {
    let socket = net::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?;
    net::bind(&socket, at)?;
    thread::spawn(move || while sys::read(&socket).is_ok() {});
    Ok(())
}

fn udp(family: i32, at: &Address) -> Acted<u16> {
    let socket = net::socket(family, libc::SOCK_DGRAM, 0)?;
    net::bind(&socket, at)?;
    let port = net::bound_port(&socket)?;
    thread::spawn(move || {
        let mut bytes = [0_u8; 64];
        loop {
            let mut from = Address::v6(0);
            let mut len = from.len() as libc::socklen_t;
            let got = call!(
                libc::SYS_recvfrom,
                socket.as_raw_fd(),
                bytes.as_mut_ptr(),
                bytes.len(),
                0,
                from.as_mut_ptr(),
                &raw mut len
            );
            let Ok(got) = got.and_then(|got| usize::try_from(got).map_err(|_| Stop::Errno(0))) else {
                return;
            };
            let _ = call!(
                libc::SYS_sendto,
                socket.as_raw_fd(),
                bytes.as_ptr(),
                got.min(bytes.len()),
                0,
                from.as_ptr(),
                len
            );
        }
    });
    Ok(port)
}

/// A port that nobody listens on: bound once and closed.
fn free() -> Acted<u16> {
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    net::bind(&socket, &Address::v4(0))?;
    net::bound_port(&socket)
}

/// Accepts, hands over the gift if there is one, and lets the connection go.
fn accept_all(listener: OwnedFd, gift: Option<OwnedFd>) {
    thread::spawn(move || {
        while let Ok(peer) = call!(libc::SYS_accept4, listener.as_raw_fd(), 0, 0, libc::SOCK_CLOEXEC).and_then(owned) {
            if let Some(gift) = &gift {
                let _ = give(&peer, gift);
            }
        }
    });
}

/// One message of one byte with a descriptor beside it: `cmsghdr` (16 bytes), the descriptor, 4 bytes of padding.
fn give(peer: &OwnedFd, gift: &OwnedFd) -> Acted {
    // The one before has read it to its end.
    call!(libc::SYS_lseek, gift.as_raw_fd(), 0, libc::SEEK_SET)?;
    let mut byte = *b"!";
    let mut control = [0_u64; 3];
    control[0] = 20;
    control[1] = u64::from(libc::SCM_RIGHTS as u32) << 32 | u64::from(libc::SOL_SOCKET as u32);
    control[2] = u64::from(gift.as_raw_fd() as u32);
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    call!(libc::SYS_sendmsg, peer.as_raw_fd(), &raw const message, 0).map(|_| ())
}
