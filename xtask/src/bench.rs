//! `cargo xtask bench`: the release build against floors and peers, on this machine, now.
//!
//! Runs of all contenders are interleaved, so that a slow minute hits each alike, and minima are compared, since noise
//! only adds. Inputs are read once before, so that all runs find them in the page cache. It reports; only `--check` judges.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::bench_inputs as inputs;
use crate::run::{Cmd, Sample, root};
use crate::scan::release_build;
use crate::table::{duration, load_average, short, table};
use crate::tools;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The benchmarks to run; all of them when none is named
    name: Vec<String>,
    /// How often each contender runs
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Fail when a target is missed
    #[arg(long)]
    check: bool,
}

/// One benchmark: the first contender is ours, the second what it is measured against.
struct Bench {
    contenders: Vec<(&'static str, Vec<String>)>,
    targets: Vec<Target>,
}

/// What a benchmark promises.
#[derive(Clone, Copy)]
enum Target {
    /// The first contender takes at most this many times the second's wall time.
    AtMostTimes(f64),
    /// The second takes at least this many times the first's wall time.
    SpeedUp(f64),
    /// The first takes at most this long.
    Within(Duration),
    /// The first's peak resident memory stays below this many MiB.
    PeakMib(u64),
}

type Make = fn(&str) -> Result<Bench>;

const BENCHES: [(&str, Make); 14] = [
    ("safetensors", safetensors),
    ("quick", quick),
    ("agent", agent),
    ("tarball", tarball),
    ("pickles", pickles),
    ("torch", torch),
    ("opcodes", opcodes),
    ("threads", threads),
    ("tree", tree),
    ("gzip", |program| codec(program, "gzip")),
    ("bzip2", |program| codec(program, "bzip2")),
    ("xz", |program| codec(program, "xz")),
    ("zstd", |program| codec(program, "zstd")),
    ("lz4", |program| codec(program, "lz4")),
];

/// Runs the benchmarks and prints a table for each.
///
/// # Errors
///
/// When an input cannot be made or a contender cannot run; with `--check`, when a target is missed.
pub(crate) fn bench(args: &Args) -> Result<()> {
    if args.name == ["peers"] {
        return crate::bench_peers::bench(args.rounds.max(1));
    }
    if args.name == ["watch"] {
        return crate::bench_watch::bench(args.rounds.max(1), args.check);
    }
    if let Some(unknown) = args
        .name
        .iter()
        .find(|name| BENCHES.iter().all(|(known, _)| known != name))
    {
        let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        bail!("no benchmark `{unknown}`; there are: {}", names.join(", "));
    }
    let program = release_build()?.display().to_string();
    let mut missed = Vec::new();
    let mut unmade = Vec::new();
    for (name, make) in BENCHES {
        if !args.name.is_empty() && !args.name.iter().any(|wanted| wanted == name) {
            continue;
        }
        match make(&program) {
            Ok(bench) => missed.extend(run(name, &bench, args.rounds.max(1))?),
            Err(error) => {
                println!("{name}: not run: {error:#}\n");
                unmade.push(name);
            }
        }
    }
    if args.check && !(missed.is_empty() && unmade.is_empty()) {
        bail!("missed: {}; not run: {}", missed.join(", "), unmade.join(", "));
    }
    Ok(())
}

pub(crate) fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn ours(program: &str, more: &[&str], path: &Path) -> Vec<String> {
    let mut line = words(&[program, "scan", "--no-progress", "--format", "json"]);
    line.extend(words(more));
    line.push(path.display().to_string());
    line
}

fn openssl(path: &Path) -> Vec<String> {
    words(&["openssl", "dgst", "-sha256", &path.display().to_string()])
}

fn safetensors(program: &str) -> Result<Bench> {
    let path = inputs::safetensors()?;
    Ok(Bench {
        contenders: vec![
            ("probity", ours(program, &[], &path)),
            ("openssl sha256", openssl(&path)),
        ],
        targets: vec![Target::AtMostTimes(1.10), Target::PeakMib(64)],
    })
}

fn quick(program: &str) -> Result<Bench> {
    let path = inputs::safetensors()?;
    Ok(Bench {
        contenders: vec![("probity quick", ours(program, &["--depth", "quick"], &path))],
        targets: vec![Target::Within(Duration::from_millis(20))],
    })
}

fn agent(program: &str) -> Result<Bench> {
    let path = inputs::largest_elf()?;
    Ok(Bench {
        contenders: vec![
            ("probity", ours(program, &[], &path)),
            ("openssl sha256", openssl(&path)),
        ],
        targets: vec![Target::AtMostTimes(1.8)],
    })
}

fn tarball(program: &str) -> Result<Bench> {
    let path = inputs::its_tarball(&inputs::largest_elf()?)?;
    let pipe = "gzip -dc \"$1\" | openssl dgst -sha256";
    let floor = words(&["sh", "-c", pipe, "sh", &path.display().to_string()]);
    Ok(Bench {
        contenders: vec![("probity", ours(program, &[], &path)), ("gzip | openssl", floor)],
        targets: vec![Target::AtMostTimes(1.5)],
    })
}

fn pickles(program: &str) -> Result<Bench> {
    let path = inputs::pickles()?;
    let mut contenders = vec![("probity", ours(program, &[], &path))];
    match tools::python_tool("picklescan") {
        Ok(peer) => {
            let line = words(&[&peer.display().to_string(), "-p", &path.display().to_string()]);
            contenders.push(("picklescan", line));
        }
        Err(error) => println!("pickles: without picklescan: {error:#}"),
    }
    Ok(Bench {
        contenders,
        targets: vec![Target::Within(Duration::from_millis(200))],
    })
}

fn torch(program: &str) -> Result<Bench> {
    let path = inputs::torch()?;
    Ok(Bench {
        contenders: vec![
            ("probity", ours(program, &[], &path)),
            ("openssl sha256", openssl(&path)),
        ],
        targets: vec![Target::AtMostTimes(1.10)],
    })
}

/// 100 MB of opcodes, on one core.
fn opcodes(program: &str) -> Result<Bench> {
    let path = inputs::opcodes()?;
    Ok(Bench {
        contenders: vec![("probity --jobs 1", ours(program, &["--jobs", "1"], &path))],
        targets: vec![Target::Within(Duration::from_secs(1))],
    })
}

fn threads(program: &str) -> Result<Bench> {
    let path = inputs::medium_files()?;
    Ok(Bench {
        contenders: vec![
            ("--jobs 2", ours(program, &["--jobs", "2"], &path)),
            ("--jobs 1", ours(program, &["--jobs", "1"], &path)),
        ],
        targets: vec![Target::SpeedUp(1.7)],
    })
}

/// 100,000 small files beside two processes that only hash them.
fn tree(program: &str) -> Result<Bench> {
    let path = inputs::small_files()?;
    let pipe = "find \"$1\" -type f -print0 | xargs -0 -P2 sha256sum";
    let floor = words(&["sh", "-c", pipe, "sh", &path.display().to_string()]);
    Ok(Bench {
        contenders: vec![("probity", ours(program, &[], &path)), ("xargs -P2 sha256sum", floor)],
        targets: vec![Target::AtMostTimes(2.5)],
    })
}

/// A compressed file, scanned, beside the tool of that name that only decompresses it.
fn codec(program: &str, tool: &str) -> Result<Bench> {
    let path = inputs::compressed(tool)?;
    let floor = words(&[tool, "-dc", &path.display().to_string()]);
    Ok(Bench {
        contenders: vec![("probity", ours(program, &[], &path)), ("the tool", floor)],
        targets: vec![Target::AtMostTimes(1.3)],
    })
}

/// Runs one benchmark and prints it; returns the targets it missed.
fn run(name: &str, bench: &Bench, rounds: usize) -> Result<Vec<String>> {
    let before = load_average();
    let mut samples: Vec<Vec<Sample>> = bench.contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for ((_, line), taken) in bench.contenders.iter().zip(&mut samples) {
            let Some((program, rest)) = line.split_first() else {
                continue;
            };
            let sample = Cmd::new(program).args(rest).measure()?;
            // The first round only fills the page cache.
            if round > 0 {
                taken.push(sample);
            }
        }
    }
    let best: Vec<Sample> = samples
        .iter()
        .filter_map(|taken| taken.iter().min_by_key(|s| s.wall).copied())
        .collect();
    let mut rows = Vec::new();
    for (((label, _), taken), best) in bench.contenders.iter().zip(&samples).zip(&best) {
        let mut walls: Vec<Duration> = taken.iter().map(|s| s.wall).collect();
        walls.sort();
        let cpu = taken.iter().map(|s| s.cpu).min().unwrap_or_default();
        let peak = taken.iter().map(|s| s.peak_kib).max().unwrap_or_default();
        rows.push(vec![
            (*label).to_owned(),
            duration(best.wall),
            duration(walls.get(walls.len() / 2).copied().unwrap_or_default()),
            duration(cpu),
            format!("{:.1} MiB", peak as f64 / 1024.0),
            best.code.map_or_else(|| "signal".to_owned(), |code| code.to_string()),
        ]);
    }
    let input = bench
        .contenders
        .first()
        .and_then(|(_, line)| line.last())
        .cloned()
        .unwrap_or_default();
    println!(
        "{name}: {}, {rounds} rounds, load {before} before, {} after",
        described(Path::new(&input)),
        load_average()
    );
    print!(
        "{}",
        table(&["contender", "min", "median", "cpu", "peak", "exit"], &rows)
    );

    let mut missed = Vec::new();
    for target in &bench.targets {
        let (said, met) = judge(*target, &best, &samples);
        println!("  {said}: {}", if met { "met" } else { "MISSED" });
        if !met {
            missed.push(format!("{name} ({said})"));
        }
    }
    let broken = |sample: &Sample| !matches!(sample.code, Some(0 | 1));
    for ((label, _), _) in bench
        .contenders
        .iter()
        .zip(&samples)
        .filter(|(_, taken)| taken.iter().any(broken))
    {
        println!("  {label} did not finish its work: its times mean nothing");
        missed.push(format!("{name} ({label} failed)"));
    }
    println!();
    Ok(missed)
}

fn described(path: &Path) -> String {
    let size = match fs::metadata(path) {
        Ok(data) if data.is_file() => format!("{:.1} MiB", data.len() as f64 / 1_048_576.0),
        _ => fs::read_dir(path).map_or_else(|_| "?".to_owned(), |entries| format!("{} files", entries.count())),
    };
    format!("{} ({size})", short(path, &root()))
}

/// What a target asks and got, and whether that is enough.
fn judge(target: Target, best: &[Sample], samples: &[Vec<Sample>]) -> (String, bool) {
    let wall = |at: usize| best.get(at).map(|sample| sample.wall.as_secs_f64());
    match target {
        Target::AtMostTimes(limit) => {
            let ratio = wall(0).zip(wall(1)).map_or(f64::INFINITY, |(ours, floor)| ours / floor);
            (format!("{ratio:.2}x of the floor, at most {limit:.2}x"), ratio <= limit)
        }
        Target::SpeedUp(limit) => {
            let ratio = wall(0).zip(wall(1)).map_or(0.0, |(two, one)| one / two);
            (format!("{ratio:.2}x as fast, at least {limit:.2}x"), ratio >= limit)
        }
        Target::Within(limit) => {
            let met = best.first().is_some_and(|sample| sample.wall <= limit);
            (
                format!(
                    "{}, at most {}",
                    duration(best.first().map_or(Duration::MAX, |s| s.wall)),
                    duration(limit)
                ),
                met,
            )
        }
        Target::PeakMib(limit) => {
            let peak = samples
                .first()
                .into_iter()
                .flatten()
                .map(|sample| sample.peak_kib)
                .max()
                .unwrap_or(u64::MAX);
            (
                format!("peak {:.1} MiB, below {limit} MiB", peak as f64 / 1024.0),
                peak < limit * 1024,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: u64, peak_mib: u64) -> Sample {
        Sample {
            wall: Duration::from_millis(millis),
            cpu: Duration::ZERO,
            peak_kib: peak_mib * 1024,
            code: Some(0),
        }
    }

    #[test]
    fn each_target_is_judged_on_what_it_names() {
        let best = [sample(110, 63), sample(100, 5)];
        let all = [vec![best[0], sample(300, 64)], vec![best[1]]];
        for (target, met) in [
            (Target::AtMostTimes(1.10), true),
            (Target::AtMostTimes(1.09), false),
            (Target::SpeedUp(0.9), true),
            (Target::SpeedUp(1.0), false),
            (Target::Within(Duration::from_millis(110)), true),
            (Target::Within(Duration::from_millis(109)), false),
            (Target::PeakMib(65), true),
            (Target::PeakMib(64), false),
        ] {
            let (said, got) = judge(target, &best, &all);
            assert_eq!(got, met, "{said}");
        }
    }
}
