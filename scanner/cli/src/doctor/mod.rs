//! `probity doctor`: what this host can observe, proved by doing each act.

pub(crate) mod args;

use crate::{complain, output};
use anyhow::{Context, Result};
use args::{DoctorArgs, DoctorFormat};
use probity_watch::doctor::{examine, serve, text};
use probity_watch::report::table::View;
use std::io::{self, IsTerminal};

/// Examines the host, or is one of the instances that an examination starts.
pub(crate) fn run(args: &DoctorArgs) -> Result<u8> {
    if let Some(words) = &args.serve {
        serve(words)?;
        return Ok(0);
    }
    let executable = std::env::current_exe().context("this program cannot be found again")?;
    let document = examine(&executable, &["doctor", "--serve"]);
    if let Some(why) = &document.refused {
        complain(&format!("the watcher cannot run here: {why}"));
    }
    let report = match args.format {
        DoctorFormat::Json => document.to_json(),
        DoctorFormat::Text => {
            let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let columns = output::columns();
            text::render(&document, View { columns, colour })
        }
    };
    output::print(report.as_bytes())?;
    Ok(document.exit_code)
}
