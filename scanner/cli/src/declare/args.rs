//! `probity declare`: what can be asked.

use clap::{Args, Subcommand, ValueEnum};
use probity_signatures::declared::{Access, Proto};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `probity declare`.
#[derive(Debug, Args)]
pub(crate) struct DeclareArgs {
    /// What to do with the sets.
    #[command(subcommand)]
    pub(crate) command: DeclareCommand,
}

/// What to do with declared sets.
#[derive(Debug, Subcommand)]
pub(crate) enum DeclareCommand {
    /// Load the files together and tell everything that is wrong with them
    Check(CheckArgs),
    /// Say which rule decides about a file, a peer or a socket
    Explain(ExplainArgs),
    /// Say what the subject may do more, and less, under the new set
    Diff(DiffArgs),
    /// Print the JSON schema of the format
    Schema,
}

/// Variables of a declared set.
#[derive(Debug, Args)]
pub(crate) struct VarArgs {
    /// The value of a variable in the declared set, before its vars and the environment
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    var: Vec<(String, String)>,
}

impl VarArgs {
    /// The values by name; of two for one name the last counts.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.var.iter().cloned().collect()
    }
}

/// How a report about declared sets is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeclareFormat {
    /// For people
    Text,
    /// One JSON document, schema probity.declare/1
    Json,
}

/// `probity declare check`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 good, 1 warnings that a person must read, 2 the set does not load.")]
pub(crate) struct CheckArgs {
    /// The files of the set; several are held together
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = DeclareFormat::Text, value_name = "FORMAT")]
    pub(crate) format: DeclareFormat,
    /// Variables.
    #[command(flatten)]
    pub(crate) vars: VarArgs,
}

/// `probity declare explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "TARGET is /an/absolute/path, 10.0.0.1:443, [::1]:443, api.example.com:443, unix:/path, unix:@name, \
                        listen:127.0.0.1:80, family:NAME or kernel:ACT."
)]
pub(crate) struct ExplainArgs {
    /// The files of the set, and last what is asked about
    #[arg(required = true, num_args = 2.., value_names = ["FILE", "TARGET"])]
    pub(crate) words: Vec<PathBuf>,
    /// Accesses to a path: read,write,create,delete,metadata,map,exec (all when absent)
    #[arg(long, value_delimiter = ',', value_parser = access, value_name = "ACCESS")]
    pub(crate) access: Vec<Access>,
    /// The protocol to a peer
    #[arg(long, value_parser = proto, default_value = "tcp", value_name = "tcp|udp")]
    pub(crate) proto: Proto,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = DeclareFormat::Text, value_name = "FORMAT")]
    pub(crate) format: DeclareFormat,
    /// Variables.
    #[command(flatten)]
    pub(crate) vars: VarArgs,
}

/// `probity declare diff`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no change, 1 changes, 2 a set does not load.")]
pub(crate) struct DiffArgs {
    /// The set as it was
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The set as it is to be
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = DeclareFormat::Text, value_name = "FORMAT")]
    pub(crate) format: DeclareFormat,
    /// Variables.
    #[command(flatten)]
    pub(crate) vars: VarArgs,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn access(word: &str) -> Result<Access, String> {
    Access::parse(word).ok_or_else(|| "use read, write, create, delete, metadata, map or exec".to_owned())
}

fn proto(word: &str) -> Result<Proto, String> {
    Proto::parse(word).ok_or_else(|| "use tcp or udp".to_owned())
}
