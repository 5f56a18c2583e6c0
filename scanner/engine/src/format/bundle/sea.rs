//! Node single executable applications: the blob that `--experimental-sea-config` and `--build-sea` write.
//!
//! | size | field, little-endian |
//! | --- | --- |
//! | 4 | magic 0x0143da20 |
//! | 4 | flags: 1 no warning, 2 snapshot, 4 code cache, 8 assets, 16 arguments |
//! | 1 | since 22.20: who may add arguments: 0 nobody, 1 `NODE_OPTIONS`, 2 `--node-options` |
//! | 1 | since 25.7: the main script is CommonJS (0) or a module (1) |
//! | 8, .. | path of the main script |
//! | 8, .. | the main script, or a startup snapshot with flag 2 |
//! | 8, .. | with flag 4: V8's code cache |
//! | 8, then 8, .., 8, .. each | with flag 8: assets, name and content |
//! | 8, then 8, .. each | with flag 16: arguments for Node |
//!
//! Nothing says which of the three headers a blob has, so the one whose fields fit is taken. The blob is the descriptor of
//! an ELF note, a PE resource or a section of Mach-O, and ends where that does. Snapshot and code cache are V8's own
//! formats and not looked into.
//!
//! Specification: Node.js, `src/node_sea.cc` and `src/node_sea.h`.

use super::{LONGEST_NAME, MOST_MEMBERS, Names, arguments, bundle, counted, limit, odd_name};
use crate::finding::{Finding, code};
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;

const MAGIC: &[u8; 4] = &[0x20, 0xda, 0x43, 0x01];
/// Magic, flags, and the two bytes that came later.
const HEADERS: [u64; 3] = [9, 10, 8];
const SNAPSHOT: u32 = 2;
const CODE_CACHE: u32 = 4;
const ASSETS: u32 = 8;
const ARGUMENTS: u32 = 16;
/// All flags there are.
const FLAGS: u32 = 31;
/// The longest path of a main script that speaks for a header.
const LONGEST_PATH: u64 = 1024;
/// The most arguments that are kept.
const MOST_ARGUMENTS: usize = 1024;

/// A Node SEA blob.
pub(in crate::format) struct Sea;

impl Format for Sea {
    fn id(&self) -> &'static str {
        "node-sea"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let flags = flags(probe.head)?;
        if header(probe.head, None).is_some() {
            Some(Match::CERTAIN)
        } else {
            (flags <= FLAGS).then_some(Match::LIKELY)
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let head = match input.read_up_to(0, LONGEST_PATH.saturating_add(32)) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "node sea header"),
        };
        let Some(flags) = flags(&head) else {
            return out.malformed(Span::new(0, 8), "node-sea: the magic number is not 0x0143da20");
        };
        // A main script that is longer than the blob is told where it stands, not by another header.
        let length = header(&head, Some(input.len())).or_else(|| header(&head, None));
        let length = length.unwrap_or(8);
        out.leaf(Span::new(0, length).intersect(input.whole()), Role::Header, "header");
        if flags & !FLAGS != 0 {
            out.malformed(Span::new(4, 8), "node-sea: flags that no Node.js writes (SeaFlags)");
        }
        let mut blob = Blob {
            flags,
            entry: String::new(),
            members: 0,
        };
        let mut cursor = Cursor::new(input, Span::new(length, input.len()));
        if let Err(fault) = blob.read(&mut cursor, out) {
            out.fault(&fault, "node sea blob");
        }
        blob.tell(&head, length, out);
    }
}

fn flags(head: &[u8]) -> Option<u32> {
    head.strip_prefix(MAGIC)?
        .first_chunk::<4>()
        .map(|b| u32::from_le_bytes(*b))
}

/// The length of the header that the path behind it fits, and the main script behind that when the blob's length is given.
fn header(head: &[u8], length: Option<u64>) -> Option<u64> {
    HEADERS.into_iter().find(|size| {
        let fits = || {
            let at = usize::try_from(*size).ok()?;
            let path = u64::from_le_bytes(*head.get(at..)?.first_chunk::<8>()?);
            if path == 0 || path > LONGEST_PATH {
                return None;
            }
            let from = at.checked_add(8)?;
            let to = from.checked_add(usize::try_from(path).ok()?)?;
            let text = std::str::from_utf8(head.get(from..to)?).ok()?;
            let main = u64::from_le_bytes(*head.get(to..)?.first_chunk::<8>()?);
            let room = match length {
                Some(length) => length.checked_sub(u64::try_from(to).ok()?.checked_add(8)?)?,
                None => u64::MAX,
            };
            let later = head.get(8..at)?;
            let known = later.first().is_none_or(|b| *b <= 2) && later.get(1).is_none_or(|b| *b <= 1);
            Some(known && !text.contains(char::is_control) && main <= room)
        };
        fits().unwrap_or(false)
    })
}

struct Blob {
    flags: u32,
    entry: String,
    members: u64,
}

impl Blob {
    fn read(&mut self, cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
        let path = self.text(cursor, "code path", out)?;
        self.entry = printable(&path);
        let (prefix, main) = counted(cursor)?;
        out.leaf(prefix, Role::Header, "main length");
        if self.flags & SNAPSHOT != 0 {
            out.leaf(main, Role::Data, "startup snapshot");
        } else if !main.is_empty() {
            let name = if path.is_empty() { b"main".to_vec() } else { path };
            out.slice(main, name, true);
            self.members = 1;
        }
        if self.flags & CODE_CACHE != 0 {
            let (prefix, cache) = counted(cursor)?;
            out.leaf(prefix, Role::Header, "code cache length");
            out.leaf(cache, Role::Code, "code cache");
        }
        if self.flags & ASSETS != 0 {
            self.assets(cursor, out)?;
        }
        if self.flags & ARGUMENTS != 0 {
            self.arguments(cursor, out)?;
        }
        Ok(())
    }

    /// A counted text: claims it, and returns its first bytes.
    fn text(&self, cursor: &mut Cursor<'_, '_>, what: &str, out: &mut Parse) -> Result<Vec<u8>, ReadFault> {
        let at = cursor.position();
        let length = cursor.u64_le()?;
        let kept = cursor.ahead(length.min(LONGEST_NAME))?.to_vec();
        let span = cursor.skip(length)?;
        out.leaf(Span::saturating_at(at, 8), Role::Header, format!("{what} length"));
        out.leaf(span, Role::Strings, what);
        Ok(kept)
    }

    fn count(&self, cursor: &mut Cursor<'_, '_>, each: u64, what: &str, out: &mut Parse) -> Result<u64, ReadFault> {
        let at = cursor.position();
        let count = cursor.u64_le()?;
        let place = Span::saturating_at(at, 8);
        out.leaf(place, Role::Header, format!("number of {what}"));
        let room = cursor.remaining().checked_div(each).unwrap_or(0);
        if count > room {
            let message = format!("{count} {what} are announced, there is room for {room}");
            out.finding(Finding::new(code::TRUNCATED, place, message).key(what));
        } else if count > MOST_MEMBERS {
            limit(&format!("more than {MOST_MEMBERS} {what}"), at, out);
        }
        Ok(count.min(room).min(MOST_MEMBERS))
    }

    fn assets(&mut self, cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
        let count = self.count(cursor, 16, "assets", out)?;
        let mut names = Names::default();
        for number in 0..count {
            let at = cursor.position();
            let name = self.text(cursor, &format!("name of asset {number}"), out)?;
            let place = Span::new(at.saturating_add(8), cursor.position());
            odd_name("asset", &name, place.len(), place, out);
            names.add(&name, place, out);
            let (prefix, content) = counted(cursor)?;
            out.leaf(prefix, Role::Header, format!("length of asset {number}"));
            self.members = self.members.saturating_add(1);
            if content.is_empty() {
                continue;
            }
            out.slice(content, name, true);
        }
        Ok(())
    }

    fn arguments(&mut self, cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
        let start = cursor.position();
        let count = self.count(cursor, 8, "arguments", out)?;
        let mut kept = Vec::new();
        let mut read = || {
            for number in 0..count {
                let text = self.text(cursor, &format!("argument {number}"), out)?;
                if kept.len() < MOST_ARGUMENTS {
                    kept.push(text);
                }
            }
            Ok(())
        };
        let result = read();
        let list: Vec<&[u8]> = kept.iter().map(Vec::as_slice).collect();
        arguments::judge(&list, Span::new(start, cursor.position()), "arguments", out);
        result
    }

    /// What the blob is, and who may add arguments to its own.
    fn tell(&self, head: &[u8], length: u64, out: &mut Parse) {
        let extension = if length > 8 { head.get(8).copied() } else { None };
        // Before the field was there, the environment was heard.
        let (flag, asked) = match extension {
            Some(0) => ("no-exec-argv-extension", None),
            Some(2) => ("exec-argv-extension-cli", Some("the option --node-options")),
            _ => ("exec-argv-extension-env", Some("the variable NODE_OPTIONS")),
        };
        let mut flags = vec![flag.to_owned()];
        for (bit, name) in [
            (1, "disable-experimental-sea-warning"),
            (SNAPSHOT, "use-snapshot"),
            (CODE_CACHE, "use-code-cache"),
            (ASSETS, "include-assets"),
            (ARGUMENTS, "include-exec-argv"),
        ] {
            if self.flags & bit != 0 {
                flags.push(name.to_owned());
            }
        }
        if length == 10 && head.get(9) == Some(&1) {
            flags.push("main-format-module".to_owned());
        }
        let place = Span::new(0, length);
        bundle(
            "node-sea",
            std::slice::from_ref(&self.entry),
            self.members,
            flags,
            place,
            out,
        );
        if let Some(source) = asked {
            let message =
                format!("the program's runtime takes arguments from {source}, which can load code ahead of it");
            let finding = Finding::new(code::BUNDLE_AUTOLOAD, place, message).case("environment");
            out.finding(finding.region("header").key("environment"));
        }
    }
}
