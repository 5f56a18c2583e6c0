//! Where fields are in the running kernel's structures, and which tracepoints it has, from its BTF.
//!
//! aya-obj parses BTF too, but keeps members to itself. This reads what a lookup of members needs and nothing more. The
//! bytes come from the kernel, yet every read is bounded: a malformed file is an error, never a panic.
//! Format: Documentation/bpf/btf.rst.

use std::collections::HashMap;

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

/// Parsed type information.
pub struct Types {
    types: Vec<Type>,
    names: HashMap<(u8, String), u32>,
}

#[derive(Default)]
struct Type {
    kind: u8,
    size_or_type: u32,
    members: Vec<Member>,
}

struct Member {
    name: String,
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
        Self::parse(&bytes)
    }

    /// Parses a whole file, little-endian.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let word = |at: usize| -> Result<u32, BtfError> {
            bytes
                .get(at..at.saturating_add(4))
                .and_then(|four| four.try_into().ok())
                .map(u32::from_le_bytes)
                .ok_or(BtfError::Malformed { offset: at })
        };
        if bytes.get(..2) != Some(&[0x9f, 0xeb]) {
            return Err(BtfError::Malformed { offset: 0 });
        }
        let header = word(4)? as usize;
        let (types_at, types_len) = (word(8)? as usize, word(12)? as usize);
        let (strings_at, strings_len) = (word(16)? as usize, word(20)? as usize);
        let strings = bytes
            .get(header.saturating_add(strings_at)..)
            .and_then(|rest| rest.get(..strings_len))
            .ok_or(BtfError::Malformed { offset: 16 })?;
        let string = |at: u32| -> String {
            let rest = strings.get(at as usize..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned()
        };
        let mut at = header.saturating_add(types_at);
        let end = at.saturating_add(types_len);
        let mut types = vec![Type::default()];
        let mut names = HashMap::new();
        while at < end {
            let (name, info, size_or_type) = (word(at)?, word(at + 4)?, word(at + 8)?);
            at += 12;
            let kind = ((info >> 24) & 0x1f) as u8;
            let count = (info & 0xffff) as usize;
            let with_bits = info >> 31 != 0;
            let mut members = Vec::new();
            match kind {
                1 | 14 | 17 => at += 4,
                KIND_ARRAY => at += 12,
                KIND_STRUCT | KIND_UNION => {
                    for index in 0..count {
                        let place = at + index * 12;
                        let offset = word(place + 8)?;
                        members.push(Member {
                            name: string(word(place)?),
                            type_id: word(place + 4)?,
                            bit_offset: if with_bits { offset & 0x00ff_ffff } else { offset },
                        });
                    }
                    at += count * 12;
                }
                KIND_ENUM => at += count * 8,
                KIND_FUNC_PROTO => {
                    for index in 0..count {
                        let place = at + index * 8;
                        members.push(Member {
                            name: string(word(place)?),
                            type_id: word(place + 4)?,
                            bit_offset: 0,
                        });
                    }
                    at += count * 8;
                }
                15 | 19 => at += count * 12,
                _ => {}
            }
            if matches!(kind, KIND_STRUCT | KIND_UNION | KIND_TYPEDEF | KIND_FUNC) && name != 0 {
                let id = u32::try_from(types.len()).map_err(|_| BtfError::Malformed { offset: at })?;
                names.entry((kind, string(name))).or_insert(id);
            }
            types.push(Type {
                kind,
                size_or_type,
                members,
            });
        }
        Ok(Self { types, names })
    }

    /// Byte offset of `path` (members joined by dots, anonymous ones left out) in a structure.
    #[must_use]
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = *self.names.get(&(KIND_STRUCT, structure.to_owned()))?;
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
        self.names.contains_key(&(KIND_TYPEDEF, format!("btf_trace_{name}")))
    }

    /// How many arguments a tracepoint has.
    #[must_use]
    pub fn tracepoint_arguments(&self, name: &str) -> Option<usize> {
        let typedef = self.names.get(&(KIND_TYPEDEF, format!("btf_trace_{name}")))?;
        let pointer = self
            .types
            .get(self.types.get(*typedef as usize)?.size_or_type as usize)?;
        let prototype = self.types.get(pointer.size_or_type as usize)?;
        // The first is the tracepoint's private pointer.
        (prototype.kind == KIND_FUNC_PROTO).then(|| prototype.members.len().saturating_sub(1))
    }

    /// Whether the kernel has this function.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.names.contains_key(&(KIND_FUNC, name.to_owned()))
    }

    /// How many arguments a function has.
    #[must_use]
    pub fn function_arguments(&self, name: &str) -> Option<usize> {
        let function = self.names.get(&(KIND_FUNC, name.to_owned()))?;
        let prototype = self
            .types
            .get(self.types.get(*function as usize)?.size_or_type as usize)?;
        (prototype.kind == KIND_FUNC_PROTO).then_some(prototype.members.len())
    }

    /// The structure behind typedefs and qualifiers.
    fn plain(&self, mut id: u32) -> u32 {
        for _ in 0..16 {
            match self.types.get(id as usize) {
                Some(found) if matches!(found.kind, 8 | 9 | 10 | 11 | 18) => id = found.size_or_type,
                _ => break,
            }
        }
        id
    }

    /// Finds a member, in anonymous members too: its type and bit offset.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let found = self.types.get(id as usize)?;
        if depth > 8 || !matches!(found.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        found.members.iter().find_map(|member| {
            if member.name == name {
                Some((member.type_id, member.bit_offset))
            } else if member.name.is_empty() {
                let (id, offset) = self.member(self.plain(member.type_id), name, depth + 1)?;
                Some((id, offset + member.bit_offset))
            } else {
                None
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_and_truncations_are_errors() {
        assert!(Types::parse(b"").is_err());
        assert!(Types::parse(b"\x9f\xeb\x01\x00").is_err());
        let Ok(bytes) = std::fs::read(VMLINUX) else {
            eprintln!("probity-skip: this kernel shows no BTF");
            return;
        };
        for length in [23, 24, 100, 4096, bytes.len() - 1] {
            assert!(Types::parse(&bytes[..length]).is_err(), "{length}");
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
