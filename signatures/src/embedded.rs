//! The data files compiled into this crate, as tables of (file name, text) sorted by file name. Written by `build.rs`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The text of `known/<name>`, or `None` when no such file was compiled in.
pub(crate) fn known_file(name: &str) -> Option<&'static str> {
    KNOWN_FILES
        .iter()
        .find(|(file, _)| *file == name)
        .map(|(_, text)| *text)
}
