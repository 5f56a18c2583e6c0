//! The format as types, for its JSON schema alone: `docs/declared.schema.json`.
//!
//! The loader reads the document by hand, so that it can tell every mistake at once; a test holds its keys against these
//! types.

use super::rule::{
    Evidence, ExecAnswer, Family, Hardlinks, KernelAnswer, Mode, NetDeny, OnEventLoss, OnMismatch, OnUnsupported,
    Proto, WatcherExit,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use std::collections::BTreeMap;

/// The JSON schema (2020-12) of a declared set, indented, with a final newline.
pub fn json_schema() -> String {
    let schema = SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<DeclaredFile>();
    // A schema is a value: writing it cannot fail.
    let text = serde_json::to_string_pretty(schema.as_value()).unwrap_or_default();
    format!("{text}\n")
}

/// What an AI artifact is and may touch (`*.declared.toml`, version 1).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Probity declared set")]
pub struct DeclaredFile {
    /// The version of the format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What people call the set.
    pub name: Option<String>,
    /// What a file with several links means when only an ancestor of one of its names allows it.
    pub hardlinks: Option<Hardlinks>,
    /// What the tree starts from.
    pub subject: Option<SubjectTable>,
    /// How the set is held.
    pub mode: Option<ModeTable>,
    /// Variables for `${name}`: values may name variables of the environment. `--var name=value` comes first.
    pub vars: Option<BTreeMap<String, String>>,
    /// Files.
    pub file: Option<Vec<FileEntry>>,
    /// Programs.
    pub exec: Option<Vec<ExecEntry>>,
    /// Network peers; `[net.policy]` stands in the last entry, or alone.
    pub net: Option<NetTable>,
    /// Unix sockets.
    pub unix: Option<Vec<UnixEntry>>,
    /// Acts on the kernel.
    pub kernel: Option<KernelTable>,
    /// What the scan may find inside the artifact.
    pub embedded: Option<EmbeddedTable>,
}

/// A text, or several of which one holds.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

/// `[subject]`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SubjectTable {
    /// The program: an absolute path, no pattern.
    pub exec: Option<String>,
    /// SHA-256 digests in hexadecimal, one of which it must have.
    pub sha256: Option<OneOrMore>,
    /// `apple:TEAM`, `authenticode:CN=...` or `sigstore:IDENTITY`, one of whom must have signed it.
    pub signer: Option<OneOrMore>,
    /// When it is something else; `refuse` when absent.
    pub on_mismatch: Option<OnMismatch>,
}

/// `[mode]`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModeTable {
    /// What happens to undeclared and denied acts; `report` when absent.
    pub default: Option<Mode>,
    /// The mode of files.
    pub file: Option<Mode>,
    /// The mode of programs.
    pub exec: Option<Mode>,
    /// The mode of the network.
    pub net: Option<Mode>,
    /// The mode of unix sockets.
    pub unix: Option<Mode>,
    /// The mode of acts on the kernel.
    pub kernel: Option<Mode>,
    /// When the host cannot hold a rule; `error` when absent.
    pub on_unsupported: Option<OnUnsupported>,
    /// When events were lost; `incomplete`.
    pub on_event_loss: Option<OnEventLoss>,
    /// When the watcher ends before the tree; `kill-tree` when absent.
    pub watcher_exit: Option<WatcherExit>,
}

/// An access to a file.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum AccessWord {
    /// Open for reading, read or map through a descriptor.
    Read,
    /// Open for writing, write, truncate, map shared and writable.
    Write,
    /// Create, mkdir, symlink, link and rename to here.
    Create,
    /// Unlink, rmdir, rename from here.
    Delete,
    /// Change of mode, owner, attributes, times.
    Metadata,
    /// Map with `PROT_EXEC`.
    Map,
}

/// A `[[file]]` entry.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FileEntry {
    /// What it allows.
    pub access: Option<Vec<AccessWord>>,
    /// What it denies, whatever else allows it.
    pub deny: Option<Vec<AccessWord>>,
    /// Patterns of absolute paths.
    pub paths: Vec<String>,
    /// What people call it.
    pub label: Option<String>,
    /// What a denial of this entry does.
    pub mode: Option<Mode>,
}

/// An `[[exec]]` entry.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExecEntry {
    /// Patterns of programs that may be executed.
    pub paths: Option<Vec<String>>,
    /// Patterns of programs that may not, whatever else allows them.
    pub deny: Option<Vec<String>>,
    /// Executing a file that has no name.
    pub memfd: Option<ExecAnswer>,
    /// Executing a program through the dynamic loader.
    pub ldso: Option<ExecAnswer>,
    /// What people call it.
    pub label: Option<String>,
    /// What a denial of this entry does.
    pub mode: Option<Mode>,
}

/// `[[net]]` entries, or `[net.policy]` alone.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum NetTable {
    /// Entries.
    Entries(Vec<NetEntry>),
    /// The policy alone.
    Policy(PolicyAlone),
}

/// `[net.policy]` without any `[[net]]`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyAlone {
    /// Families, closed ways, listening.
    pub policy: PolicyTable,
}

/// A port, a range such as `8000-8999`, or `*`.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Port {
    /// A port.
    Number(#[schemars(range(min = 1, max = 65535))] u32),
    /// A range, or `*`.
    Range(String),
}

/// A `[[net]]` entry: `hosts` or `cidr`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct NetEntry {
    /// Names; `*.x` holds every name below x.
    pub hosts: Option<Vec<String>>,
    /// Networks.
    pub cidr: Option<Vec<String>>,
    /// Ports of the other side; none when absent.
    pub ports: Option<Vec<Port>>,
    /// Protocols; `tcp` when absent.
    pub proto: Option<Vec<Proto>>,
    /// How well a name must be known: at least so; `dns` when absent.
    pub require_name: Option<Evidence>,
    /// What people call it.
    pub label: Option<String>,
    /// Accepted for symmetry: the entry only allows.
    pub mode: Option<Mode>,
    /// `[net.policy]`, which TOML hangs below the entry before it.
    pub policy: Option<PolicyTable>,
}

/// `[net.policy]`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyTable {
    /// Families of sockets that may be made; `inet`, `inet6` and `unix` when absent.
    pub families: Option<Vec<Family>>,
    /// Ways that are closed.
    pub deny: Option<Vec<NetDeny>>,
    /// Where the tree may bind and listen: `127.0.0.1:*`, `[::1]:8080`, `*:9000-9010`.
    pub listen: Option<Vec<String>>,
    /// What a denial of this section does.
    pub mode: Option<Mode>,
}

/// A `[[unix]]` entry.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct UnixEntry {
    /// Patterns of sockets that may be used: paths, or `@name`.
    pub paths: Option<Vec<String>>,
    /// Patterns of sockets that may not, whatever else allows them.
    pub deny: Option<Vec<String>>,
    /// What people call it.
    pub label: Option<String>,
    /// What a denial of this entry does.
    pub mode: Option<Mode>,
}

/// An answer of `[kernel]` for an act without a process as its target.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum PlainAnswer {
    /// It is allowed.
    Allow,
    /// It happens and is reported, whatever the mode.
    Report,
    /// It is denied.
    Deny,
}

/// `[kernel]`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct KernelTable {
    /// `io_uring_setup`.
    pub io_uring: Option<PlainAnswer>,
    /// A new user namespace.
    pub userns: Option<PlainAnswer>,
    /// `mount`, `move_mount`, `pivot_root` and their kin.
    pub mount: Option<PlainAnswer>,
    /// `ptrace` and what reads or writes the memory of another process.
    pub ptrace: Option<KernelAnswer>,
    /// `bpf`.
    pub bpf: Option<PlainAnswer>,
    /// `perf_event_open`.
    pub perf: Option<PlainAnswer>,
    /// `userfaultfd`.
    pub userfaultfd: Option<PlainAnswer>,
    /// A system call through the 32-bit entry.
    pub int80: Option<PlainAnswer>,
    /// What a denial of this section does.
    pub mode: Option<Mode>,
}

/// `[embedded]`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EmbeddedTable {
    /// Hosts that the artifact may name.
    pub hosts: Vec<String>,
}
