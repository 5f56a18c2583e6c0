//! Paths behind which secrets and ways out of a tree lie: they are never part of a pattern that was made from others.
//!
//! The table is what people keep in these places, not what a host really has. What lies in the directories of installed
//! packages and is readable by everyone ([`is_public`]) is judged by its place, not by a name such as `*.pem`.

use probity_signatures::declared::{Component, Pattern, Token};
use std::sync::OnceLock;

/// The table. `/**/` means anywhere.
pub const TABLE: &[&str] = &[
    "/**/.ssh/**",
    "/**/.aws/**",
    "/**/.azure/**",
    "/**/.gnupg/**",
    "/**/.kube/**",
    "/**/.netrc",
    "/**/.npmrc",
    "/**/.yarnrc.yml",
    "/**/.pypirc",
    "/**/.pgpass",
    "/**/.my.cnf",
    "/**/.env",
    "/**/.vault-token",
    "/**/.git-credentials",
    "/**/.docker/config.json",
    "/**/.cargo/credentials",
    "/**/.cargo/credentials.toml",
    "/**/.config/gh/**",
    "/**/.config/gcloud/**",
    "/**/.config/git/credentials",
    "/**/.config/google-chrome/**",
    "/**/.config/chromium/**",
    "/**/.config/BraveSoftware/**",
    "/**/.config/microsoft-edge/**",
    "/**/.mozilla/**",
    "/**/keyrings/**",
    "/**/.password-store/**",
    "/**/*.pem",
    "/**/*.key",
    "/**/id_*",
    "/**/docker.sock",
    "/**/containerd.sock",
    "/**/podman.sock",
    "/tmp/ssh-*/**",
    "/run/user/*/keyring/**",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d/**",
    "/etc/ssl/private/**",
    "/proc/*/environ",
    "/proc/*/mem",
    "/proc/*/maps",
    "/proc/kcore",
];

/// Sockets behind which somebody else acts: connecting is what matters, and no pattern of sockets is made.
const SOCKETS: &[&str] = &[
    "/**/dbus-*",
    "/**/system_bus_socket",
    "/**/S.gpg-agent*",
    "/run/user/*/bus",
    "/**/agent.*",
];

/// Directories of installed packages, readable by everyone.
const PUBLIC: &[&str] = &[
    "/usr/lib/",
    "/usr/lib32/",
    "/usr/lib64/",
    "/usr/libexec/",
    "/usr/share/",
    "/usr/include/",
    "/lib/",
    "/lib32/",
    "/lib64/",
    "/etc/ssl/certs/",
    "/etc/ca-certificates/",
];

/// The table, read.
pub fn patterns() -> &'static [Pattern] {
    static READ: OnceLock<Vec<Pattern>> = OnceLock::new();
    READ.get_or_init(|| read(TABLE))
}

fn read(table: &[&str]) -> Vec<Pattern> {
    let read = table.iter().filter_map(|text| Pattern::parse(text).ok());
    read.flatten().collect()
}

/// Whether somebody who acts for others listens at a socket, as far as its name tells.
pub fn is_sensitive_socket(path: &[u8]) -> bool {
    static READ: OnceLock<Vec<Pattern>> = OnceLock::new();
    let sockets = READ.get_or_init(|| read(SOCKETS));
    is_sensitive(path) || sockets.iter().any(|pattern| pattern.matches(path))
}

/// Whether a path, or the text of a pattern, lies where only packages put files.
pub fn is_public(path: &[u8]) -> bool {
    PUBLIC.iter().any(|place| path.starts_with(place.as_bytes()))
}

/// Whether a path holds secrets, as far as its name tells.
pub fn is_sensitive(path: &[u8]) -> bool {
    if is_public(path) {
        return false;
    }
    let dotted = path
        .rsplit(|byte| *byte == b'/')
        .next()
        .is_some_and(|name| name.contains(&b'.'));
    patterns()
        .iter()
        .any(|pattern| pattern.matches(path) && !(dotted && is_key_name(pattern)))
}

/// The pattern of private keys without a suffix: `id_map.rs` is none.
pub(super) fn is_key_name(pattern: &Pattern) -> bool {
    pattern.as_str().ends_with("/id_*")
}

/// Whether a path exists that both patterns match. May say so where there is none, never the other way round.
pub fn intersect(one: &Pattern, other: &Pattern) -> bool {
    if one.space() != other.space() {
        return false;
    }
    let (a, b) = (steps(one), steps(other));
    let mut reached = vec![vec![false; b.len() + 1]; a.len() + 1];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        let Some(cell) = reached.get_mut(i).and_then(|row| row.get_mut(j)) else {
            continue;
        };
        if std::mem::replace(cell, true) {
            continue;
        }
        let (left, right) = (a.get(i), b.get(j));
        if left == Some(&Step::Any) {
            open.push((i + 1, j));
        }
        if right == Some(&Step::Any) {
            open.push((i, j + 1));
        }
        let next = |step: &Step<'_>, at: usize| if *step == Step::Any { at } else { at + 1 };
        if let (Some(left), Some(right)) = (left, right) {
            let together = match (left, right) {
                (Step::Name(left), Step::Name(right)) => names_intersect(left, right),
                _ => true,
            };
            if together {
                open.push((next(left, i), next(right, j)));
            }
        }
    }
    reached.last().and_then(|row| row.last()).copied().unwrap_or(false)
}

/// A name, or any number of names.
#[derive(PartialEq)]
enum Step<'a> {
    Name(&'a [Token]),
    Any,
}

fn steps(pattern: &Pattern) -> Vec<Step<'_>> {
    const ANY_NAME: &[Token] = &[Token::AnyRun];
    let mut steps = Vec::new();
    for component in pattern.components() {
        match component {
            Component::AnyDepth => steps.push(Step::Any),
            Component::Name(tokens) => steps.push(Step::Name(tokens)),
        }
    }
    // At the end, `**` stands for at least one name.
    if steps.last() == Some(&Step::Any) {
        steps.push(Step::Name(ANY_NAME));
    }
    steps
}

fn names_intersect(one: &[Token], other: &[Token]) -> bool {
    let mut reached = vec![vec![false; other.len() + 1]; one.len() + 1];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        let Some(cell) = reached.get_mut(i).and_then(|row| row.get_mut(j)) else {
            continue;
        };
        if std::mem::replace(cell, true) {
            continue;
        }
        let (left, right) = (one.get(i), other.get(j));
        if left == Some(&Token::AnyRun) {
            open.push((i + 1, j));
        }
        if right == Some(&Token::AnyRun) {
            open.push((i, j + 1));
        }
        let next = |token: &Token, at: usize| if *token == Token::AnyRun { at } else { at + 1 };
        if let (Some(left), Some(right)) = (left, right)
            && (1..=u8::MAX).any(|byte| holds(left, byte) && holds(right, byte))
        {
            open.push((next(left, i), next(right, j)));
        }
    }
    reached.last().and_then(|row| row.last()).copied().unwrap_or(false)
}

fn holds(token: &Token, byte: u8) -> bool {
    match token {
        Token::Byte(held) => *held == byte,
        Token::OneOf(set) => set.contains(byte),
        Token::AnyByte | Token::AnyRun => byte != b'/',
    }
}
