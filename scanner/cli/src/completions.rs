//! `probity completions SHELL`: a completion script on standard output.

use crate::args::{Cli, CompletionsArgs, Shell};
use crate::output;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{generate, shells};

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<u8> {
    let (mut command, mut text) = (Cli::command(), Vec::new());
    match args.shell {
        Shell::Bash => generate(shells::Bash, &mut command, "probity", &mut text),
        Shell::Zsh => generate(shells::Zsh, &mut command, "probity", &mut text),
        Shell::Fish => generate(shells::Fish, &mut command, "probity", &mut text),
        Shell::Powershell => generate(shells::PowerShell, &mut command, "probity", &mut text),
    }
    output::print(&text)?;
    Ok(0)
}
