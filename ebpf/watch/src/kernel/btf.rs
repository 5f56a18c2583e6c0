//! Where fields are in the running kernel's structures, and which tracepoints it has, from its BTF.
//!
//! aya-obj parses BTF too, but keeps members to itself. This reads what a lookup of members needs and nothing more. The
//! bytes come from the kernel, yet every read is bounded: a malformed file is an error, never a panic.
//! Format: Documentation/bpf/btf.rst.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::OnceLock;

/// Why type information could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BtfError {
    /// The file is not there: the kernel was built without CONFIG_DEBUG_INFO_BTF.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not BTF, or cut off.
    #[error("the kernel's BTF is malformed at byte {offset}")]
    Malformed {
        /// Where, from the start of the file.
        offset: usize,
    },
}

/// Parsed type information: the file itself, where each type starts in it, and the named ones by the hash of their names.
///
/// A kernel has some 140,000 types; what is not asked for is not taken apart.
pub struct Types {
    bytes: Vec<u8>,
    strings: Range<usize>,
    starts: Vec<u32>,
    names: HashMap<u64, u32>,
}

/// One type's head, and its members as the file has them.
struct Type<'a> {
    kind: u8,
    name: u32,
    size_or_type: u32,
    with_bits: bool,
    members: &'a [u8],
}

struct Member {
    name: u32,
    type_id: u32,
    bit_offset: u32,
}

const KIND_ARRAY: u8 = 3;
const KIND_STRUCT: u8 = 4;
const KIND_UNION: u8 = 5;
const KIND_ENUM: u8 = 6;
const KIND_TYPEDEF: u8 = 8;
const KIND_FUNC: u8 = 12;
const KIND_FUNC_PROTO: u8 = 13;

/// Where the kernel shows its own.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

impl Types {
    /// Reads the running kernel's.
    ///
    /// # Errors
    ///
    /// When the file is missing or malformed.
    pub fn running() -> Result<Self, BtfError> {
        let bytes = std::fs::read(VMLINUX).map_err(|source| BtfError::Unreadable {
            path: VMLINUX.to_owned(),
            source,
        })?;
        Self::parse(bytes)
    }

    /// The running kernel's, read once and kept: every object that is loaded asks for it.
    ///
    /// # Errors
    ///
    /// As [`Self::running`]; a failure is not kept.
    pub fn shared() -> Result<&'static Self, BtfError> {
        static SHARED: OnceLock<Types> = OnceLock::new();
        if let Some(types) = SHARED.get() {
            return Ok(types);
        }
        let types = Self::running()?;
        Ok(SHARED.get_or_init(|| types))
    }

    /// Parses a whole file, little-endian.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let need = |at: usize| word(&bytes, at).ok_or(BtfError::Malformed { offset: at });
        if bytes.get(..2) != Some(&[0x9f, 0xeb]) {
            return Err(BtfError::Malformed { offset: 0 });
        }
        let header = need(4)? as usize;
        let (types_at, types_len) = (need(8)? as usize, need(12)? as usize);
        let (strings_at, strings_len) = (need(16)? as usize, need(20)? as usize);
        let first = header.saturating_add(strings_at);
        let strings = first..first.saturating_add(strings_len);
        if bytes.get(strings.clone()).is_none() {
            return Err(BtfError::Malformed { offset: 16 });
        }
        let mut at = header.saturating_add(types_at);
        let end = at.saturating_add(types_len);
        let mut starts = vec![0];
        let mut names = HashMap::new();
        while at < end {
            let start = u32::try_from(at).map_err(|_| BtfError::Malformed { offset: at })?;
            let (name, info) = (need(at)?, need(at + 4)?);
            let (kind, length) = (kind_of(info), tail(info));
            if bytes.get(at + 12..at + 12 + length).is_none() {
                return Err(BtfError::Malformed { offset: at });
            }
            if matches!(kind, KIND_STRUCT | KIND_UNION | KIND_TYPEDEF | KIND_FUNC) && name != 0 {
                let id = u32::try_from(starts.len()).map_err(|_| BtfError::Malformed { offset: at })?;
                names.entry(key(kind, text(&bytes, &strings, name))).or_insert(id);
            }
            starts.push(start);
            at += 12 + length;
        }
        Ok(Self {
            bytes,
            strings,
            starts,
            names,
        })
    }

    /// Byte offset of `path` (members joined by dots, anonymous ones left out) in a structure.
    #[must_use]
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = self.named(KIND_STRUCT, structure)?;
        let mut bits = 0;
        for name in path.split('.') {
            let (member, offset) = self.member(id, name, 0)?;
            bits += offset;
            id = self.plain(member);
        }
        Some(bits / 8)
    }

    /// Whether the kernel has this tracepoint for BTF programs.
    #[must_use]
    pub fn has_tracepoint(&self, name: &str) -> bool {
        self.named(KIND_TYPEDEF, &format!("btf_trace_{name}")).is_some()
    }

    /// How many arguments a tracepoint has.
    #[must_use]
    pub fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let typedef = self.named(KIND_TYPEDEF, &format!("btf_trace_{name}"))?;
        let pointer = self.get(self.get(typedef)?.size_or_type)?;
        // The first is the tracepoint's private pointer.
        self.arguments(pointer.size_or_type).map(|all| all.saturating_sub(1))
    }

    /// Whether the kernel has this function.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.named(KIND_FUNC, name).is_some()
    }

    /// How many arguments a function has.
    #[must_use]
    pub fn function_arguments(&self, name: &str) -> Option<usize> {
        let function = self.named(KIND_FUNC, name)?;
        self.arguments(self.get(function)?.size_or_type)
    }

    /// Parameters of a prototype.
    fn arguments(&self, id: u32) -> Option<usize> {
        let prototype = self.get(id)?;
        (prototype.kind == KIND_FUNC_PROTO).then_some(prototype.members.len() / 8)
    }

    /// The type of a kind and name. Two names of one hash are told apart by a look through all types.
    fn named(&self, kind: u8, name: &str) -> Option<u32> {
        let is = |id: u32| {
            self.get(id)
                .is_some_and(|found| found.kind == kind && self.string(found.name) == name.as_bytes())
        };
        let first = *self.names.get(&key(kind, name.as_bytes()))?;
        if is(first) {
            return Some(first);
        }
        (1..u32::try_from(self.starts.len()).ok()?).find(|id| is(*id))
    }

    fn get(&self, id: u32) -> Option<Type<'_>> {
        let start = *self.starts.get(id as usize).filter(|start| **start != 0)? as usize;
        let (name, info, size_or_type) = (
            word(&self.bytes, start)?,
            word(&self.bytes, start + 4)?,
            word(&self.bytes, start + 8)?,
        );
        let members = self.bytes.get(start + 12..start + 12 + tail(info))?;
        Some(Type {
            kind: kind_of(info),
            name,
            size_or_type,
            with_bits: info >> 31 != 0,
            members,
        })
    }

    fn string(&self, at: u32) -> &[u8] {
        text(&self.bytes, &self.strings, at)
    }

    /// The number of a function's type, which programs that attach to it name.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<u32> {
        self.named(KIND_FUNC, name)
    }

    /// The number of a tracepoint's type, which programs that attach to it name.
    #[cfg(test)]
    pub(crate) fn tracepoint_id(&self, name: &str) -> Option<u32> {
        self.named(KIND_TYPEDEF, &format!("btf_trace_{name}"))
    }

    /// The structure behind typedefs and qualifiers.
    fn plain(&self, mut id: u32) -> u32 {
        for _ in 0..16 {
            match self.get(id) {
                Some(found) if matches!(found.kind, 8 | 9 | 10 | 11 | 18) => id = found.size_or_type,
                _ => break,
            }
        }
        id
    }

    /// Finds a member, in anonymous members too: its type and bit offset.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let found = self.get(id)?;
        if depth > 8 || !matches!(found.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        found.members.chunks_exact(12).find_map(|raw| {
            let member = Member {
                name: word(raw, 0)?,
                type_id: word(raw, 4)?,
                bit_offset: word(raw, 8)?,
            };
            let bits = if found.with_bits {
                member.bit_offset & 0x00ff_ffff
            } else {
                member.bit_offset
            };
            let called = self.string(member.name);
            if called == name.as_bytes() {
                Some((member.type_id, bits))
            } else if called.is_empty() {
                let (id, offset) = self.member(self.plain(member.type_id), name, depth + 1)?;
                Some((id, offset + bits))
            } else {
                None
            }
        })
    }
}

/// Four bytes as a number.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

fn kind_of(info: u32) -> u8 {
    ((info >> 24) & 0x1f) as u8
}

/// Bytes that follow a type's twelve.
fn tail(info: u32) -> usize {
    let count = (info & 0xffff) as usize;
    match kind_of(info) {
        1 | 14 | 17 => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => count * 12,
        KIND_ENUM | KIND_FUNC_PROTO => count * 8,
        _ => 0,
    }
}

/// A string up to its zero.
fn text<'a>(bytes: &'a [u8], strings: &Range<usize>, at: u32) -> &'a [u8] {
    let rest = bytes
        .get(strings.clone())
        .and_then(|all| all.get(at as usize..))
        .unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn key(kind: u8, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, name).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_and_truncations_are_errors() {
        assert!(Types::parse(vec![]).is_err());
        assert!(Types::parse(b"\x9f\xeb\x01\x00".to_vec()).is_err());
        let Ok(bytes) = std::fs::read(VMLINUX) else {
            eprintln!("probity-skip: this kernel shows no BTF");
            return;
        };
        for length in [23, 24, 100, 4096, bytes.len() - 1] {
            assert!(Types::parse(bytes[..length].to_vec()).is_err(), "{length}");
        }
    }

    #[test]
    fn fields_of_the_running_kernel_are_found() {
        let Ok(types) = Types::running() else {
            eprintln!("probity-skip: this kernel shows no BTF");
            return;
        };
        assert_eq!(types.offset("path", "mnt"), Some(0));
        assert_eq!(types.offset("path", "dentry"), Some(8));
        assert!(
            types.offset("dentry", "d_name").is_some(),
            "inside an anonymous union since 6.18"
        );
        assert!(types.offset("sock", "__sk_common.skc_v6_daddr").is_some());
        assert_eq!(types.offset("dentry", "no_such_member"), None);
        assert_eq!(types.offset("no_such_structure", "x"), None);
        assert!(types.has_tracepoint("sys_exit"));
        assert_eq!(types.tracepoint_arguments("sys_exit"), Some(2));
        assert_eq!(types.function_arguments("security_file_open"), Some(1));
        assert_eq!(types.function_arguments("no_such_function"), None);
        assert!(types.has_function("vfs_open") || types.has_function("do_filp_open"));
    }
}
