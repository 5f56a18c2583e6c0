//! Node programs behind a Node executable: nexe and pkg.

use crate::build::bytes::Out;
use crate::build::elf::Elf;
use crate::build::gzip;

/// A nexe payload: a script that begins with its table, and resources.
#[derive(Clone, Debug)]
pub struct Nexe {
    /// Resources by name.
    pub resources: Vec<(String, Vec<u8>)>,
    /// Bytes behind the resources that the table does not name.
    pub stuffing: Vec<u8>,
}

impl Nexe {
    /// Two resources.
    pub fn new() -> Self {
        Self {
            resources: vec![
                ("./index.js".into(), b"require('./lib')\n".to_vec()),
                ("./lib.js".into(), b"fetch('https://api.example.com/v1')\n".to_vec()),
            ],
            stuffing: Vec::new(),
        }
    }

    /// The payload.
    pub fn build(&self) -> Vec<u8> {
        let (mut contents, mut table) = (Vec::new(), Vec::new());
        for (name, content) in &self.resources {
            table.push(format!("\"{name}\":[{},{}]", contents.len(), content.len()));
            contents.extend_from_slice(content);
        }
        let script = format!(
            "!(function () {{process.__nexe = {{\"resources\":{{{}}}}};\n}})();\nrequire('./index.js')\n",
            table.join(",")
        );
        contents.extend_from_slice(&self.stuffing);
        let mut out = Out::le();
        out.bytes(script.as_bytes()).bytes(&contents).bytes(b"<nexe~~sentinel>");
        out.bytes(&(script.len() as f64).to_le_bytes())
            .bytes(&(contents.len() as f64).to_le_bytes());
        out.into_bytes()
    }

    /// An executable with the payload behind it.
    pub fn in_elf(&self) -> Vec<u8> {
        Elf {
            appended: self.build(),
            ..Elf::new(true, false)
        }
        .build()
    }
}

impl Default for Nexe {
    fn default() -> Self {
        Self::new()
    }
}

/// A pkg payload and its prelude.
#[derive(Clone, Debug)]
pub struct Pkg {
    /// What is stored: path, kind, bytes.
    pub stored: Vec<(String, u8, Vec<u8>)>,
    /// 0 none, 1 gzip, 2 Brotli.
    pub compression: u8,
    /// The prelude of 6.0: shared functions before the table, and paths by the numbers of their components.
    pub shared: bool,
}

impl Pkg {
    /// An entry point with its `stat`, and bytecode of another file.
    pub fn new(compression: u8) -> Self {
        let pack = |bytes: &[u8]| match compression {
            1 => gzip::gzip(bytes),
            _ => bytes.to_vec(),
        };
        Self {
            stored: vec![
                (
                    "/snapshot/app/index.js".into(),
                    1,
                    pack(b"fetch('https://api.example.com/v1')\n"),
                ),
                (
                    "/snapshot/app/index.js".into(),
                    3,
                    pack(b"{\"mode\":33188,\"size\":36}"),
                ),
                ("/snapshot/app/lib.js".into(), 0, vec![0xb5; 40]),
                ("/snapshot/app".into(), 2, pack(b"[\"index.js\",\"lib.js\"]")),
            ],
            compression,
            shared: false,
        }
    }

    /// Payload and prelude.
    pub fn build(&self) -> Vec<u8> {
        let (mut payload, mut table) = (Vec::new(), Vec::<(String, Vec<String>)>::new());
        for (path, kind, bytes) in &self.stored {
            let place = format!("\"{kind}\":[{},{}]", payload.len(), bytes.len());
            payload.extend_from_slice(bytes);
            match table.iter_mut().find(|(known, _)| known == path) {
                Some((_, places)) => places.push(place),
                None => table.push((path.clone(), vec![place])),
            }
        }
        let table: Vec<String> = table
            .iter()
            .map(|(path, places)| {
                let path = if self.shared {
                    path.replace("snapshot", "0").replace("index.js", "1")
                } else {
                    path.clone()
                };
                format!("\"{path}\":{{{}}}", places.join(","))
            })
            .collect();
        let (functions, dictionary) = if self.shared {
            (
                "(function () { return module.exports; })(),",
                "\"snapshot\":\"0\",\"index.js\":\"1\"",
            )
        } else {
            ("},", "")
        };
        let prelude = format!(
            "(function(process, require, console, EXECPATH_FD, PAYLOAD_POSITION, PAYLOAD_SIZE) {{ return (function (REQUIRE_COMMON, VIRTUAL_FILESYSTEM, DEFAULT_ENTRYPOINT, SYMLINKS, DICT, DOCOMPRESS) {{\n  'use strict';\n}})(function (exports) {{\nexports.STORE_BLOB = 0;\n{functions}\n{{{}}}\n,\n\"/snapshot/app/index.js\"\n,\n{{}}\n,\n{{{dictionary}}}\n,\n{}\n);\n}})",
            table.join(","),
            self.compression
        );
        payload.extend_from_slice(prelude.as_bytes());
        payload
    }

    /// An executable with payload and prelude behind it.
    pub fn in_elf(&self) -> Vec<u8> {
        Elf {
            appended: self.build(),
            ..Elf::new(true, false)
        }
        .build()
    }
}
