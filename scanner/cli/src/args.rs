//! The command line: what can be asked, in the words of CONTRACT.

use crate::declare::args::{DeclareArgs, VarArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use probity_engine::Severity;
use std::path::PathBuf;

/// Proves what an AI artifact is before it runs: every byte accounted for, or said so.
#[derive(Debug, Parser)]
#[command(
    name = "probity",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Scan files, directories, archives, or - for standard input
    Scan(Box<ScanArgs>),
    /// Show the region tree of one file: what every byte is
    Map(MapArgs),
    /// Verify signatures only: intact, signer, chain and time, each by itself
    Verify(Box<VerifyArgs>),
    /// Sign a model's directory with a key or a certificate (OpenSSF model signing)
    Sign(crate::sign::SignArgs),
    /// Compare two versions of a package, binary or model: what changed, worst first
    Diff(Box<DiffArgs>),
    /// Run a command and report what it does outside its declared set
    Watch(Box<crate::watch::args::WatchArgs>),
    /// Run a command and write the declared set that would have allowed what it did
    Learn(Box<crate::learn::args::LearnArgs>),
    /// Check, explain and compare declared sets: what an artifact is and may touch
    Declare(DeclareArgs),
    /// Show what the watcher can observe on this host, proved by doing each act
    Doctor(crate::doctor::args::DoctorArgs),
    /// List the finding codes, and test rules of your own
    Rules(RulesArgs),
    /// Explain a finding code: what it means, why it matters, what to do
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page of probity, or of one subcommand
    Man(ManArgs),
}

/// `probity scan`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage error, 3 incomplete.")]
pub(crate) struct ScanArgs {
    /// Files, directories, archives, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Write the report to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// quick: structure only; standard: every byte; deep: every byte and what is costly
    #[arg(long, value_enum, default_value_t = DepthArg::Standard, value_name = "DEPTH")]
    pub(crate) depth: DepthArg,
    /// The lowest severity that makes the exit code 1
    #[arg(long, default_value = "medium", value_parser = threshold, value_name = "info|low|medium|high|critical|never")]
    pub(crate) fail_on: Threshold,
    /// Severities of your own and findings you allow, with reasons (docs/policy.md); read from here only
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Rules of your own (docs/rules.md): a directory of TOML files, looked for besides what Probity knows
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// YARA rules of your own (docs/rules.md); needs a build with the feature `yara`
    #[arg(long, value_name = "FILE")]
    pub(crate) yara: Vec<PathBuf>,
    /// What the artifact is and may name (docs/declared.md): its digest and hosts are held against it
    #[arg(long, value_name = "FILE")]
    pub(crate) declared: Vec<PathBuf>,
    /// Variables of the declared set.
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    /// Roots of your own that signers are trusted by: certificates in PEM or DER, or a directory of them
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub(crate) trust: Vec<PathBuf>,
    /// Findings accepted as they stand: FILE is written when it is not there, compared with when it is
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Digests of every tensor: FILE is written when it is not there, compared with when it is
    #[arg(long, value_name = "FILE", conflicts_with = "manifest_check")]
    pub(crate) manifest: Option<PathBuf>,
    /// Say which tensors are not those of the manifest FILE, which must be there and is never written
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest_check: Option<PathBuf>,
    /// Worker threads; 0 means one for each core
    #[arg(long, short, default_value_t = 0, value_parser = jobs, value_name = "N")]
    pub(crate) jobs: usize,
    /// Show no progress bar
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// When to colour the text report
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// List every nested artifact, not only those with a finding, an error or a signature
    #[arg(long)]
    pub(crate) all_artifacts: bool,
    /// Show info findings and the host inventory in the text report
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Leave out files and directories that match (counted and shown)
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Where decoded content goes that does not fit in memory
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Limits: reaching one makes the verdict incomplete.
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// The limits on one root.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits (reaching one makes the verdict incomplete)")]
pub(crate) struct LimitArgs {
    /// Levels of nesting
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) max_depth: u32,
    /// Decoded bytes for each encoded byte, judged from 32M decoded bytes on
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub(crate) max_ratio: u64,
    /// Nested artifacts in one root
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    pub(crate) max_members: u64,
    /// Decoded bytes in one root (K, M, G, T: powers of 1024)
    #[arg(long, default_value = "32G", value_parser = size, value_name = "BYTES")]
    pub(crate) max_decoded: u64,
    /// Structure bytes parsed in one artifact (K, M, G, T: powers of 1024)
    #[arg(long, default_value = "256M", value_parser = size, value_name = "BYTES")]
    pub(crate) max_structure: u64,
    /// Seconds for one root
    #[arg(long, default_value_t = 600.0, value_parser = seconds, value_name = "SECONDS")]
    pub(crate) timeout: f64,
}

/// `probity map`.
#[derive(Debug, Args)]
pub(crate) struct MapArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How the map is written
    #[arg(long, value_enum, default_value_t = MapFormat::Text, value_name = "FORMAT")]
    pub(crate) format: MapFormat,
}

/// `probity verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every signature holds, 1 a finding about a signature at or above --fail-on, 2 usage error, 3 incomplete, or nothing is signed."
)]
pub(crate) struct VerifyArgs {
    /// Files, directories, archives
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How the answers are written
    #[arg(long, value_enum, default_value_t = VerifyFormat::Text, value_name = "FORMAT")]
    pub(crate) format: VerifyFormat,
    /// Roots of your own that signers are trusted by: certificates in PEM or DER, or a directory of them
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub(crate) trust: Vec<PathBuf>,
    /// The lowest severity that makes the exit code 1
    #[arg(long, default_value = "medium", value_parser = threshold, value_name = "info|low|medium|high|critical|never")]
    pub(crate) fail_on: Threshold,
    /// Worker threads; 0 means one for each core
    #[arg(long, short, default_value_t = 0, value_parser = jobs, value_name = "N")]
    pub(crate) jobs: usize,
    /// Show no progress bar
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// What is at hand to check with.
    #[command(flatten)]
    pub(crate) given: crate::verify::given::GivenArgs,
}

/// How answers about signatures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people
    Text,
    /// One JSON document, schema probity.verify/1
    Json,
}

/// `probity diff`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no change at or above --fail-on, 1 such a change, 2 usage error, 3 incomplete.")]
pub(crate) struct DiffArgs {
    /// What was there before: a file, an archive, a directory, a model
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// What is there now
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// How the comparison is written
    #[arg(long, value_enum, default_value_t = DiffFormat::Text, value_name = "FORMAT")]
    pub(crate) format: DiffFormat,
    /// Write the comparison to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The lowest severity of a change that makes the exit code 1
    #[arg(long, default_value = "medium", value_parser = threshold, value_name = "info|low|medium|high|critical|never")]
    pub(crate) fail_on: Threshold,
    /// Worker threads; 0 means one for each core
    #[arg(long, short, default_value_t = 0, value_parser = jobs, value_name = "N")]
    pub(crate) jobs: usize,
    /// Show no progress bar
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// When to colour the text
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// List every change and every tensor in the text
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Leave out files and directories that match, on both sides
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Where decoded content goes that does not fit in memory
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Limits: reaching one makes the comparison incomplete.
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// Formats of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people
    Text,
    /// One JSON document, schema probity.diff/1
    Json,
    /// For the page of a pull request
    Markdown,
}

/// `probity rules`.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    /// What to do with the rules.
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List every finding code with its severity, and rules of your own
    List(RulesListArgs),
    /// Run the test vectors of rules, and check the rules of Probity itself
    #[command(after_help = "Exit codes: 0 every vector passes, 1 one fails, 2 a rule is malformed or cannot be read.")]
    Test(RulesTestArgs),
}

/// `probity rules list`.
#[derive(Debug, Args)]
pub(crate) struct RulesListArgs {
    /// Rules of your own: a directory of TOML files
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
}

/// `probity rules test`.
#[derive(Debug, Args)]
pub(crate) struct RulesTestArgs {
    /// Directories of TOML files; without one, the rules of this build
    #[arg(value_name = "DIR")]
    pub(crate) dirs: Vec<PathBuf>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = RulesFormat::Text, value_name = "FORMAT")]
    pub(crate) format: RulesFormat,
}

/// How test results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesFormat {
    /// For people
    Text,
    /// One JSON document, schema probity.rules-test/1
    Json,
}

/// `probity explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The finding code, as reports show it
    #[arg(value_name = "CODE")]
    pub(crate) code: String,
    /// Rules of your own: a directory of TOML files
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
}

/// `probity completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Shells with completion scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// `probity man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The subcommand; without it, the page of probity itself
    #[arg(value_name = "SUBCOMMAND")]
    pub(crate) subcommand: Option<String>,
}

/// Report formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document, schema probity.scan/1
    Json,
    /// One artifact a line, then a summary line
    Ndjson,
    /// SARIF 2.1.0, for code scanning services
    Sarif,
    /// JUnit XML, a test case for each file
    Junit,
    /// A summary for the page of a CI job
    Markdown,
}

/// Map formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MapFormat {
    /// For people
    Text,
    /// One JSON document, schema probity.map/1
    Json,
}

/// Scan depths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DepthArg {
    /// Structure only
    Quick,
    /// Every byte
    Standard,
    /// Every byte and what is costly
    Deep,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold(pub(crate) Option<Severity>);

fn threshold(text: &str) -> Result<Threshold, String> {
    match text {
        "never" => Ok(Threshold(None)),
        _ => text
            .parse()
            .map(|s| Threshold(Some(s)))
            .map_err(|_| "use info, low, medium, high, critical or never".to_owned()),
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 0..=1024) => Ok(n),
        _ => Err("a number from 0 to 1024".to_owned()),
    }
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        Some(b'T') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a number of bytes, such as 1048576, 512K or 2G".to_owned())?;
    number
        .checked_mul(1u64 << shift)
        .ok_or_else(|| "more bytes than 64 bits can count".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.strip_suffix('s').unwrap_or(text).parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 1e9 => Ok(n),
        _ => Err("a number of seconds above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_suffixes_and_refuse_overflow() {
        for (text, expected) in [
            ("0", Some(0)),
            ("512K", Some(512 << 10)),
            ("2g", Some(2 << 30)),
            ("1T", Some(1 << 40)),
        ] {
            assert_eq!(size(text).ok(), expected);
        }
        for text in ["", "K", "-1", "1.5G", "99999999999T", "10 M"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
