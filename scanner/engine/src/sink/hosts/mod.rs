//! Hosts of scheme-bearing URLs in arbitrary bytes, found in one pass over tiles of any size.
//!
//! A host is an address, `localhost`, or a name that ends in an ICANN suffix of the public suffix list; text that runs on
//! past a valid suffix (strings packed without separators, a DER tail) is cut there and is only
//! [`Possible`](Confidence::Possible). Bare names count only as a whole quoted ASCII string under a few top-level domains.
//! The URL grammar is RFC 3986 section 3 (scheme, authority), read the way text and program strings hold it; numeric
//! addresses follow the WHATWG URL standard's IPv4 parser, so `http://0x7f.1/` is `127.0.0.1`.
//!
//! Beside plain text and UTF-16, the beginnings of URLs are found in base64, hexadecimal, percent-encoding, escapes and
//! character codes, under one byte of exclusive or, and in literals that a program joins. Whatever is found so is
//! decoded within the same reach and then read by the same grammar.
//!
//! Deliberately absent: encodings of encodings, keys of more than one byte, hosts without a scheme outside quotes, and
//! the path, query or credentials of any URL.
//!
//! A result depends on the bytes within a fixed reach around each `://`, never on where tiles begin: every
//! tiling gives the same scan. Memory is that reach (about 13 KiB) plus at most `limit` entries: an entry stands for all
//! occurrences of one (segment, scheme, host, kind, encoding, confidence, disguise) and keeps the first one's place and a count.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod authority;
mod bare;
mod ip;
mod joined;
pub(crate) mod lookalike;
mod name;
mod needle;
mod scan;
mod scheme;
mod spelled;
mod table;
mod text;
mod url;
mod view;
mod xor;

#[cfg(test)]
mod tests;

use crate::span::Span;

pub use scan::HostSink;

/// What one sweep found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostScan {
    /// Distinct hosts, by the offset of their first occurrence.
    pub hits: Vec<HostHit>,
    /// Occurrences of further distinct hosts that found no room under the limit; above zero the scan is incomplete.
    pub dropped: u64,
}

/// One distinct host of one segment, at its first occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostHit {
    /// The host's own bytes in the artifact, without brackets, userinfo and port.
    pub span: Span,
    /// Offset of the scheme's first byte; of the host itself when there is no scheme.
    pub url_offset: u64,
    /// Lower case, without `://`; empty for a bare quoted name.
    pub scheme: String,
    /// Lower case; an address in its canonical form, IPv6 without brackets and zone.
    pub host: String,
    /// What the host is.
    pub kind: HostKind,
    /// How the bytes spell it.
    pub encoding: Encoding,
    /// How sure the reading is.
    pub confidence: Confidence,
    /// What makes it read otherwise.
    pub disguise: Option<Disguise>,
    /// The first occurrence's port, when one is written in digits and fits.
    pub port: Option<u16>,
    /// Index of the owner whose bytes hold it; 0 without owners.
    pub segment: usize,
    /// Occurrences of the same segment, scheme, host, kind, encoding and confidence, this one included.
    pub count: u64,
}

/// What a host is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HostKind {
    /// A name under an ICANN suffix.
    Name,
    /// `localhost` or a name below it.
    Localhost,
    /// Four decimal parts.
    Ipv4,
    /// A bracketed IPv6 address.
    Ipv6,
    /// An IPv4 address in a decimal, hexadecimal, octal or short form.
    ObfuscatedIpv4 {
        /// The address as the bytes write it.
        written: String,
    },
}

/// How the artifact spells a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// ASCII or UTF-8.
    Ascii,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Base64 of ASCII or UTF-8, in either alphabet (RFC 4648, sections 4 and 5).
    Base64,
    /// Base64 of UTF-16, as command lines of PowerShell carry it.
    Base64Wide,
    /// Hexadecimal digits, or bytes as numbers in hexadecimal.
    Hex,
    /// Percent-encoding (RFC 3986, section 2.1) of the delimiters or of letters.
    Percent,
    /// Escapes of a language (`\x68`, `\u0068`), or a list of character codes.
    Escaped,
    /// Literals that the program puts together.
    Joined,
    /// Every byte under one key of exclusive or.
    Xor,
}

impl Encoding {
    /// Its word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Base64 | Self::Base64Wide => "base64",
            Self::Hex => "hex",
            Self::Percent => "percent",
            Self::Escaped => "escaped",
            Self::Joined => "joined",
            Self::Xor => "xor",
        }
    }
}

/// What makes a URL read otherwise than it goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disguise {
    /// The part before `@` reads like a host.
    Userinfo(String),
    /// Characters that nobody sees stand in the host; they are not part of [`HostHit::host`].
    Invisible(char),
}

/// How sure a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// The URL ends where the grammar says it ends.
    Likely,
    /// Cut out of run-on text, under an unknown scheme, a short numeric form, or a bare quoted name.
    Possible,
}

/// A host found beside one needle; offsets are into the window that was read.
struct Candidate {
    url_at: usize,
    host_at: usize,
    host_end: usize,
    scheme: String,
    host: String,
    kind: HostKind,
    confidence: Confidence,
    disguise: Option<Disguise>,
    port: Option<u16>,
}
