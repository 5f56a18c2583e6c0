//! Decoded text that remembers where in the window each of its bytes stands, and the URL at its beginning.

use super::{Candidate, Encoding, url};

/// Bytes decoded before it is seen whether the host ends among them.
const FIRST: usize = 96;

/// Bytes decoded at most: a scheme, user information and the longest host.
pub(super) const MOST: usize = 1024;

/// Decoded bytes and their places.
#[derive(Default)]
pub(super) struct View {
    pub(super) text: Vec<u8>,
    places: Vec<usize>,
    /// Where the last spelling ends.
    end: usize,
}

impl View {
    /// Adds a byte spelled by `at..end` of the window.
    pub(super) fn push(&mut self, byte: u8, at: usize, end: usize) {
        self.text.push(byte);
        self.places.push(at);
        self.end = end;
    }

    /// Adds the UTF-8 of a character spelled by `at..end` of the window.
    pub(super) fn push_char(&mut self, ch: char, at: usize, end: usize) {
        for byte in ch.encode_utf8(&mut [0; 4]).bytes() {
            self.push(byte, at, end);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Where each byte's spelling starts.
    pub(super) fn places(&self) -> &[usize] {
        &self.places
    }

    fn place(&self, index: usize) -> usize {
        self.places.get(index).copied().unwrap_or(self.end)
    }

    /// The index of the byte whose spelling starts at `place`.
    pub(super) fn index_of(&self, place: usize) -> Option<usize> {
        self.places.binary_search(&place).ok()
    }

    /// The URL whose colon has the index `colon`, when its scheme is one of the web's; offsets are places.
    pub(super) fn url(&self, colon: usize) -> Option<Candidate> {
        let after = colon.checked_add(3)?;
        if self.text.get(colon..after)? != b"://" {
            return None;
        }
        let found = url::read(Encoding::Ascii, &self.text, colon, after)?;
        if !matches!(found.scheme.as_str(), "http" | "https" | "ws" | "wss") {
            return None;
        }
        let url_at = self.place(found.url_at);
        let host_at = self.place(found.host_at);
        let last = self.place(found.host_end.checked_sub(1)?);
        let host_end = self.place(found.host_end).max(last.checked_add(1)?);
        Some(Candidate {
            url_at,
            host_at,
            host_end,
            ..found
        })
    }
}

/// The URL at the very start of what `decode` gives when it is asked for so many bytes.
pub(super) fn read(decode: impl Fn(usize) -> View) -> Option<Candidate> {
    let mut view = decode(FIRST);
    let colon = view.text.iter().take(6).position(|&b| b == b':')?;
    let rest = view.text.get(colon.checked_add(3)?..)?;
    let host =
        |b: &u8| b.is_ascii_alphanumeric() || !b.is_ascii() || matches!(b, b'.' | b'-' | b'_' | b'@' | b':' | b'%');
    if view.len() >= FIRST && rest.iter().all(host) {
        view = decode(MOST);
    }
    view.url(colon)
}
