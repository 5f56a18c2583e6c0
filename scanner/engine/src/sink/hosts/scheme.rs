//! Which letters before `://` are a scheme, and which schemes carry a host.

use super::Encoding;
use super::text::ascii_before;

/// Longest scheme of unknown meaning that is believed, and the reach of the search for one, in characters.
const MAX_UNKNOWN: usize = 20;

/// Schemes whose authority is a host, sorted.
const KNOWN: &[&str] = &[
    "amqp",
    "amqps",
    "clickhouse",
    "coap",
    "coaps",
    "docker",
    "ftp",
    "ftps",
    "git",
    "git+http",
    "git+https",
    "git+ssh",
    "grpc",
    "grpcs",
    "gs",
    "hf",
    "http",
    "https",
    "imap",
    "imaps",
    "irc",
    "ircs",
    "kafka",
    "ldap",
    "ldaps",
    "libsql",
    "mongodb",
    "mongodb+srv",
    "mqtt",
    "mqtts",
    "mysql",
    "nats",
    "nfs",
    "oci",
    "pop3",
    "postgres",
    "postgresql",
    "quic",
    "rdp",
    "redis",
    "rediss",
    "rsync",
    "rtmp",
    "rtmps",
    "rtsp",
    "s3",
    "sftp",
    "sip",
    "sips",
    "smb",
    "smtp",
    "smtps",
    "socks",
    "socks4",
    "socks4a",
    "socks5",
    "socks5h",
    "ssh",
    "stun",
    "stuns",
    "svn",
    "tcp",
    "telnet",
    "tls",
    "turn",
    "turns",
    "udp",
    "valkey",
    "valkeys",
    "vnc",
    "ws",
    "wss",
    "xmpp",
];

/// Schemes whose authority, if any, names no network host, sorted.
const HOSTLESS: &[&str] = &[
    "about",
    "android-app",
    "asset",
    "blob",
    "browser",
    "bun",
    "bundle",
    "bundled",
    "chrome",
    "chrome-extension",
    "chrome-search",
    "chrome-untrusted",
    "classpath",
    "content",
    "data",
    "deno",
    "devtools",
    "edge",
    "electron",
    "ext",
    "file",
    "filesystem",
    "ios-app",
    "jar",
    "javascript",
    "jrt",
    "mem",
    "memory",
    "moz-extension",
    "node",
    "npm",
    "opera",
    "package",
    "pkg",
    "resource",
    "safari-extension",
    "safari-web-extension",
    "unix",
    "urn",
    "view-source",
    "virtual",
    "vscode",
    "vscode-file",
    "vscode-resource",
    "vscode-webview",
    "webpack",
    "webpack-internal",
    "zip",
];

/// Schemes that browsers and HTTP clients parse with the WHATWG rules, numeric host forms included.
const WEB: &[&str] = &["ftp", "http", "https", "ws", "wss"];

/// A scheme and where it starts.
pub(super) struct Scheme {
    pub(super) at: usize,
    /// Lower case.
    pub(super) text: String,
    pub(super) known: bool,
}

impl Scheme {
    /// Whether the numeric host forms of the WHATWG URL standard apply.
    pub(super) fn is_web(&self) -> bool {
        WEB.contains(&self.text.as_str())
    }
}

/// The scheme whose colon is at `colon`; `None` when there is none or it carries no host.
pub(super) fn read(encoding: Encoding, bytes: &[u8], colon: usize) -> Option<Scheme> {
    let mut reversed: Vec<(u8, usize)> = Vec::new();
    let mut end = colon;
    while let Some((byte, at)) = ascii_before(encoding, bytes, end) {
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) || reversed.len() > MAX_UNKNOWN {
            break;
        }
        reversed.push((byte.to_ascii_lowercase(), at));
        end = at;
    }
    let run: String = reversed.iter().rev().map(|&(byte, _)| char::from(byte)).collect();
    let (skip, known) = choose(&run)?;
    let text = run.get(skip..)?.to_owned();
    let &(_, at) = reversed.get(text.len().checked_sub(1)?)?;
    Some(Scheme { at, text, known })
}

/// How many leading bytes of `run` are not part of the scheme, and whether the scheme is known.
fn choose(run: &str) -> Option<(usize, bool)> {
    for (skip, _) in run.char_indices() {
        let tail = run.get(skip..)?;
        let before = skip.checked_sub(1).and_then(|at| run.as_bytes().get(at));
        let apart = before.is_none_or(|byte| !byte.is_ascii_alphabetic());
        // Two and three letters end many words ("logs", "settings"); only these are cut out of running text.
        let telling = tail.len() >= 4 || matches!(tail, "ftp" | "wss");
        if apart || telling {
            if HOSTLESS.binary_search(&tail).is_ok() {
                return None;
            }
            if KNOWN.binary_search(&tail).is_ok() {
                return Some((skip, true));
            }
        }
    }
    let skip = run.find(|c: char| c.is_ascii_alphabetic())?;
    let len = run.len().checked_sub(skip)?;
    (skip == 0 && (2..=MAX_UNKNOWN).contains(&len)).then_some((skip, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_binary_search() {
        assert!(KNOWN.is_sorted() && HOSTLESS.is_sorted());
        assert!(WEB.iter().all(|s| KNOWN.contains(s)));
    }

    #[test]
    fn the_longest_known_scheme_is_cut_out_of_running_letters() {
        for (run, expect) in [
            ("https", Some((0, true))),
            ("xhttps", Some((1, true))),
            ("git+ssh", Some((0, true))),
            ("9http", Some((1, true))),
            ("settings", Some((0, false))),
            ("x-s3", Some((2, true))),
            ("profile", None),
            ("node", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(choose(run), expect, "{run}");
        }
    }
}
