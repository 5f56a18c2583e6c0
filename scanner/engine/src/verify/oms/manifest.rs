//! What is signed: an in-toto statement (v1) that lists the files of a model with their digests.
//!
//! The predicate `https://model_signing/signature/v1.0` has `serialization` (how the list was made) and `resources` (the
//! list); the only subject is the model, and its SHA-256 is that of the resources' digests, one after the other. Before,
//! `https://model_signing/Digests/v0.1` listed the files as subjects.
//!
//! A name that leads out of the directory, or that systems read differently, is refused, and the file with it.

use super::digest::Algorithm;
use crate::verify::document::{Document, Fault, hexadecimal, text_of};
use crate::walk::json::{Token, TokenKind, as_u64};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

pub(super) const STATEMENT: &str = "https://in-toto.io/Statement/v1";
pub(super) const PREDICATE: &str = "https://model_signing/signature/v1.0";
const PREDICATE_OF_0_2: &str = "https://model_signing/Digests/v0.1";
/// Files and parts of files in one manifest.
const MOST_RESOURCES: usize = 2_000_000;
/// Paths that a manifest leaves unsigned.
const MOST_IGNORED: usize = 4096;

/// What a manifest says of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stated {
    /// One digest of the whole.
    Whole(Algorithm, Vec<u8>),
    /// Digests of its parts, by where they start and end; contiguous from the start.
    Parts(Algorithm, Vec<(u64, u64, Vec<u8>)>),
}

/// A manifest, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The digest over all, as the subject gives it.
    pub(super) root: Option<[u8; 32]>,
    /// Whether files are given in parts.
    pub(super) sharded: bool,
    pub(super) allow_symlinks: bool,
    /// What is left unsigned on purpose, from the directory.
    pub(super) ignored: Vec<String>,
    pub(super) files: BTreeMap<String, Stated>,
    /// What is wrong with it.
    pub(super) problems: Vec<Problem>,
}

/// A rule that a manifest breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    /// The name that it is about, as the manifest writes it.
    pub(super) name: String,
    /// Where in the payload.
    pub(super) offset: u64,
    pub(super) rule: String,
}

/// What kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name that leads out of the directory.
    Escape,
    /// A name that systems read differently.
    Name,
    /// A name that stands twice.
    Duplicate,
    /// Names that differ in case only.
    Case,
    /// The digest over all is not that of the digests.
    Root,
    /// Parts that do not make a file.
    Parts,
}

struct Resource {
    name: String,
    algorithm: String,
    digest: Vec<u8>,
    offset: u64,
}

#[derive(Default)]
struct Read {
    statement: Option<String>,
    predicate: Option<(String, u64)>,
    subjects: Vec<Resource>,
    resources: Vec<Resource>,
    method: Option<String>,
    hash: Option<String>,
    shard_size: Option<u64>,
    allow_symlinks: bool,
    ignored: Vec<(String, u64)>,
}

/// Reads a payload.
pub(super) fn read(payload: &[u8]) -> Result<Manifest, Fault> {
    let mut read = Read::default();
    let mut document = Document::new(payload);
    document.object("the statement", |document, key| match key {
        "_type" => {
            read.statement = Some(document.text("_type")?.0.into_owned());
            Ok(())
        }
        "predicateType" => {
            let (text, span) = document.text("predicateType")?;
            read.predicate = Some((text.into_owned(), span.start()));
            Ok(())
        }
        "subject" => document.array("subject", |document, token| {
            let subject = subject(document, &token)?;
            bounded(&read.subjects, token.span.start())?;
            read.subjects.push(subject);
            Ok(())
        }),
        "predicate" => predicate(document, &mut read),
        _ => document.skip().map(|_| ()),
    })?;
    document.end()?;
    read.close()
}

fn bounded(all: &[Resource], offset: u64) -> Result<(), Fault> {
    if all.len() >= MOST_RESOURCES {
        return Err(Fault::new(offset, format!("more than {MOST_RESOURCES} resources")));
    }
    Ok(())
}

fn subject<'a>(document: &mut Document<'a>, token: &Token<'a>) -> Result<Resource, Fault> {
    let offset = token.span.start();
    let (mut name, mut digest) = (String::new(), None);
    document.opened(token, "a subject", |document, key| match key {
        "name" => {
            name = document.text("name")?.0.into_owned();
            Ok(())
        }
        "digest" => document.object("digest", |document, key| match key {
            "sha256" => {
                digest = Some(digest_of(document)?);
                Ok(())
            }
            _ => document.skip().map(|_| ()),
        }),
        _ => document.skip().map(|_| ()),
    })?;
    Ok(Resource {
        name,
        algorithm: "sha256".to_owned(),
        digest: digest.ok_or_else(|| Fault::new(offset, "a subject without a SHA-256"))?,
        offset,
    })
}

fn digest_of(document: &mut Document<'_>) -> Result<Vec<u8>, Fault> {
    let (text, span) = document.text("a digest")?;
    hexadecimal(&text).ok_or_else(|| Fault::new(span.start(), "a digest is not hexadecimal"))
}

fn predicate(document: &mut Document<'_>, read: &mut Read) -> Result<(), Fault> {
    let token = document.next()?;
    // The first version has nothing in it.
    if token.kind == TokenKind::Null {
        return Ok(());
    }
    document.opened(&token, "the predicate", |document, key| match key {
        "serialization" => serialization(document, read),
        "resources" => document.array("resources", |document, token| {
            bounded(&read.resources, token.span.start())?;
            read.resources.push(resource(document, &token)?);
            Ok(())
        }),
        _ => document.skip().map(|_| ()),
    })
}

fn resource<'a>(document: &mut Document<'a>, token: &Token<'a>) -> Result<Resource, Fault> {
    let offset = token.span.start();
    let (mut name, mut algorithm, mut digest) = (None, None, None);
    document.opened(token, "a resource", |document, key| {
        match key {
            "name" => name = Some(document.text("name")?.0.into_owned()),
            "algorithm" => algorithm = Some(document.text("algorithm")?.0.into_owned()),
            "digest" => digest = Some(digest_of(document)?),
            _ => {
                document.skip()?;
            }
        }
        Ok(())
    })?;
    let missing = |what: &str| Fault::new(offset, format!("a resource without {what}"));
    Ok(Resource {
        name: name.ok_or_else(|| missing("name"))?,
        algorithm: algorithm.ok_or_else(|| missing("algorithm"))?,
        digest: digest.ok_or_else(|| missing("digest"))?,
        offset,
    })
}

fn serialization(document: &mut Document<'_>, read: &mut Read) -> Result<(), Fault> {
    document.object("serialization", |document, key| {
        match key {
            "method" => read.method = Some(document.text("method")?.0.into_owned()),
            "hash_type" => read.hash = Some(document.text("hash_type")?.0.into_owned()),
            "shard_size" => {
                let token = document.next()?;
                let TokenKind::Number(raw) = token.kind else {
                    return Err(Fault::new(token.span.start(), "shard_size is not a number"));
                };
                // Values of a protobuf `Struct` are doubles, and some writers show it.
                let whole = raw.strip_suffix(".0").unwrap_or(raw);
                read.shard_size = Some(
                    as_u64(whole)
                        .filter(|size| *size > 0)
                        .ok_or_else(|| Fault::new(token.span.start(), "shard_size is no length"))?,
                );
            }
            "allow_symlinks" => {
                let token = document.next()?;
                read.allow_symlinks = match token.kind {
                    TokenKind::Bool(allowed) => allowed,
                    _ => {
                        return Err(Fault::new(
                            token.span.start(),
                            "allow_symlinks is neither true nor false",
                        ));
                    }
                };
            }
            "ignore_paths" => document.array("ignore_paths", |_, token| {
                if read.ignored.len() >= MOST_IGNORED {
                    let rule = format!("more than {MOST_IGNORED} paths are ignored");
                    return Err(Fault::new(token.span.start(), rule));
                }
                let (text, span) = text_of(token, "a path that is ignored")?;
                read.ignored.push((text.into_owned(), span.start()));
                Ok(())
            })?,
            _ => {
                document.skip()?;
            }
        }
        Ok(())
    })
}

impl Read {
    fn close(mut self) -> Result<Manifest, Fault> {
        if self.statement.as_deref() != Some(STATEMENT) {
            let found = self.statement.as_deref().unwrap_or("missing");
            return Err(Fault::new(
                0,
                format!("the statement's type is {found}, not {STATEMENT}"),
            ));
        }
        let Some((predicate, offset)) = self.predicate.take() else {
            return Err(Fault::new(0, "the statement has no predicateType"));
        };
        match predicate.as_str() {
            PREDICATE => self.current(),
            PREDICATE_OF_0_2 => self.former(),
            _ => Err(Fault::new(
                offset,
                format!("{predicate} is not a predicate of a signed model"),
            )),
        }
    }

    fn current(self) -> Result<Manifest, Fault> {
        let [subject] = self.subjects.as_slice() else {
            let rule = format!("{} subjects where one is the model", self.subjects.len());
            return Err(Fault::new(0, rule));
        };
        let missing = |what: &str| Fault::new(0, format!("the serialization has no {what}"));
        let method = self.method.as_deref().ok_or_else(|| missing("method"))?;
        let hash = self.hash.as_deref().ok_or_else(|| missing("hash_type"))?;
        let Some(hash) = Algorithm::of(hash) else {
            return Err(Fault::new(0, format!("hash_type {hash} is not one that is computed")));
        };
        let shard_size = match method {
            "files" => None,
            "shards" => Some(self.shard_size.ok_or_else(|| missing("shard_size"))?),
            _ => {
                return Err(Fault::new(
                    0,
                    format!("the method {method} is neither files nor shards"),
                ));
            }
        };
        let mut manifest = Manifest {
            root: subject.digest.as_slice().try_into().ok(),
            sharded: shard_size.is_some(),
            allow_symlinks: self.allow_symlinks,
            ignored: Vec::new(),
            files: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut root = Sha256::new();
        for resource in &self.resources {
            root.update(&resource.digest);
        }
        if root.finalize()[..] != subject.digest[..] {
            manifest.problem(
                Kind::Root,
                subject,
                "the digest of the model is not that of the digests listed",
            );
        }
        manifest.ignore(self.ignored);
        for resource in &self.resources {
            manifest.add(resource, hash, shard_size)?;
        }
        manifest.close();
        Ok(manifest)
    }

    fn former(self) -> Result<Manifest, Fault> {
        let mut manifest = Manifest {
            root: None,
            sharded: false,
            allow_symlinks: true,
            ignored: Vec::new(),
            files: BTreeMap::new(),
            problems: Vec::new(),
        };
        for subject in &self.subjects {
            manifest.add(subject, Algorithm::Sha256, None)?;
        }
        manifest.close();
        Ok(manifest)
    }
}

impl Manifest {
    fn problem(&mut self, kind: Kind, resource: &Resource, rule: impl Into<String>) {
        self.problems.push(Problem {
            kind,
            name: resource.name.clone(),
            offset: resource.offset,
            rule: rule.into(),
        });
    }

    fn ignore(&mut self, paths: Vec<(String, u64)>) {
        for (path, offset) in paths {
            match refused(&path) {
                None => self.ignored.push(path),
                // Everything: only the directory itself is called so.
                Some((_, _)) if path == "." => self.problems.push(Problem {
                    kind: Kind::Escape,
                    rule: "everything is ignored".to_owned(),
                    name: path,
                    offset,
                }),
                Some((kind, rule)) => self.problems.push(Problem {
                    kind,
                    rule: format!("a path that is ignored {rule}"),
                    name: path,
                    offset,
                }),
            }
        }
        self.ignored.sort();
        self.ignored.dedup();
    }

    fn add(&mut self, resource: &Resource, hash: Algorithm, shard_size: Option<u64>) -> Result<(), Fault> {
        let fault = |rule: String| Fault::new(resource.offset, rule);
        let base = match (shard_size, resource.algorithm.split_once("-sharded-")) {
            (Some(size), Some((base, stated))) if stated == size.to_string() => base,
            (None, None) => resource.algorithm.as_str(),
            _ => {
                return Err(fault(format!(
                    "a resource gives {} as its algorithm",
                    resource.algorithm
                )));
            }
        };
        let algorithm = Algorithm::of(base).ok_or_else(|| fault(format!("{base} is not a digest that is computed")))?;
        if algorithm != hash {
            return Err(fault(format!(
                "a resource gives {base}, and the serialization {}",
                hash.as_str()
            )));
        }
        if resource.digest.len() != algorithm.length() {
            return Err(fault(format!("a digest of {} bytes for {base}", resource.digest.len())));
        }
        let (name, part) = match shard_size {
            None => (resource.name.as_str(), None),
            Some(size) => {
                let mut fields = resource.name.rsplitn(3, ':');
                let (end, start) = (fields.next().and_then(as_u64), fields.next().and_then(as_u64));
                match (fields.next(), start, end) {
                    (Some(name), Some(start), Some(end)) if start < end && end.saturating_sub(start) <= size => {
                        (name, Some((start, end)))
                    }
                    _ => return Err(fault("a resource's name is not PATH:START:END".to_owned())),
                }
            }
        };
        // A single file signed by itself is called so.
        if let Some((kind, rule)) = refused(name).filter(|_| name != ".") {
            self.problem(kind, resource, format!("a name {rule}"));
            return Ok(());
        }
        match part {
            None => {
                let stated = Stated::Whole(algorithm, resource.digest.clone());
                if self.files.insert(name.to_owned(), stated).is_some() {
                    self.problem(Kind::Duplicate, resource, "a name stands twice");
                }
            }
            Some((start, end)) => {
                let stated = self
                    .files
                    .entry(name.to_owned())
                    .or_insert_with(|| Stated::Parts(algorithm, Vec::new()));
                if let Stated::Parts(_, parts) = stated {
                    parts.push((start, end, resource.digest.clone()));
                }
            }
        }
        Ok(())
    }

    /// What shows only when all is read: parts that do not follow each other, names that differ in case.
    fn close(&mut self) {
        let mut broken = Vec::new();
        let mut folded: HashMap<String, &str> = HashMap::new();
        for (name, stated) in &mut self.files {
            if let Stated::Parts(_, parts) = stated {
                parts.sort();
                let mut next = 0u64;
                let whole = parts.iter().all(|(start, end, _)| {
                    let follows = *start == next;
                    next = *end;
                    follows
                });
                if !whole {
                    broken.push((Kind::Parts, name.clone(), "its parts overlap or leave a gap".to_owned()));
                }
            }
            if let Some(other) = folded.insert(name.to_lowercase(), name) {
                let rule = format!("it differs from {other} in case only");
                broken.push((Kind::Case, name.clone(), rule));
            }
        }
        for (kind, name, rule) in broken {
            if kind == Kind::Parts {
                self.files.remove(&name);
            }
            self.problems.push(Problem {
                kind,
                name,
                offset: 0,
                rule,
            });
        }
    }
}

/// Why a name is refused.
fn refused(name: &str) -> Option<(Kind, &'static str)> {
    const LONGEST: usize = 4096;
    let drive = name.as_bytes().get(1) == Some(&b':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if name.is_empty() {
        Some((Kind::Name, "is empty"))
    } else if name.len() > LONGEST {
        Some((Kind::Name, "is longer than 4096 bytes"))
    } else if name.starts_with('/') || drive {
        Some((Kind::Escape, "is absolute"))
    } else if name.split(['/', '\\']).any(|level| level == "..") {
        Some((Kind::Escape, "leads out of the directory"))
    } else if name.contains('\\') {
        Some((Kind::Name, "holds a backslash"))
    } else if name.split('/').any(|level| level.is_empty() || level == ".") {
        Some((Kind::Name, "has an empty level or one that is a dot"))
    } else if name.chars().any(char::is_control) {
        Some((Kind::Name, "holds a control character"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::document::hex;

    fn digests(names: &[&str]) -> (String, String) {
        let mut root = Sha256::new();
        let resources: Vec<String> = names
            .iter()
            .map(|name| {
                let digest = Sha256::digest(name.as_bytes());
                root.update(digest);
                let name = serde_json::Value::from(*name);
                format!(
                    r#"{{"name": {name}, "algorithm": "sha256", "digest": "{}"}}"#,
                    hex(&digest)
                )
            })
            .collect();
        (resources.join(", "), hex(&root.finalize()))
    }

    fn statement(names: &[&str], extra: &str) -> String {
        let (resources, root) = digests(names);
        format!(
            r#"{{"_type": "{STATEMENT}", "subject": [{{"name": "m", "digest": {{"sha256": "{root}"}}}}],
"predicateType": "{PREDICATE}", "predicate": {{"resources": [{resources}],
"serialization": {{"method": "files", "hash_type": "sha256", "allow_symlinks": false{extra}}}}}}}"#
        )
    }

    fn problems(text: &str) -> Vec<(Kind, String)> {
        let manifest = read(text.as_bytes()).unwrap();
        manifest.problems.into_iter().map(|p| (p.kind, p.name)).collect()
    }

    #[test]
    fn a_statement_is_read_whatever_the_order_of_its_members() {
        let text = statement(&["a", "b/c"], r#", "ignore_paths": ["model.sig", ".git"]"#);
        let manifest = read(text.as_bytes()).unwrap();
        assert_eq!(manifest.problems, []);
        assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(manifest.ignored, [".git", "model.sig"]);
        assert!(!manifest.sharded && !manifest.allow_symlinks);
    }

    #[test]
    fn names_that_lead_out_or_are_read_differently_are_refused() {
        for (name, kind) in [
            ("../x", Kind::Escape),
            ("a/../../x", Kind::Escape),
            ("a\\..\\x", Kind::Escape),
            ("/etc/x", Kind::Escape),
            ("C:/x", Kind::Escape),
            ("a\\b", Kind::Name),
            ("a//b", Kind::Name),
            ("./a", Kind::Name),
            ("a\nb", Kind::Name),
            ("a\u{0}b", Kind::Name),
            ("", Kind::Name),
        ] {
            let found = problems(&statement(&[name, "good"], ""));
            assert_eq!(found, [(kind, name.to_owned())], "{name:?}");
        }
        for name in ["a", "a/b.c", "..a/b..", "a b", "ä"] {
            assert_eq!(problems(&statement(&[name], "")), [], "{name:?}");
        }
    }

    #[test]
    fn what_is_inconsistent_is_told() {
        let found = problems(&statement(&["a", "a"], ""));
        assert_eq!(found, [(Kind::Duplicate, "a".to_owned())]);
        let found = problems(&statement(&["README", "readme"], ""));
        assert_eq!(found, [(Kind::Case, "readme".to_owned())]);
        let altered = statement(&["a"], "").replace(
            r#""name": "a", "algorithm": "sha256", "digest": "c"#,
            r#""name": "a", "algorithm": "sha256", "digest": "d"#,
        );
        assert_eq!(problems(&altered), [(Kind::Root, "m".to_owned())]);
        let found = problems(&statement(&["a"], r#", "ignore_paths": ["../x", "/y", ".", "ok"]"#));
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [Kind::Escape; 3]);
    }

    #[test]
    fn parts_must_make_a_file() {
        let parts = |names: &[&str]| {
            statement(names, r#", "shard_size": 10.0"#)
                .replace("files", "shards")
                .replace(r#""algorithm": "sha256""#, r#""algorithm": "sha256-sharded-10""#)
        };
        let manifest = read(parts(&["a:10:15", "a:0:10", "b:0:3"]).as_bytes()).unwrap();
        assert_eq!(manifest.problems, []);
        assert!(matches!(&manifest.files["a"], Stated::Parts(_, p) if p.len() == 2 && p[1].1 == 15));
        assert_eq!(
            problems(&parts(&["a:0:10", "a:11:15"])),
            [(Kind::Parts, "a".to_owned())]
        );
        assert_eq!(problems(&parts(&["a:0:10", "a:5:15"])), [(Kind::Parts, "a".to_owned())]);
        for name in ["a", "a:0", "a:5:5", "a:0:11", "a:x:9", "a:-1:9"] {
            let fault = read(parts(&[name]).as_bytes()).unwrap_err();
            assert_eq!(fault.rule, "a resource's name is not PATH:START:END", "{name}");
        }
    }

    #[test]
    fn what_is_no_such_statement_is_refused() {
        let good = statement(&["a"], "");
        for (from, to, expected) in [
            ("Statement/v1", "Statement/v2", "the statement's type is"),
            (
                "signature/v1.0",
                "signature/v2.0",
                "https://model_signing/signature/v2.0 is not",
            ),
            ("\"files\"", "\"trees\"", "the method trees is neither"),
            (
                "\"hash_type\": \"sha256\"",
                "\"hash_type\": \"md5\"",
                "hash_type md5 is not",
            ),
            (
                "\"algorithm\": \"sha256\"",
                "\"algorithm\": \"blake3\"",
                "a resource gives blake3, and",
            ),
            ("false", "\"false\"", "allow_symlinks is neither"),
            ("\"name\": \"a\", ", "", "a resource without name"),
        ] {
            let fault = read(good.replace(from, to).as_bytes()).unwrap_err();
            assert!(fault.rule.starts_with(expected), "{fault:?}");
        }
    }

    #[test]
    fn the_first_version_lists_files_as_subjects() {
        let digest = hex(&Sha256::digest(b"x"));
        let text = format!(
            r#"{{"_type": "{STATEMENT}", "predicateType": "{PREDICATE_OF_0_2}", "predicate": {{}},
"subject": [{{"name": "a", "digest": {{"sha256": "{digest}"}}}}, {{"name": "../b", "digest": {{"sha256": "{digest}"}}}}]}}"#
        );
        let manifest = read(text.as_bytes()).unwrap();
        assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(manifest.problems[0].kind, Kind::Escape);
    }
}
