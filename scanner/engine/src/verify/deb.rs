//! Debian packages: the MD5 digests that `control.tar` lists against the files of `data.tar`, and what `control` says the
//! package is (deb(5), deb-md5sums(5), deb-control(5)).
//!
//! MD5 tells damage and carelessness, not an attacker who makes collisions, and nobody signs it: what vouches for a package
//! is the repository's signed index. Files are decoded and digested as they pass; nothing is kept of them.

use super::checked::Draft;
use super::npm::octal;
use super::{Answer, Checked};
use crate::finding::{ErrorCode, code};
use crate::format::{Parse, decoder_of};
use crate::policy::shown;
use crate::source::{ReadAt, read_full_at};
use crate::span::Span;
use md5::{Digest, Md5};
use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};

/// Decoded bytes of one member.
const MOST_DECODED: u64 = 32 << 30;
/// Bytes of one file of `control.tar` that are kept.
const LONGEST_CONTROL: u64 = 64 << 20;
/// Files of one package.
const MOST_FILES: usize = 1_000_000;

/// Whether `head` is how such a package begins.
pub fn is_package(head: &[u8]) -> bool {
    head.starts_with(b"!<arch>\ndebian-binary")
}

/// Checks the package in `source`, which is called `name`.
pub fn check(source: &dyn ReadAt, name: &str) -> Checked {
    let mut draft = Draft::new("deb-md5sums");
    if let Err(why) = all(source, name, &mut draft) {
        draft.error(ErrorCode::Unreadable, why);
    }
    draft.close()
}

fn all(source: &dyn ReadAt, name: &str, draft: &mut Draft) -> Result<(), String> {
    let members = members(source)?;
    let find = |prefix: &str| {
        let found = members.iter().find(|(member, _)| member.starts_with(prefix));
        found
            .map(|(_, span)| *span)
            .ok_or_else(|| format!("the package has no {prefix}"))
    };
    let mut control = Files {
        keep: &["control", "md5sums", "conffiles"],
        ..Files::default()
    };
    decode(source, find("control.tar")?, &mut control)?;
    let text = |name: &str| {
        control
            .kept
            .get(name)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    if let Some(text) = text("control") {
        named(&text, name, draft);
    }
    let Some(sums) = text("md5sums") else {
        draft.note("the package lists no digests");
        return Ok(());
    };
    let mut listed: HashMap<&str, [u8; 16]> = HashMap::new();
    for (number, line) in sums.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row = line.split_once([' ', '\t']).and_then(|(digest, path)| {
            let digest: [u8; 16] = super::document::hexadecimal(digest)?.try_into().ok()?;
            Some((path.trim_start_matches([' ', '*']), digest))
        });
        match row {
            Some((path, digest)) => {
                listed.insert(clean(path), digest);
            }
            None => {
                let message = format!("line {} of md5sums is no digest and path", number.saturating_add(1));
                draft.refuse(code::RECORD_MISMATCH, Some("md5sums"), message);
            }
        }
    }
    let conffiles = text("conffiles").unwrap_or_default();
    let conffiles: HashSet<&str> = conffiles.lines().map(|line| clean(line.trim())).collect();
    let mut data = Files::default();
    decode(source, find("data.tar")?, &mut data)?;
    compare(&listed, &conffiles, &data, draft);
    Ok(())
}

fn compare(listed: &HashMap<&str, [u8; 16]>, conffiles: &HashSet<&str>, data: &Files, draft: &mut Draft) {
    let mut names: Vec<(&str, &[u8; 16])> = listed.iter().map(|(name, digest)| (*name, digest)).collect();
    names.sort_unstable();
    let mut same = 0u64;
    let mut differs = false;
    for (name, digest) in names {
        match data.digests.get(name) {
            Some(found) if found.0 == *digest => {
                same = same.saturating_add(1);
                draft.checked.covered = draft.checked.covered.saturating_add(found.1);
            }
            Some(_) => {
                differs = true;
                let message = format!("{} does not have the digest that md5sums gives", shown(name.as_bytes()));
                draft.refuse(code::RECORD_MISMATCH, Some("md5sums"), message);
            }
            None => {
                let message = format!(
                    "md5sums lists {}, which the package does not hold",
                    shown(name.as_bytes())
                );
                draft.refuse(code::RECORD_MISMATCH, Some("md5sums-missing"), message);
            }
        }
    }
    let unlisted = |name: &&String| !listed.contains_key(name.as_str()) && !conffiles.contains(name.as_str());
    let mut unlisted: Vec<&String> = data.digests.keys().filter(unlisted).collect();
    unlisted.sort_unstable();
    for name in unlisted {
        let intact = draft.checked.intact;
        let message = format!("md5sums does not list {}", shown(name.as_bytes()));
        draft.refuse(code::RECORD_MISMATCH, Some("md5sums-unlisted"), message);
        draft.checked.intact = intact;
    }
    if draft.checked.intact == Answer::Unknown && !differs {
        draft.checked.intact = Answer::Yes;
    }
    draft.note(format!("{same} files have the MD5 that the package lists"));
    if !conffiles.is_empty() {
        draft.note(format!(
            "{} configuration files are not listed, as usual",
            conffiles.len()
        ));
    }
}

/// What `control` says, and whether the file is called so.
fn named(control: &str, file: &str, draft: &mut Draft) {
    let field = |key: &str| {
        let lines = control.lines().take_while(|line| !line.trim().is_empty());
        let mut values =
            lines.filter_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case(key)));
        values.next().map(|(_, value)| value.trim().to_owned())
    };
    let (Some(package), Some(version)) = (field("Package"), field("Version")) else {
        draft.refuse(
            code::RECORD_MISMATCH,
            Some("control"),
            "control gives no package and version",
        );
        return;
    };
    let architecture = field("Architecture").unwrap_or_default();
    draft.note(format!(
        "control says {} {} {}",
        shown(package.as_bytes()),
        shown(version.as_bytes()),
        shown(architecture.as_bytes())
    ));
    let Some(stem) = file.strip_suffix(".deb") else { return };
    let parts: Vec<&str> = stem.split('_').collect();
    let [name, stated, arch] = parts.as_slice() else { return };
    let stated = stated.replace("%3a", ":");
    // File names leave the epoch out.
    let plain = |version: &str| version.split_once(':').map_or(version, |(_, rest)| rest).to_owned();
    if *name != package || plain(&stated) != plain(&version) || *arch != architecture {
        let intact = draft.checked.intact;
        let message = format!(
            "control says {} {} {}, and the file is called {}",
            shown(package.as_bytes()),
            shown(version.as_bytes()),
            shown(architecture.as_bytes()),
            shown(file.as_bytes())
        );
        draft.refuse(code::RECORD_MISMATCH, Some("control"), message);
        draft.checked.intact = intact;
    }
}

fn clean(path: &str) -> &str {
    path.trim_start_matches("./").trim_start_matches('/')
}

/// Names and places of the archive's members (ar(5)).
fn members(source: &dyn ReadAt) -> Result<Vec<(String, Span)>, String> {
    const MOST: usize = 64;
    let mut found = Vec::new();
    let mut at = 8u64;
    while at < source.len() {
        if found.len() >= MOST {
            return Err(format!("the package has more than {MOST} members"));
        }
        let mut header = [0u8; 60];
        let n = read_full_at(source, &mut header, at).map_err(|e| e.to_string())?;
        if n < header.len() {
            return Err(format!("the package ends inside a header at {at:#x}"));
        }
        let field = |from: usize, to: usize| {
            let bytes = header.get(from..to).unwrap_or_default();
            String::from_utf8_lossy(bytes).trim_end_matches([' ', '/']).to_owned()
        };
        let length: u64 = field(48, 58)
            .parse()
            .map_err(|_| format!("a member has no length at {at:#x}"))?;
        let start = at.saturating_add(60);
        let end = start.saturating_add(length);
        if end > source.len() {
            return Err(format!("a member ends behind the package at {at:#x}"));
        }
        found.push((field(0, 16), Span::new(start, end)));
        at = end.saturating_add(end & 1);
    }
    Ok(found)
}

struct Window<'s> {
    source: &'s dyn ReadAt,
    at: u64,
    end: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let n = match buffer.get_mut(..room) {
            Some(to) if room > 0 => self.source.read_at(to, self.at)?,
            _ => 0,
        };
        self.at = self.at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(n)
    }
}

fn decode(source: &dyn ReadAt, span: Span, files: &mut Files) -> Result<(), String> {
    let mut head = [0u8; 8];
    let n = read_full_at(source, &mut head, span.start()).map_err(|e| e.to_string())?;
    let head = head.get(..n).unwrap_or_default();
    let mut input = Window {
        source,
        at: span.start(),
        end: span.end(),
    };
    let copied = if head.starts_with(&[0x1f, 0x8b]) {
        io::copy(&mut flate2::read::MultiGzDecoder::new(input), files).map(|_| ())
    } else if let Some(mut decoder) = decoder_of(head, span.len()) {
        let mut parse = Parse::new("deb");
        let decoded = decoder.decode(&mut input, files, &mut parse).map(|_| ());
        let fault = parse.findings().first().map(|f| &f.message);
        if let Some(why) = fault.or_else(|| parse.errors().first().map(|e| &e.message)) {
            return Err(format!("a member cannot be decoded: {why}"));
        }
        decoded
    } else {
        io::copy(&mut input, files).map(|_| ())
    };
    copied.map_err(|error| format!("a member cannot be decoded: {error}"))?;
    files.end()
}

/// The files of a tar that passes, with their digests; those in `keep` are kept.
#[derive(Default)]
struct Files {
    keep: &'static [&'static str],
    kept: HashMap<String, Vec<u8>>,
    /// By path: MD5 and length.
    digests: HashMap<String, ([u8; 16], u64)>,
    header: Vec<u8>,
    /// The member whose data pass.
    open: Option<Open>,
    /// Data and padding left of it.
    left: u64,
    padding: u64,
    /// The name that the next member has instead of its own.
    long: Option<String>,
    decoded: u64,
    ended: bool,
}

struct Open {
    name: String,
    kind: Kind,
    digest: Md5,
    length: u64,
    bytes: Vec<u8>,
}

#[derive(PartialEq, Eq)]
enum Kind {
    File,
    LongName,
    Pax,
    /// Says something of the members behind it, and nothing that is wanted.
    Meta,
    Other,
}

impl Files {
    fn end(&self) -> Result<(), String> {
        if self.open.is_some() || !self.header.is_empty() {
            return Err("a tar of the package ends inside a member".to_owned());
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        let header = std::mem::take(&mut self.header);
        if header.iter().all(|b| *b == 0) {
            self.ended = true;
            return Ok(());
        }
        let field = |from: usize, to: usize| {
            let bytes = header.get(from..to).unwrap_or_default();
            let bytes = bytes.split(|b| *b == 0).next().unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let size =
            octal(header.get(124..136).unwrap_or_default()).ok_or_else(|| io::Error::other("a member has no size"))?;
        let own = match field(345, 500) {
            prefix if !prefix.is_empty() && header.get(257..263) == Some(b"ustar\0") => {
                format!("{prefix}/{}", field(0, 100))
            }
            _ => field(0, 100),
        };
        let kind = match header.get(156) {
            Some(b'0' | 0 | b'7') => Kind::File,
            Some(b'L') => Kind::LongName,
            Some(b'x') => Kind::Pax,
            Some(b'g' | b'K') => Kind::Meta,
            _ => Kind::Other,
        };
        let name = match kind {
            Kind::File | Kind::Other => clean(&self.long.take().unwrap_or(own)).to_owned(),
            Kind::LongName | Kind::Pax | Kind::Meta => own,
        };
        if header.get(156) == Some(&b'1')
            && let Some(of) = self.digests.get(clean(&field(157, 257))).copied()
        {
            self.digests.insert(name.clone(), of);
        }
        if self.digests.len() > MOST_FILES {
            return Err(io::Error::other(format!("more than {MOST_FILES} files")));
        }
        self.left = size;
        self.padding = size.checked_next_multiple_of(512).unwrap_or(size).saturating_sub(size);
        self.open = Some(Open {
            name,
            kind,
            digest: Md5::new(),
            length: size,
            bytes: Vec::new(),
        });
        if size == 0 {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        match open.kind {
            Kind::File => {
                if self.keep.contains(&open.name.as_str()) {
                    self.kept.insert(open.name.clone(), open.bytes);
                }
                self.digests
                    .insert(open.name, (open.digest.finalize().into(), open.length));
            }
            Kind::LongName => {
                let text = open.bytes.split(|b| *b == 0).next().unwrap_or_default();
                self.long = Some(String::from_utf8_lossy(text).into_owned());
            }
            Kind::Pax => {
                let text = String::from_utf8_lossy(&open.bytes).into_owned();
                let path = text
                    .lines()
                    .find_map(|line| line.split_once(" path=").map(|(_, path)| path.to_owned()));
                if let Some(path) = path {
                    self.long = Some(path);
                }
            }
            Kind::Meta | Kind::Other => {}
        }
    }

    fn data(&mut self, bytes: &[u8]) {
        if let Some(open) = &mut self.open {
            open.digest.update(bytes);
            let room = match open.kind {
                Kind::LongName | Kind::Pax => 1 << 20,
                Kind::File if self.keep.contains(&open.name.as_str()) => LONGEST_CONTROL,
                Kind::File | Kind::Meta | Kind::Other => 0,
            };
            if u64::try_from(open.bytes.len()).unwrap_or(u64::MAX) < room {
                open.bytes.extend_from_slice(bytes);
            }
        }
        self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.left == 0 {
            self.close();
        }
    }
}

impl Write for Files {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.decoded = self
            .decoded
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.decoded > MOST_DECODED {
            return Err(io::Error::other(format!("more than {MOST_DECODED} decoded bytes")));
        }
        let mut rest = bytes;
        while !rest.is_empty() && !self.ended {
            let want = if self.open.is_some() {
                self.left
            } else if self.padding > 0 {
                self.padding
            } else {
                u64::try_from(512usize.saturating_sub(self.header.len())).unwrap_or(0)
            };
            let n = usize::try_from(want).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_checked(n).unwrap_or((rest, &[]));
            rest = later;
            if self.open.is_some() {
                self.data(now);
            } else if self.padding > 0 {
                self.padding = self.padding.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
            } else {
                self.header.extend_from_slice(now);
                if self.header.len() >= 512 {
                    self.begin()?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use probity_tests::build::{ar, compressed, gzip, tar};

    const ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn package(sums: &str, pack: fn(&[u8]) -> Vec<u8>) -> MemorySource {
        let control = tar::Tar::of(vec![
            tar::Entry::file("./control", b"Package: x\nVersion: 1:2-3\nArchitecture: all\n"),
            tar::Entry::file("./md5sums", sums.as_bytes()),
            tar::Entry::file("./conffiles", b"/etc/x.conf\n"),
        ]);
        let long = format!("./usr/{}/a", "l".repeat(120));
        let data = tar::Tar::of(vec![
            tar::Entry::special(b'5', "./usr/", ""),
            tar::Entry::file("./usr/a", b"abc"),
            tar::Entry::special(b'1', "./usr/b", "./usr/a"),
            tar::Entry::gnu_long(b'L', &long),
            tar::Entry::file("cut", b"abc"),
            tar::Entry::file("./etc/x.conf", b"x"),
        ]);
        let members = [
            ar::Member::of("debian-binary", b"2.0\n"),
            ar::Member::of("control.tar.gz", &gzip::gzip(&control.build())),
            ar::Member::of("data.tar.xz", &pack(&data.build())),
        ];
        MemorySource::new(ar::archive(&members, false).bytes)
    }

    fn sums(first: &str) -> String {
        format!("{first}  usr/a\n{ABC}  usr/b\n{ABC}  usr/{}/a\n", "l".repeat(120))
    }

    fn cases(checked: &Checked) -> Vec<&'static str> {
        checked.findings.iter().filter_map(|j| j.finding.case).collect()
    }

    #[test]
    fn files_have_the_digests_listed_whatever_packs_them() {
        type Pack = fn(&[u8]) -> Vec<u8>;
        let packs: [Pack; 4] = [
            |bytes| compressed::xz(bytes),
            |bytes| gzip::gzip(bytes),
            |bytes| compressed::zstd(&[bytes]).bytes,
            |bytes| bytes.to_vec(),
        ];
        for pack in packs {
            let checked = check(&package(&sums(ABC), pack), "x_2-3_all.deb");
            assert_eq!((cases(&checked), checked.intact), (vec![], Answer::Yes), "{checked:?}");
            assert_eq!(checked.covered, 9);
            assert_eq!(checked.notes[0], "control says x 1:2-3 all");
        }
    }

    #[test]
    fn what_differs_is_named() {
        let pack: fn(&[u8]) -> Vec<u8> = |bytes| gzip::gzip(bytes);
        let checked = check(&package(&sums(&ABC.replace('9', "8")), pack), "x_2-3_all.deb");
        assert_eq!((cases(&checked), checked.intact), (vec!["md5sums"], Answer::No));
        let checked = check(
            &package(&format!("{}{ABC}  usr/gone\n", sums(ABC)), pack),
            "x_2-3_all.deb",
        );
        assert_eq!((cases(&checked), checked.intact), (vec!["md5sums-missing"], Answer::No));
        let fewer = sums(ABC).replace(&format!("{ABC}  usr/b\n"), "");
        let checked = check(&package(&fewer, pack), "x_2-3_all.deb");
        assert_eq!(
            (cases(&checked), checked.intact),
            (vec!["md5sums-unlisted"], Answer::Yes)
        );
        let checked = check(&package(&sums(ABC), pack), "y_2-3_all.deb");
        assert_eq!((cases(&checked), checked.intact), (vec!["control"], Answer::Yes));
    }

    #[test]
    fn a_package_that_is_cut_is_never_silently_intact() {
        let whole = package(&sums(ABC), gzip::gzip);
        let bytes = whole.as_slice().unwrap();
        for cut in 0..bytes.len() {
            let checked = check(&MemorySource::new(bytes[..cut].to_vec()), "x_2-3_all.deb");
            assert!(checked.intact != Answer::Yes || !checked.errors.is_empty(), "{cut}");
        }
    }
}
