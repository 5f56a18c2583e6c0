//! `cargo xtask bench peers`: the release build beside picklescan, modelscan and modelaudit, each in a virtual environment
//! of its own, over the same inputs in one run.
//!
//! Peers differ in what they look at; the exit code and a note on what a tool skips stand beside its time. A run that takes
//! longer than [`LONGEST`] is ended and said to be unfinished.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::bench::{ours, words};
use crate::bench_inputs as inputs;
use crate::run::{Cmd, Sample};
use crate::scan::release_build;
use crate::table::{duration, load_average, table};
use crate::tools;

/// Seconds until a run is ended.
const LONGEST: u64 = 120;
/// What `timeout` exits with when it had to end a program.
const ENDED: i64 = 124;

/// A scanner and how it is called on a path.
struct Peer {
    name: &'static str,
    line: fn(&str, &str) -> Vec<String>,
    /// What its figures do not include.
    note: &'static str,
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "picklescan",
        line: |program, path| words(&[program, "-p", path]),
        note: "pickles only",
    },
    Peer {
        name: "modelscan",
        line: |program, path| words(&[program, "-p", path]),
        note: "no safetensors, no tensor values",
    },
    Peer {
        name: "modelaudit",
        line: |program, path| {
            words(&[
                "env",
                "PROMPTFOO_DISABLE_TELEMETRY=1",
                "NO_ANALYTICS=1",
                program,
                "scan",
                "--no-cache",
                path,
            ])
        },
        note: "no tensor values; telemetry turned off",
    },
];

/// Runs every contender over every input, interleaved, and prints the table.
///
/// # Errors
///
/// When an input cannot be made or a contender cannot be started. A peer that cannot be installed is left out and named.
pub(crate) fn bench(rounds: usize) -> Result<()> {
    let program = release_build()?.display().to_string();
    let mut peers = Vec::new();
    for peer in PEERS {
        match tools::python_tool(peer.name) {
            Ok(path) => peers.push((peer, path.display().to_string())),
            Err(error) => println!("without {}: {error:#}", peer.name),
        }
    }
    let inputs = [
        ("2,000 small pickles", inputs::pickles()?),
        ("a pickle of 100 MB", inputs::opcodes()?),
        ("a torch zip of 512 MiB", inputs::torch()?),
        ("safetensors of 1 GiB", inputs::safetensors()?),
    ];
    println!("load {}, {rounds} rounds, at most {LONGEST} s each", load_average());
    let mut rows = Vec::new();
    for (what, path) in &inputs {
        let mut lines = vec![("probity", ours(&program, &[], path), "")];
        for (peer, tool) in &peers {
            lines.push((peer.name, (peer.line)(tool, &path.display().to_string()), peer.note));
        }
        rows.extend(over(what, path, &lines, rounds)?);
    }
    print!(
        "{}",
        table(
            &["input", "scanner", "min", "of ours", "cpu", "peak", "exit", ""],
            &rows
        )
    );
    Ok(())
}

/// One row for each contender over one input.
fn over(what: &str, path: &Path, lines: &[(&str, Vec<String>, &str)], rounds: usize) -> Result<Vec<Vec<String>>> {
    let mut samples: Vec<Vec<Sample>> = lines.iter().map(|_| Vec::new()).collect();
    // The first round fills the page cache; a contender that did not finish once is not asked again.
    for round in 0..=rounds {
        for ((_, line, _), taken) in lines.iter().zip(&mut samples) {
            if taken.iter().any(unfinished) {
                continue;
            }
            let sample = Cmd::new("timeout").arg(LONGEST.to_string()).args(line).measure()?;
            if round > 0 || unfinished(&sample) {
                taken.push(sample);
            }
        }
    }
    let best = |taken: &[Sample]| taken.iter().min_by_key(|s| s.wall).copied();
    let ours = samples.first().and_then(|taken| best(taken)).map(|s| s.wall);
    let rows = lines.iter().zip(&samples).filter_map(|((name, _, note), taken)| {
        let best = best(taken)?;
        Some(row(what, name, note, best, ours.unwrap_or(best.wall)))
    });
    let rows = rows.collect();
    println!(
        "{what}: {}, load {}",
        path.file_name().unwrap_or_default().display(),
        load_average()
    );
    Ok(rows)
}

fn unfinished(sample: &Sample) -> bool {
    sample.code == Some(ENDED)
}

fn row(what: &str, name: &str, note: &str, best: Sample, ours: Duration) -> Vec<String> {
    let late = unfinished(&best);
    let times = best.wall.as_secs_f64() / ours.as_secs_f64().max(1e-6);
    vec![
        what.to_owned(),
        name.to_owned(),
        if late {
            format!("over {LONGEST} s")
        } else {
            duration(best.wall)
        },
        format!("{}{times:.1}x", if late { "over " } else { "" }),
        duration(best.cpu),
        format!("{:.0} MiB", best.peak_kib as f64 / 1024.0),
        best.code.map_or_else(|| "signal".to_owned(), |code| code.to_string()),
        note.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_ended_says_so() {
        let sample = |seconds, code| Sample {
            wall: Duration::from_secs(seconds),
            cpu: Duration::from_secs(seconds),
            peak_kib: 2048,
            code: Some(code),
        };
        let ended = row("x", "peer", "", sample(120, ENDED), Duration::from_secs(2));
        assert_eq!(ended[2..4], ["over 120 s".to_owned(), "over 60.0x".to_owned()]);
        let whole = row("x", "peer", "", sample(4, 1), Duration::from_secs(2));
        assert_eq!(
            (whole[3].as_str(), whole[5].as_str(), whole[6].as_str()),
            ("2.0x", "2 MiB", "1")
        );
    }
}
