//! Node SEA blobs (Node.js, `src/node_sea.cc`), and the places they are put in.

use super::counted;
use crate::build::bytes::{Built, Out};
use crate::build::elf::{self, Elf};

/// A blob. Start from [`Sea::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Sea {
    /// Flags beyond those that the fields imply.
    pub flags: u32,
    /// The bytes between flags and code path: none, one or two.
    pub later: Vec<u8>,
    /// Path of the main script.
    pub path: String,
    /// The main script, or a snapshot.
    pub main: Vec<u8>,
    /// V8's code cache.
    pub cache: Option<Vec<u8>>,
    /// Assets by name.
    pub assets: Vec<(String, Vec<u8>)>,
    /// Arguments for Node.
    pub arguments: Vec<String>,
    /// The length of the main script, when not the truth.
    pub main_length: Option<u64>,
    /// The number of assets, when not the truth.
    pub asset_count: Option<u64>,
}

impl Sea {
    /// A script with two assets, one of them a ZIP archive, as Node 24 writes it.
    pub fn new() -> Self {
        let archive = crate::build::zip::small();
        Self {
            flags: 1,
            later: vec![2],
            path: "sea-loader.js".into(),
            main: b"'use strict';\nfetch('https://api.example.com/v1');\n".to_vec(),
            cache: None,
            assets: vec![
                ("app.zip".into(), archive),
                ("notes.txt".into(), b"an embedded asset\n".to_vec()),
            ],
            arguments: Vec::new(),
            main_length: None,
            asset_count: None,
        }
    }

    /// The blob.
    pub fn built(&self) -> Built {
        let mut flags = self.flags;
        for (bit, set) in [
            (4, self.cache.is_some()),
            (8, !self.assets.is_empty()),
            (16, !self.arguments.is_empty()),
        ] {
            flags |= if set { bit } else { 0 };
        }
        let mut out = Out::le();
        out.u32(0x0143_da20).u32(flags).bytes(&self.later).mark();
        counted(&mut out, self.path.as_bytes());
        out.u64(self.main_length.unwrap_or(self.main.len() as u64)).mark();
        out.bytes(&self.main).mark();
        if let Some(cache) = &self.cache {
            counted(&mut out, cache);
        }
        if !self.assets.is_empty() {
            out.u64(self.asset_count.unwrap_or(self.assets.len() as u64)).mark();
        }
        for (name, content) in &self.assets {
            counted(&mut out, name.as_bytes());
            counted(&mut out, content);
        }
        if !self.arguments.is_empty() {
            out.u64(self.arguments.len() as u64).mark();
        }
        for argument in &self.arguments {
            counted(&mut out, argument.as_bytes());
        }
        out.finish()
    }

    /// The blob's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// An executable with the blob in a note.
    pub fn in_elf(&self) -> Vec<u8> {
        noted(b"NODE_SEA_BLOB\0", &self.build())
    }
}

impl Default for Sea {
    fn default() -> Self {
        Self::new()
    }
}

/// An executable with a note of that name.
pub fn noted(name: &[u8], descriptor: &[u8]) -> Vec<u8> {
    let mut note = Out::le();
    note.u32(name.len() as u32).u32(descriptor.len() as u32).u32(0);
    note.bytes(name).align(4, 0).bytes(descriptor).align(4, 0);
    let mut file = Elf {
        extra: vec![elf::ExtraSection {
            name: ".note".into(),
            data: note.into_bytes(),
        }],
        ..Elf::new(true, false)
    }
    .build();
    // The section becomes one of notes.
    let at = u64::from_le_bytes(file[40..48].try_into().expect("eight bytes")) as usize + 6 * 64;
    file[at + 4..at + 8].copy_from_slice(&7u32.to_le_bytes());
    file
}
