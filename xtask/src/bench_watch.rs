//! `cargo xtask bench watch`: what being watched costs, beside strace and bpftrace where they are installed.
//!
//! Each workload runs bare, beside a watcher that follows something else (untracked), and under the watcher with a declared
//! set that allows it (tracked); all interleaved, minima compared. What one run of a program costs comes from the kernel's
//! own counters (`kernel.bpf_stats_enabled`), which load elsewhere disturbs least.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{root, target_dir};
use crate::scan::release_build;
use crate::table::{load_average, table};

const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// `cargo xtask spin`.
#[derive(clap::Args)]
pub(crate) struct SpinArgs {
    /// open, spawn, connect
    what: String,
    /// How often
    count: u32,
    /// The file that `open` opens, the port that `connect` connects to
    object: String,
}

/// Does the workload and prints nanoseconds a turn.
///
/// # Errors
///
/// When one turn fails.
pub(crate) fn spin(args: &SpinArgs) -> Result<()> {
    let begin = Instant::now();
    for _ in 0..args.count {
        match args.what.as_str() {
            "open" => {
                let mut byte = [0];
                fs::File::open(&args.object)?.read_exact(&mut byte)?;
            }
            "spawn" => {
                Command::new("/bin/true").status()?;
            }
            "connect" => drop(TcpStream::connect(("127.0.0.1", args.object.parse()?))?),
            other => bail!("no workload `{other}`"),
        }
    }
    println!("{}", begin.elapsed().as_nanos() / u128::from(args.count.max(1)));
    Ok(())
}

/// One workload, and how much slower it may be.
struct Workload {
    name: &'static str,
    count: u32,
    object: String,
    untracked: f64,
    tracked: f64,
}

/// Runs the benchmark.
///
/// # Errors
///
/// When something cannot run; with `check`, when a target is missed.
pub(crate) fn bench(rounds: usize, check: bool) -> Result<()> {
    let probity = release_build()?;
    let own = std::env::current_exe()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("file");
    fs::write(&file, b"x")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let set = dir.path().join("bench.declared.toml");
    fs::write(&set, declared_set(&own, dir.path(), &port)?)?;
    let workloads = [
        Workload {
            name: "open",
            count: 200_000,
            object: file.display().to_string(),
            untracked: 1.15,
            tracked: 1.25,
        },
        Workload {
            name: "spawn",
            count: 300,
            object: String::new(),
            untracked: 1.10,
            tracked: 1.10,
        },
        Workload {
            name: "connect",
            count: 5_000,
            object: port,
            untracked: 1.15,
            tracked: 1.15,
        },
    ];
    let mut rows = Vec::new();
    let mut missed = Vec::new();
    for workload in &workloads {
        let mut best = [u128::MAX; 6];
        for _ in 0..rounds {
            let spin = spin_command(&own, workload, workload.count);
            best[0] = best[0].min(run(&spin)?);
            let other = Beside::start(&probity)?;
            best[1] = best[1].min(run(&spin)?);
            drop(other);
            best[2] = best[2].min(run(&watched(&probity, &set, None, &spin))?);
        }
        let few = spin_command(&own, workload, workload.count.div_ceil(20));
        for (slot, before) in [
            (3, &["strace", "-f", "-o", "/dev/null"][..]),
            (4, &["strace", "-f", "--seccomp-bpf", "-o", "/dev/null"]),
        ] {
            let command: Vec<String> = before
                .iter()
                .map(|word| (*word).to_owned())
                .chain(few.clone())
                .collect();
            if let Ok(took) = run(&command) {
                best[slot] = best[slot].min(took);
            }
        }
        if let Ok(took) = run(&under_bpftrace(&few)) {
            best[5] = took;
        }
        let ratio = |slot: usize| best[slot] as f64 / best[0] as f64;
        let cell = |slot: usize| {
            if best[slot] == u128::MAX {
                "not run".to_owned()
            } else {
                format!("{:.2}x", ratio(slot))
            }
        };
        if ratio(1) > workload.untracked {
            missed.push(format!("{} untracked", workload.name));
        }
        if ratio(2) > workload.tracked {
            missed.push(format!("{} tracked", workload.name));
        }
        rows.push(vec![
            workload.name.to_owned(),
            format!("{:.2} us", best[0] as f64 / 1e3),
            format!("{} (at most {:.2}x)", cell(1), workload.untracked),
            format!("{} (at most {:.2}x)", cell(2), workload.tracked),
            cell(3),
            cell(4),
            cell(5),
        ]);
    }
    println!("load {}\n", load_average());
    print!(
        "{}",
        table(
            &[
                "workload",
                "bare",
                "untracked",
                "tracked",
                "strace",
                "strace seccomp",
                "bpftrace"
            ],
            &rows
        )
    );
    println!();
    missed.extend(programs(&probity, &own, &set, &workloads)?);
    if check && !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    Ok(())
}

/// What one run of each program costs, by the kernel's counters, and the watcher's memory.
fn programs(probity: &Path, own: &Path, set: &Path, workloads: &[Workload]) -> Result<Vec<String>> {
    let before = fs::read_to_string(STATS).unwrap_or_default();
    if fs::write(STATS, "1").is_err() {
        println!("the kernel's counters cannot be switched on here: no nanoseconds a run");
        return Ok(Vec::new());
    }
    let counted = (|| -> Result<Vec<String>> {
        let open = workloads.first().context("a workload")?;
        let spin = spin_command(own, open, open.count);
        let report = set.with_extension("report");
        // Untracked: the programs run for everybody, and the watcher follows a sleeper.
        let other = Beside::start_with(probity, Some(&report))?;
        run(&spin)?;
        let peak = other.peak_kib();
        drop(other);
        let untracked = read_programs(&report)?;
        run(&watched(probity, set, Some(&report), &spin))?;
        let tracked = read_programs(&report)?;
        let mut rows = Vec::new();
        let mut missed = Vec::new();
        for (name, verified, runs, nanoseconds) in &tracked {
            let outside = untracked.iter().find(|(other, ..)| other == name);
            let outside_ns = outside
                .filter(|(_, _, runs, _)| *runs > 0)
                .map(|(_, _, runs, ns)| ns / runs);
            let inside_ns = if *runs > 0 { Some(nanoseconds / runs) } else { None };
            if outside_ns.is_some_and(|ns| ns > 100) {
                missed.push(format!("{name} untracked"));
            }
            if inside_ns.is_some_and(|ns| ns > 250) && *runs > 1000 {
                missed.push(format!("{name} tracked"));
            }
            let cell = |ns: Option<u64>| ns.map_or("-".to_owned(), |ns| format!("{ns} ns"));
            rows.push(vec![
                name.clone(),
                verified.to_string(),
                cell(outside_ns),
                cell(inside_ns),
                runs.to_string(),
            ]);
        }
        print!(
            "{}",
            table(
                &["program", "verified", "untracked (100)", "tracked (250)", "runs"],
                &rows
            )
        );
        println!("\nwatcher's resident memory: {:.1} MiB (64)", peak as f64 / 1024.0);
        if peak > 64 * 1024 {
            missed.push("memory".to_owned());
        }
        Ok(missed)
    })();
    let _ = fs::write(STATS, before.trim());
    counted
}

type Use = (String, u64, u64, u64);

fn read_programs(report: &Path) -> Result<Vec<Use>> {
    let text = fs::read_to_string(report).with_context(|| report.display().to_string())?;
    let report: Value = serde_json::from_str(&text)?;
    let programs = report["programs"].as_array().context("no programs in the report")?;
    let uses = programs.iter().map(|program| {
        let number = |key: &str| program[key].as_u64().unwrap_or(0);
        let name = program["program"].as_str().unwrap_or_default().to_owned();
        (name, number("verified"), number("runs"), number("nanoseconds"))
    });
    Ok(uses.collect())
}

fn spin_command(own: &Path, workload: &Workload, count: u32) -> Vec<String> {
    let words = ["spin", workload.name, &count.to_string(), &workload.object];
    std::iter::once(own.display().to_string())
        .chain(words.map(str::to_owned))
        .collect()
}

fn watched(probity: &Path, set: &Path, report: Option<&Path>, command: &[String]) -> Vec<String> {
    let mut words: Vec<String> = vec![probity.display().to_string()];
    words.extend(["watch", "--allow-root", "--quiet", "--declared"].map(str::to_owned));
    words.push(set.display().to_string());
    if let Some(report) = report {
        words.extend(["--report".to_owned(), report.display().to_string()]);
    }
    words.push("--".to_owned());
    words.extend(command.iter().cloned());
    words
}

/// bpftrace, counting the command's system calls by number, and nothing more.
fn under_bpftrace(command: &[String]) -> Vec<String> {
    let script = "tracepoint:raw_syscalls:sys_exit /pid == cpid/ { @[args->id] = count(); }";
    let mut words: Vec<String> = ["bpftrace", "-q", "-o", "/dev/null", "-e", script, "-c"]
        .map(str::to_owned)
        .to_vec();
    words.push(command.join(" "));
    words
}

/// Runs a command whose standard output is a number.
fn run(words: &[String]) -> Result<u128> {
    let (program, rest) = words.split_first().context("no command")?;
    let output = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .output()
        .with_context(|| program.clone())?;
    if !output.status.success() {
        bail!(
            "{}: {}: {}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

fn declared_set(own: &Path, dir: &Path, port: &str) -> Result<String> {
    let mut set = String::from("version = 1\nname = \"bench\"\nhardlinks = \"allow\"\n");
    let own = own.display();
    let dir = dir.display();
    let tree = root().display().to_string();
    let target: PathBuf = target_dir();
    let _ = write_set(
        &mut set,
        "read\", \"map",
        &[
            &own.to_string(),
            "/usr/**",
            "/lib/**",
            "/lib64/**",
            "/etc/**",
            "/proc/**",
            "/sys/**",
            "/dev/null",
        ],
    );
    let _ = write_set(
        &mut set,
        "read",
        &[
            &format!("{dir}/**"),
            &format!("{tree}/**"),
            &format!("{}/**", target.display()),
        ],
    );
    set.push_str(&format!("[[file]]\naccess = [\"write\"]\npaths = [\"/dev/null\"]\n[[exec]]\npaths = [\"{own}\", \"/bin/true\", \"/usr/bin/true\"]\n"));
    set.push_str(&format!("[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [{port}]\n"));
    Ok(set)
}

fn write_set(set: &mut String, access: &str, paths: &[&str]) -> std::fmt::Result {
    use std::fmt::Write as _;
    write!(set, "[[file]]\naccess = [\"{access}\"]\npaths = {paths:?}\n")
}

/// A watcher that follows a sleeper, and is ended by closing the sleeper's input.
struct Beside {
    child: Child,
}

impl Beside {
    fn start(probity: &Path) -> Result<Self> {
        Self::start_with(probity, None)
    }

    fn start_with(probity: &Path, report: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(probity);
        command.args(["watch", "--allow-root", "--quiet"]);
        if let Some(report) = report {
            command.arg("--report").arg(report);
        }
        command
            .args(["--", "/bin/sh", "-c", "echo ready; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut byte = [0; 6];
        child.stdout.as_mut().context("its output")?.read_exact(&mut byte)?;
        Ok(Self { child })
    }

    fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|value| value.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(mut input) = self.child.stdin.take() {
            let _ = input.write_all(b"\n");
        }
        let _ = self.child.wait();
    }
}
