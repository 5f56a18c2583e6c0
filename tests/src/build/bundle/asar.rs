//! asar archives (`@electron/asar`, README, "Format").

use crate::build::bytes::{Built, Out};
use crate::build::sha256::sha256;

/// An archive. Start from [`Asar::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Asar {
    /// Files below the root: path of one or two levels, content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Members of the root that are written as they stand: `"a":{"link":"b"}`.
    pub raw: Vec<String>,
    /// Whether digests are stated.
    pub integrity: bool,
    /// Bytes behind the last content.
    pub appended: Vec<u8>,
}

impl Asar {
    /// A package with a script and a file that lies beside the archive.
    pub fn new() -> Self {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        Self {
            files: vec![
                file("package.json", "{\"name\": \"agent\", \"main\": \"src/main.js\"}\n"),
                file("src/main.js", "fetch('https://api.example.com/v1');\n"),
                file("src/view.html", "<!doctype html>\n<title>inert</title>\n"),
            ],
            raw: vec![
                "\"addon.node\":{\"size\":1000,\"unpacked\":true}".into(),
                "\"latest\":{\"link\":\"src\"}".into(),
            ],
            integrity: true,
            appended: Vec::new(),
        }
    }

    /// The archive.
    pub fn built(&self) -> Built {
        let mut contents = Out::le();
        let mut root = self.raw.clone();
        let mut folder = Vec::new();
        for (path, content) in &self.files {
            let (inside, name) = match path.split_once('/') {
                Some((_, name)) => (true, name),
                None => (false, path.as_str()),
            };
            let digest: String = sha256(content).iter().map(|b| format!("{b:02x}")).collect();
            let integrity = format!(
                ",\"integrity\":{{\"algorithm\":\"SHA256\",\"hash\":\"{digest}\",\"blockSize\":4194304,\"blocks\":[\"{digest}\"]}}"
            );
            let member = format!(
                "\"{name}\":{{\"size\":{},\"offset\":\"{}\"{}}}",
                content.len(),
                contents.len(),
                if self.integrity { integrity.as_str() } else { "" }
            );
            contents.bytes(content).mark();
            if inside { folder.push(member) } else { root.push(member) }
        }
        if !folder.is_empty() {
            root.push(format!("\"src\":{{\"files\":{{{}}}}}", folder.join(",")));
        }
        let text = format!("{{\"files\":{{{}}}}}", root.join(","));
        let padded = text.len().next_multiple_of(4) as u32;
        let mut out = Out::le();
        out.u32(4).u32(padded + 8).u32(padded + 4).u32(text.len() as u32).mark();
        out.bytes(text.as_bytes()).mark().align(4, 0).mark();
        out.bytes(&contents.into_bytes()).bytes(&self.appended);
        out.finish()
    }

    /// The archive's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }
}

impl Default for Asar {
    fn default() -> Self {
        Self::new()
    }
}
