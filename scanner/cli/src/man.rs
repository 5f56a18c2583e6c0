//! `probity man [SUBCOMMAND]`: a manual page on standard output.

use crate::args::{Cli, ManArgs};
use crate::output;
use anyhow::{Result, bail};
use clap::CommandFactory;
use clap_mangen::Man;

/// Prints the page.
pub(crate) fn run(args: &ManArgs) -> Result<u8> {
    let mut command = Cli::command();
    // Building gives each subcommand its full name: `probity-scan` as a page, `probity scan` in its synopsis.
    command.build();
    let page = match &args.subcommand {
        None => command,
        Some(name) => match command.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
                bail!("there is no subcommand '{name}'; there are {}", names.join(", "));
            }
        },
    };
    let title = page.get_display_name().unwrap_or("probity").to_uppercase();
    let mut text = Vec::new();
    Man::new(page)
        .title(title)
        .section("1")
        .source(concat!("probity ", env!("CARGO_PKG_VERSION")))
        .manual("Probity manual")
        .render(&mut text)?;
    // The title has no date, since the same build gives the same page; an argument that is empty must still be there.
    let text = String::from_utf8(text)?.replacen(" 1  \"", " 1 \"\" \"", 1);
    output::print(text.as_bytes())?;
    Ok(0)
}
