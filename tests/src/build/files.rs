//! Packages and repositories: a list of files, written as a directory, a tar, a tarball or a ZIP.

use super::safetensors::{SafeTensors, Tensor};
use super::sha256::sha256;
use super::{gguf, gzip, keras, tar, zip};
use std::fs;
use std::io;
use std::path::Path;

/// Files by path, in order.
#[derive(Clone, Debug, Default)]
pub struct Files(pub Vec<(String, Vec<u8>)>);

impl Files {
    /// These files.
    pub fn of(files: &[(&str, &[u8])]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, data)| ((*path).to_owned(), data.to_vec()))
                .collect(),
        )
    }

    /// With one file more, or another content of it.
    #[must_use]
    pub fn with(mut self, path: &str, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref().to_vec();
        match self.0.iter_mut().find(|(p, _)| p == path) {
            Some(file) => file.1 = data,
            None => self.0.push((path.to_owned(), data)),
        }
        self
    }

    /// Without one file.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.0.retain(|(p, _)| p != path);
        self
    }

    /// All below `folder`.
    #[must_use]
    pub fn below(mut self, folder: &str) -> Self {
        for (path, _) in &mut self.0 {
            *path = format!("{folder}/{path}");
        }
        self
    }

    /// The content of one file.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let file = self.0.iter().find(|(p, _)| p == path);
        file.map(|(_, data)| data.clone()).unwrap_or_default()
    }

    /// As a ZIP.
    pub fn zip(&self) -> Vec<u8> {
        let entries = self.0.iter().map(|(path, data)| zip::Entry::deflated(path, data));
        zip::Zip::of(entries.collect()).build()
    }

    /// As a tar.
    pub fn tar(&self) -> Vec<u8> {
        let mut entries = Vec::new();
        for (path, data) in &self.0 {
            if path.len() > 100 {
                entries.push(tar::Entry::pax(b'x', &[("path", path)]));
            }
            entries.push(tar::Entry::file(path, data));
        }
        tar::Tar::of(entries).build()
    }

    /// As a tar, compressed.
    pub fn tgz(&self) -> Vec<u8> {
        gzip::gzip(&self.tar())
    }

    /// As files below `folder`.
    ///
    /// # Errors
    /// What the operating system reports.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (path, data) in &self.0 {
            let path = folder.join(path);
            if let Some(above) = path.parent() {
                fs::create_dir_all(above)?;
            }
            fs::write(path, data)?;
        }
        Ok(())
    }
}

/// A wheel `fixture` 1.0 of these files beside a module, with a RECORD that is right.
pub fn wheel(more: &[(&str, &[u8])]) -> Files {
    let mut files = Files::of(&[
        ("fixture/__init__.py", b"VERSION = \"1.0\"\n"),
        (
            "fixture-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: fixture\nVersion: 1.0\n",
        ),
        (
            "fixture-1.0.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: fixture\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
    ]);
    for (path, data) in more {
        files = files.with(path, data);
    }
    let record = record(&files);
    files.with("fixture-1.0.dist-info/RECORD", record)
}

/// The RECORD of these files.
pub fn record(files: &Files) -> String {
    let row =
        |(path, data): &(String, Vec<u8>)| format!("{path},sha256={},{}\n", zip::base64url(&sha256(data)), data.len());
    let rows: String = files.0.iter().map(row).collect();
    rows + "fixture-1.0.dist-info/RECORD,,\n"
}

/// One part of a model: a tensor of four numbers.
pub fn shard(name: &str) -> Vec<u8> {
    let tensors = vec![Tensor::new(name, "F32", &[4], vec![0; 16])];
    SafeTensors {
        tensors,
        align: 8,
        ..SafeTensors::default()
    }
    .build()
}

/// The index of a model in two parts.
pub const INDEX: &str = r#"{"metadata": {"total_size": 32}, "weight_map": {
"first.weight": "model-00001-of-00002.safetensors", "second.weight": "model-00002-of-00002.safetensors"}}"#;

/// A model in two parts, as it is published.
pub fn model() -> Files {
    Files::of(&[
        (
            "config.json",
            br#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}"#,
        ),
        ("generation_config.json", br#"{"temperature": 0.7}"#),
        (
            "tokenizer_config.json",
            br#"{"chat_template": "{{ messages }}", "bos_token": "<s>"}"#,
        ),
        ("chat_template.jinja", b"{{ messages }}\n"),
        ("model.safetensors.index.json", INDEX.as_bytes()),
    ])
    .with("model-00001-of-00002.safetensors", shard("first.weight"))
    .with("model-00002-of-00002.safetensors", shard("second.weight"))
}

/// The same with an OpenSSF model signature over it, as `model-signing` writes one; the signature's own bytes are none.
pub fn signed_model() -> Files {
    let files = model();
    let mut digests = Vec::new();
    let row = |(name, data): &(String, Vec<u8>)| {
        digests.extend_from_slice(&sha256(data));
        format!(
            r#"{{"name": "{name}", "algorithm": "sha256", "digest": "{}"}}"#,
            hex(data)
        )
    };
    let rows: Vec<String> = files.0.iter().map(row).collect();
    let statement = format!(
        r#"{{"_type": "https://in-toto.io/Statement/v1",
"subject": [{{"name": "model", "digest": {{"sha256": "{}"}}}}],
"predicateType": "https://model_signing/signature/v1.0",
"predicate": {{"serialization": {{"method": "files", "hash_type": "sha256", "allow_symlinks": false,
"ignore_paths": ["model.sig"]}}, "resources": [{}]}}}}"#,
        hex(&digests),
        rows.join(", ")
    );
    let bundle = format!(
        r#"{{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
"verificationMaterial": {{"publicKey": {{"hint": "{}"}}, "tlogEntries": []}},
"dsseEnvelope": {{"payload": "{}", "payloadType": "application/vnd.in-toto+json",
"signatures": [{{"sig": "AAAA", "keyid": ""}}]}}}}"#,
        hex(b"key"),
        keras::base64(statement.as_bytes())
    );
    files.with("model.sig", bundle)
}

/// A GGUF file that states a chat template.
pub fn gguf_with_template(template: &str) -> Vec<u8> {
    let mut file = gguf::Gguf::new(3, false);
    file.kv.retain(|(key, _)| !key.starts_with("tokenizer.chat_template"));
    file.kv
        .push(("tokenizer.chat_template".into(), gguf::Value::text(template)));
    file.build()
}

/// The digest of bytes in hexadecimal.
pub fn hex(data: &[u8]) -> String {
    sha256(data).iter().map(|b| format!("{b:02x}")).collect()
}

/// A container image of one layer, as an OCI layout that `docker save` wrote: both kinds of manifest.
#[derive(Clone, Debug)]
pub struct Image {
    /// The layer, a tar.
    pub layer: Vec<u8>,
    /// What the configuration says beside the layer's digest.
    pub config: String,
}

impl Default for Image {
    fn default() -> Self {
        let layer = tar::Tar::of(vec![
            tar::Entry::file("bin/program", b"#!/bin/sh\ntrue\n"),
            tar::Entry::special(b'2', "etc/mtab", "/proc/mounts"),
        ]);
        Self {
            layer: layer.build(),
            config: r#""config": {"Cmd": ["/bin/program"], "User": "1000"}, "history": [{"created_by": "COPY program /bin"}]"#
                .to_owned(),
        }
    }
}

impl Image {
    /// The files of the layout.
    pub fn files(&self) -> Files {
        let packed = gzip::gzip(&self.layer);
        let config = format!(
            r#"{{"architecture": "amd64", "os": "linux", {}, "rootfs": {{"type": "layers", "diff_ids": ["sha256:{}"]}}}}"#,
            self.config,
            hex(&self.layer)
        );
        let descriptor = |kind: &str, data: &[u8]| {
            let media = format!("application/vnd.oci.image.{kind}");
            format!(
                r#"{{"mediaType": "{media}", "digest": "sha256:{}", "size": {}}}"#,
                hex(data),
                data.len()
            )
        };
        let manifest = format!(
            r#"{{"schemaVersion": 2, "config": {}, "layers": [{}]}}"#,
            descriptor("config.v1+json", config.as_bytes()),
            descriptor("layer.v1.tar+gzip", &packed)
        );
        let index = format!(
            r#"{{"schemaVersion": 2, "manifests": [{}]}}"#,
            descriptor("manifest.v1+json", manifest.as_bytes())
        );
        let blob = |data: &[u8]| format!("blobs/sha256/{}", hex(data));
        let docker = format!(
            r#"[{{"Config": "{}", "RepoTags": ["fixture:1"], "Layers": ["{}"]}}]"#,
            blob(config.as_bytes()),
            blob(&packed)
        );
        Files::of(&[("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)])
            .with(&blob(config.as_bytes()), &config)
            .with(&blob(manifest.as_bytes()), &manifest)
            .with(&blob(&packed), &packed)
            .with("index.json", index)
            .with("manifest.json", docker)
    }
}
