//! Wheels and installed Python packages: RECORD against the files (PEP 376, PEP 427), and the names that must agree.
//!
//! pip does not look at RECORD when it installs: what it lists wrongly, or not at all, is installed all the same. Only
//! SHA-256 is compared, since that is what is computed of every member. What starts by itself is told in `startup`.

use super::{Container, Inspection, Member, Outcome, is_hexadecimal, join, leaves, split};
use crate::finding::{Value as Evidence, code};
use crate::policy::shown;
use crate::verify::record;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// `record-mismatch`, `path-traversal`, `package-inventory`.
pub(super) struct Wheel;

impl Inspection for Wheel {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        let mut infos: BTreeSet<&[u8]> = BTreeSet::new();
        for member in &container.members {
            if matches!(member.name(), b"WHEEL" | b"METADATA" | b"RECORD") && member.folder().ends_with(b".dist-info") {
                infos.insert(member.folder());
            }
        }
        let mut sites: BTreeMap<&[u8], u64> = BTreeMap::new();
        for info in &infos {
            let count = sites.entry(split(info).0).or_default();
            *count = count.saturating_add(1);
        }
        for info in &infos {
            let site = split(info).0;
            let alone = sites.get(site) == Some(&1);
            let package = Package {
                container,
                info,
                site,
                packed: alone
                    && !is_installed(site)
                    && container.has(&at(info, b"WHEEL"))
                    && !container.has(&at(info, b"INSTALLER")),
            };
            package.names(out);
            package.record(out);
            package.entry_points(out);
        }
    }
}

/// Whether packages are installed in `site`, by its name: no wheel holds its metadata below such a folder.
fn is_installed(site: &[u8]) -> bool {
    matches!(split(site).1, b"site-packages" | b"dist-packages")
}

/// One `.dist-info` folder.
struct Package<'c, 'a> {
    container: &'c Container<'a>,
    info: &'c [u8],
    /// The folder it stands in.
    site: &'c [u8],
    /// Whether it is a wheel, packed or unpacked, rather than something installed.
    packed: bool,
}

/// Rows of one RECORD; the largest published wheels list a few ten thousand files.
const MOST_ROWS: usize = 262_144;
/// Names that a finding lists.
const EXAMPLES: usize = 8;

/// What the rows of one RECORD have in common.
#[derive(Default)]
struct Seen {
    missing: u64,
    examples: Vec<String>,
    hexadecimal: u64,
    unread: BTreeMap<String, u64>,
}

fn at(folder: &[u8], name: &[u8]) -> Vec<u8> {
    [folder, b"/", name].concat()
}

impl Package<'_, '_> {
    fn names(&self, out: &mut Outcome<'_>) {
        let Some(metadata) = self.container.file(&at(self.info, b"METADATA")) else {
            return;
        };
        let Some(text) = out.text(metadata) else { return };
        let text = String::from_utf8_lossy(text);
        let header = |key: &str| {
            let lines = text.lines().take_while(|line| !line.trim().is_empty());
            let mut values = lines.filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
            });
            values.next()
        };
        let (Some(name), Some(version)) = (header("Name"), header("Version")) else {
            return;
        };
        let folder = split(self.info).1;
        let folder = String::from_utf8_lossy(folder.strip_suffix(b".dist-info").unwrap_or(folder)).into_owned();
        let file = String::from_utf8_lossy(self.container.around.name).into_owned();
        let file = file
            .strip_suffix(".whl")
            .filter(|_| self.packed && self.site.is_empty());
        for (what, other) in [("its folder", Some(folder.as_str())), ("the file's name", file)] {
            let Some((other_name, rest)) = other.and_then(|o| o.split_once('-')) else {
                continue;
            };
            let other_version = rest.split('-').next().unwrap_or_default();
            let case = if plain(other_name) != plain(&name) {
                "name"
            } else if release(other_version) != release(&version) {
                "version"
            } else {
                continue;
            };
            let message = format!("METADATA says {name} {version}, {what} {other_name} {other_version}");
            let finding = self
                .container
                .finding(code::RECORD_MISMATCH, metadata, message)
                .case(case);
            out.push(finding.key(format!("{what} {case}")));
        }
    }

    fn entry_points(&self, out: &mut Outcome<'_>) {
        let Some(member) = self.container.file(&at(self.info, b"entry_points.txt")) else {
            return;
        };
        let Some(text) = out.text(member) else { return };
        let text = String::from_utf8_lossy(text);
        let mut groups: Vec<String> = Vec::new();
        let mut scripts: Vec<String> = Vec::new();
        let mut script = false;
        for line in text.lines().map(str::trim) {
            if let Some(group) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                script = matches!(group, "console_scripts" | "gui_scripts");
                groups.push(group.to_owned());
            } else if let Some((name, _)) = line.split_once('=').filter(|_| script && !line.starts_with(['#', ';'])) {
                scripts.push(name.trim().to_owned());
            }
        }
        groups.truncate(32);
        scripts.truncate(32);
        if !groups.is_empty() {
            let folder = shown(split(self.info).1);
            let message = match scripts.len() {
                0 => format!("{folder} registers entry points of {} kinds", groups.len()),
                n => format!("{folder} installs {n} commands: {}", scripts.join(", ")),
            };
            let finding = self
                .container
                .finding(code::PACKAGE_INVENTORY, member, message)
                .case("entry-points");
            out.push(finding.evidence("groups", Evidence::List(groups)));
        }
    }

    fn record(&self, out: &mut Outcome<'_>) {
        let path = at(self.info, b"RECORD");
        let Some(record) = self.container.file(&path) else {
            let known = self.packed && self.site.is_empty() && self.container.around.whole;
            if let Some(wheel) = self
                .container
                .at(&at(self.info, b"WHEEL"))
                .filter(|_| known && !self.container.is_excluded(&path))
            {
                let message = format!(
                    "{} has no RECORD: nothing says which files belong to it",
                    shown(self.info)
                );
                let finding = self.container.finding(code::RECORD_MISMATCH, wheel, message);
                out.push(finding.case("absent"));
            }
            return;
        };
        let Some(text) = out.text(record) else { return };
        let mut listed: HashSet<Vec<u8>> = HashSet::new();
        let mut seen = Seen::default();
        for (number, row) in rows(text).enumerate() {
            if number >= MOST_ROWS {
                return out.not_held(record, &format!("it has more than {MOST_ROWS} rows"));
            }
            if leaves(&String::from_utf8_lossy(&row.path)) {
                if self.packed {
                    let message = format!("RECORD lists {}, outside of the package", shown(&row.path));
                    let finding = self.container.finding(code::PATH_TRAVERSAL, record, message);
                    out.push(finding.key(shown(&row.path)));
                }
                continue;
            }
            let path = join(self.site, &row.path);
            self.row(record, &row, &path, &mut seen, out);
            listed.insert(path);
        }
        self.say(record, seen, out);
        self.signed(text, out);
        if self.packed {
            self.unlisted(&listed, out);
        }
    }

    /// RECORD's own signature, which hardly anybody makes and nobody checks.
    fn signed(&self, listed: &[u8], out: &mut Outcome<'_>) {
        if let Some(member) = self.container.file(&at(self.info, b"RECORD.jws"))
            && let Some(text) = out.text(member)
        {
            let finding = match record::jws(text, listed) {
                Ok(keys) => {
                    let message = format!("RECORD is signed by the Ed25519 key {}", keys.join(", "));
                    let finding = self.container.finding(code::PACKAGE_INVENTORY, member, message);
                    finding.case("record-signed")
                }
                Err(fault) => {
                    let message = format!("{}: {}", shown(&member.path), fault.message);
                    let finding = self.container.finding(code::SIGNATURE_INVALID, member, message);
                    finding.case(fault.case)
                }
            };
            out.push(finding);
        }
        if let Some(member) = self.container.file(&at(self.info, b"RECORD.p7s")) {
            let message = "RECORD has a signature in S/MIME, which is not checked";
            let finding = self.container.finding(code::PACKAGE_INVENTORY, member, message);
            out.push(finding.case("record-signed"));
        }
    }

    /// What is told once for all rows.
    fn say(&self, record: &Member<'_>, seen: Seen, out: &mut Outcome<'_>) {
        let path = shown(&record.path);
        if seen.missing > 0 {
            let case = if self.packed { "missing" } else { "missing-installed" };
            let message = format!("{path} lists {} files that are not there", seen.missing);
            let finding = self
                .container
                .finding(code::RECORD_MISMATCH, record, message)
                .case(case);
            out.push(
                finding
                    .key(format!("{path} {case}"))
                    .evidence("names", Evidence::List(seen.examples)),
            );
        }
        if seen.hexadecimal > 0 {
            let message = format!(
                "{path} writes {} digests in hexadecimal, not in base64",
                seen.hexadecimal
            );
            let finding = self.container.finding(code::RECORD_MISMATCH, record, message);
            out.push(finding.case("encoding").key(format!("{path} encoding")));
        }
        for (algorithm, count) in seen.unread {
            let message = format!(
                "{path} gives {count} digests as {}, which are not compared",
                shown(algorithm.as_bytes())
            );
            let finding = self.container.finding(code::RECORD_MISMATCH, record, message);
            out.push(finding.case("not-compared").key(format!("{path} {algorithm}")));
        }
    }

    fn row(&self, record: &Member<'_>, row: &Row, path: &[u8], seen: &mut Seen, out: &mut Outcome<'_>) {
        let name = shown(&row.path);
        let Some(member) = self.container.file(path) else {
            if self.container.around.whole && !self.container.has(path) && !self.container.is_excluded(path) {
                seen.missing = seen.missing.saturating_add(1);
                if seen.examples.len() < EXAMPLES {
                    seen.examples.push(name);
                }
            }
            return;
        };
        let Some((algorithm, digest)) = row.digest.split_once('=') else {
            let exempt = path == &*record.path || signs(self.info, path) || path.ends_with(b".pyc");
            if self.packed && !exempt {
                let message = format!("RECORD gives no digest of {name}");
                let finding = self.container.finding(code::RECORD_MISMATCH, member, message);
                out.push(finding.case("no-digest"));
            }
            return;
        };
        if !algorithm.eq_ignore_ascii_case("sha256") {
            const KINDS: usize = 8;
            let algorithm: String = algorithm.chars().take(32).collect();
            if seen.unread.len() < KINDS || seen.unread.contains_key(&algorithm) {
                let count = seen.unread.entry(algorithm).or_default();
                *count = count.saturating_add(1);
            }
            return;
        }
        let Some(found) = member.sha256().filter(|_| member.is_examined()) else {
            return;
        };
        let (stated, in_hexadecimal) = stated(digest);
        seen.hexadecimal = seen.hexadecimal.saturating_add(u64::from(in_hexadecimal));
        if stated != Some(found) {
            // Distributions strip programs after RECORD was written; their packages have digests of their own.
            let stripped = split(self.site).1 == b"dist-packages" && member.format() == "elf";
            let case = match (self.packed, stripped) {
                (true, _) => "digest",
                (false, true) => "distribution",
                (false, false) => "digest-installed",
            };
            let message = format!("{name} does not have the digest that RECORD gives");
            let finding = self
                .container
                .finding(code::RECORD_MISMATCH, member, message)
                .case(case);
            out.push(finding.evidence("stated", digest.chars().take(128).collect::<String>()));
        } else if let (Some(stated), Some(found)) = (row.size, member.size())
            && stated != found
        {
            let message = format!("{name} has {found} bytes, and RECORD says {stated}");
            let finding = self.container.finding(code::RECORD_MISMATCH, member, message);
            out.push(finding.case("size"));
        }
    }

    fn unlisted(&self, listed: &HashSet<Vec<u8>>, out: &mut Outcome<'_>) {
        for member in self.container.below(self.site) {
            let exempt = signs(self.info, &member.path)
                || (member.name().ends_with(b".pyc") && split(member.folder()).1 == b"__pycache__");
            if matches!(member.kind, super::Kind::Directory) || exempt || listed.contains(&*member.path) {
                continue;
            }
            let metadata = member.path.starts_with(self.info);
            let case = if metadata { "unlisted-metadata" } else { "unlisted" };
            let message = format!("{} is in the package, and RECORD does not list it", shown(&member.path));
            out.push(
                self.container
                    .finding(code::RECORD_MISMATCH, member, message)
                    .case(case),
            );
        }
    }
}

/// Signatures of RECORD are not in it.
fn signs(info: &[u8], path: &[u8]) -> bool {
    split(path).0 == info && matches!(split(path).1, b"RECORD.jws" | b"RECORD.p7s")
}

/// A line of RECORD.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: Vec<u8>,
    digest: String,
    /// The length in bytes, where one is given.
    size: Option<u64>,
}

/// The rows of a table of comma-separated values (RFC 4180; quoted fields only where a path needs them).
fn rows(text: &[u8]) -> impl Iterator<Item = Row> {
    let lines = text
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(|line| {
        let (path, rest) = match line.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = memchr::memchr(b',', line).unwrap_or(line.len());
                let rest = line.get(end.saturating_add(1)..).unwrap_or_default();
                (line.get(..end).unwrap_or_default().to_vec(), rest)
            }
        };
        let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
        let digest = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
        let size = rest.get(end.saturating_add(1)..).unwrap_or_default();
        let size = std::str::from_utf8(size).ok().and_then(|size| size.trim().parse().ok());
        Row {
            path,
            digest: digest.trim().to_owned(),
            size,
        }
    })
}

/// Reads a RECORD: no path is longer than the text. For the fuzz target.
pub(crate) fn fuzz(text: &[u8]) {
    for row in rows(text) {
        assert!(row.path.len() <= text.len());
        let _ = stated(&row.digest);
    }
}

/// A field up to its closing quote, and what follows its comma.
fn unquoted(field: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    let mut at = 0usize;
    loop {
        match (field.get(at), field.get(at.saturating_add(1))) {
            (Some(b'"'), Some(b'"')) => {
                out.push(b'"');
                at = at.saturating_add(2);
            }
            (Some(b'"') | None, _) => break,
            (Some(byte), _) => {
                out.push(*byte);
                at = at.saturating_add(1);
            }
        }
    }
    let rest = field.get(at.saturating_add(1)..).unwrap_or_default();
    (out, rest.strip_prefix(b",").unwrap_or_default())
}

/// The SHA-256 that a text says, in base64 for URLs or in hexadecimal, and whether it was the latter.
fn stated(text: &str) -> (Option<[u8; 32]>, bool) {
    let text = text.trim_end_matches('=').as_bytes();
    if text.len() == 64 && is_hexadecimal(text) {
        let digits = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16).ok()
        };
        let bytes: Option<Vec<u8>> = text.chunks(2).map(digits).collect();
        return (bytes.and_then(|b| b.try_into().ok()), true);
    }
    let mut bytes = Vec::with_capacity(33);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return (None, false),
        };
        if bytes.len() > 32 {
            return (None, false);
        }
        held = (held << 6) | u32::from(value);
        bits = bits.saturating_add(6);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            bytes.extend(u8::try_from((held >> bits) & 0xff));
        }
    }
    (bytes.try_into().ok(), false)
}

/// A name as package indexes compare it (PEP 503).
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if matches!(c, '-' | '.') {
            '_'
        } else {
            c.to_ascii_lowercase()
        };
        if !(c == '_' && out.ends_with('_')) {
            out.push(c);
        }
    }
    out
}

/// A version without what writers of wheels change in it: separators, case and leading zeros.
fn release(version: &str) -> Vec<String> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut digits = false;
    for c in version.trim_start_matches(['v', 'V']).chars() {
        let separator = !c.is_ascii_alphanumeric();
        if separator || c.is_ascii_digit() != digits {
            parts.push(String::new());
        }
        digits = c.is_ascii_digit();
        if let Some(last) = parts.last_mut().filter(|_| !separator) {
            last.push(c.to_ascii_lowercase());
        }
    }
    let strip = |part: String| match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let mut parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).map(strip).collect();
    while parts.len() > 1 && parts.last().is_some_and(|p| p == "0") {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_quotes() {
        let text = b"a.py,sha256=x,1\r\n\"b,\"\"c\"\".py\",sha256=y,2\nd/RECORD,,\n\n\"open";
        let found: Vec<(String, String)> = rows(text)
            .map(|r| (String::from_utf8(r.path).unwrap(), r.digest))
            .collect();
        let expected = [
            ("a.py", "sha256=x"),
            ("b,\"c\".py", "sha256=y"),
            ("d/RECORD", ""),
            ("open", ""),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn digests_are_read_in_both_writings() {
        let empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let (first, second) = (stated(empty), stated(hexadecimal));
        assert_eq!(first.0, second.0);
        assert!(first.0.is_some() && !first.1 && second.1);
        assert_eq!(stated("").0, None);
        assert_eq!(stated(&"A".repeat(100_000)).0, None);
    }

    #[test]
    fn versions_are_compared_as_versions() {
        for (a, b, same) in [
            ("1.0", "1.0.0", true),
            ("1.0rc1", "1.0-rc1", true),
            ("2024.01.5", "2024.1.5", true),
            ("1.0+cu118", "1.0_cu118", true),
            ("1.0", "1.1", false),
            ("1.10", "1.1", false),
        ] {
            assert_eq!(release(a) == release(b), same, "{a} {b}");
        }
    }
}
