//! Unix archives: GNU and BSD names, symbol tables, thin archives, Debian packages.

use super::bytes::{Built, Out};
use super::{compressed, gzip, tar};

/// A member as its header spells it.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name field, 16 bytes at most.
    pub name: String,
    /// The data.
    pub data: Vec<u8>,
    /// The size field, when not the truth.
    pub size: Option<String>,
}

impl Member {
    /// A member of this name field and data.
    pub fn of(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.into(),
            data: data.to_vec(),
            size: None,
        }
    }

    /// A member with a BSD name in front of its data.
    pub fn bsd(name: &str, data: &[u8]) -> Self {
        let padded = name.len().next_multiple_of(8);
        let mut stored = name.as_bytes().to_vec();
        stored.resize(padded, 0);
        stored.extend_from_slice(data);
        Self::of(&format!("#1/{padded}"), &stored)
    }
}

/// An archive of `members`, thin when their data are held elsewhere.
pub fn archive(members: &[Member], thin: bool) -> Built {
    let mut out = Out::le();
    out.bytes(if thin { b"!<thin>\n" } else { b"!<arch>\n" });
    for member in members {
        out.mark();
        let size = member.size.clone().unwrap_or_else(|| member.data.len().to_string());
        let header = format!(
            "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            member.name, 0, 0, 0, "100644", size
        );
        out.bytes(header.as_bytes());
        if thin && !member.name.starts_with("//") {
            continue;
        }
        out.mark().bytes(&member.data).mark().align(2, b'\n');
    }
    out.finish()
}

/// A static library: symbols, long names, members of odd and even length, two of one name.
pub fn library() -> Vec<Member> {
    vec![
        Member::of("/", &[0, 0, 0, 0]),
        Member::of("//", b"a_rather_long_member_name.o/\nanother_long_member_name.o/\n"),
        Member::of("/0", b"first text\n"),
        Member::of("/29", b"second text.\n"),
        Member::of("short.o/", b"third\n"),
        Member::of("short.o/", b"fourth, of the same name\n"),
    ]
}

/// A Debian package.
pub fn deb() -> Vec<Member> {
    vec![
        Member::of("debian-binary", b"2.0\n"),
        Member::of("control.tar.gz", &gzip::gzip(&tar::small())),
        Member::of("data.tar.xz", &compressed::xz(&tar::small())),
    ]
}
