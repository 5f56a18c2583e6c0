//! `cargo xtask vm`: the watcher's tests on Debian's kernels, each in an emulated machine of its own.
//!
//! A machine has no disk and no network: its root is an archive made here, its first process is `probity-init`, and what
//! it has to say comes over the serial line. Kernels, logs and archives are under `target/vm`.

mod apt;
mod counts;
mod cpio;
mod guest;
mod image;
mod kernel;
mod libraries;
mod modules;
mod suite;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ci::Done;
use crate::table::{duration, table};
use crate::tools;
use counts::Counts;
use guest::{Machine, Ran};
use kernel::{Kernel, Series};

/// The security modules a machine starts; BPF's is left out to see a host whose `lsm=` lacks it.
const LSM: &str = "landlock,lockdown,yama";

/// Machines that CI runs at once: a guest's tests mostly keep one of its two processors busy.
const SIDE_BY_SIDE: usize = 2;

/// How much of a failed command's output is shown.
const TAIL: usize = 40;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The kernels to boot
    #[arg(long, value_delimiter = ',', default_values = ["6.1", "6.12"])]
    kernel: Vec<Series>,
    /// The backends to try, each in a machine of its own
    #[arg(long, value_delimiter = ',', default_values = ["lsm", "hook"])]
    backend: Vec<Backend>,
    /// Boot without BPF among the security modules
    #[arg(long)]
    lsm_without_bpf: bool,
    /// How many machines to run side by side
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Boot the remaining machines after a failure
    #[arg(long)]
    keep_going: bool,
    /// Names, or parts of names, of the tests to run
    test_filter: Vec<String>,
}

/// How the watcher hooks into the kernel: `PROBITY_BACKEND` tells its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Backend {
    /// BPF LSM programs
    Lsm,
    /// fentry and `fmod_ret` on the same functions
    Hook,
    /// Tracepoints and cgroup hooks
    Trace,
}

impl Backend {
    fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Hook => "hook",
            Self::Trace => "trace",
        }
    }
}

/// One machine to boot.
struct Boot {
    series: Series,
    backend: Backend,
    bpf_lsm: bool,
    /// Of the scenario suite only the first core act of each group.
    brief: bool,
}

impl Boot {
    /// The security modules to start, in order.
    fn lsm(&self) -> String {
        if self.bpf_lsm {
            format!("{LSM},bpf")
        } else {
            LSM.to_owned()
        }
    }
}

/// Boots each kernel with each backend and runs the tests.
///
/// # Errors
///
/// When a kernel cannot be had, a machine dies, or a test fails.
pub(crate) fn vm(args: &Args) -> Result<()> {
    let mut boots = Vec::new();
    for &series in &args.kernel {
        for &backend in &args.backend {
            let bpf_lsm = !args.lsm_without_bpf;
            boots.push(Boot {
                series,
                backend,
                bpf_lsm,
                brief: false,
            });
        }
    }
    let needs = Needs::get(&boots)?;
    run(&needs, &boots, &args.test_filter, args.keep_going, args.jobs).map(|_| ())
}

/// The CI step: both LSM kernels, each backend where it is at home: `hook` is for hosts without the BPF LSM.
///
/// # Errors
///
/// When a machine dies or a test fails; kernels that cannot be had are a step not run.
pub(crate) fn ci() -> Result<Done> {
    let mut boots = Vec::new();
    for series in [Series::Lts, Series::Current] {
        for (backend, bpf_lsm) in [(Backend::Lsm, true), (Backend::Hook, false)] {
            // Each kernel once with all core acts, each backend once.
            let whole = matches!(
                (series, backend),
                (Series::Lts, Backend::Hook) | (Series::Current, Backend::Lsm)
            );
            boots.push(Boot {
                series,
                backend,
                bpf_lsm,
                brief: !whole,
            });
        }
    }
    match Needs::get(&boots) {
        Ok(needs) => Ok(Done::Passed(run(&needs, &boots, &[], true, SIDE_BY_SIDE)?)),
        Err(error) => Ok(Done::NotRun(format!("{error:#}"))),
    }
}

/// What comes from elsewhere: fetched or installed before anything is built.
struct Needs {
    qemu: PathBuf,
    kernels: Vec<(Series, Kernel)>,
}

impl Needs {
    fn get(boots: &[Boot]) -> Result<Self> {
        if std::env::consts::ARCH != "x86_64" {
            bail!("the kernels are for x86_64");
        }
        let mut kernels: Vec<(Series, Kernel)> = Vec::new();
        for boot in boots {
            if !kernels.iter().any(|(series, _)| *series == boot.series) {
                let kernel = kernel::get(boot.series).with_context(|| format!("no kernel {}", boot.series.name()))?;
                kernels.push((boot.series, kernel));
            }
        }
        let qemu = "qemu-system-x86_64";
        if tools::find(qemu).is_none() {
            tools::apt_install(&["qemu-system-x86"])?;
        }
        let qemu = tools::need(qemu, "Debian calls it qemu-system-x86")?;
        image::busybox()?;
        Ok(Self { qemu, kernels })
    }

    fn kernel(&self, series: Series) -> Result<&Kernel> {
        let mut kernels = self.kernels.iter();
        let found = kernels.find(|(known, _)| *known == series).map(|(_, kernel)| kernel);
        found.with_context(|| format!("no kernel {}", series.name()))
    }
}

/// What became of one machine.
struct Booted {
    row: Vec<String>,
    counts: Counts,
    failed: Option<String>,
}

/// Builds what the machines need, boots them, `jobs` side by side, prints a table; returns its sum as a sentence.
fn run(needs: &Needs, boots: &[Boot], filter: &[String], keep_going: bool, jobs: usize) -> Result<String> {
    let suite = suite::build()?;
    let base = image::Base::new(&suite)?;
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Result<Booted>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, boots.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, boot)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    boots.get(index).map(|boot| (index, boot))
                } {
                    let booted = boot_one(needs, boot, &suite, &base, filter, &done);
                    let failed = booted.as_ref().map_or(true, |booted| booted.failed.is_some());
                    if let Ok(mut done) = done.lock() {
                        done.insert(index, booted);
                    }
                    if failed && !keep_going {
                        next.store(boots.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_default();
    let booted = done.into_values().collect::<Result<Vec<_>>>()?;
    let rows: Vec<Vec<String>> = booted.iter().map(|booted| booted.row.clone()).collect();
    let head = [
        "kernel", "backend", "lsm", "passed", "failed", "skipped", "result", "time",
    ];
    eprintln!("\n{}", table(&head, &rows));
    let failed: Vec<&str> = booted.iter().filter_map(|booted| booted.failed.as_deref()).collect();
    if !failed.is_empty() {
        bail!(
            "failed: {}; logs are in {}",
            failed.join(", "),
            apt::home().join("logs").display()
        );
    }
    let mut sum = Counts::default();
    booted.iter().for_each(|booted| sum.add(&booted.counts));
    Ok(format!(
        "{} boots: {} passed, of which {} could not run there",
        rows.len(),
        sum.passed,
        sum.skipped
    ))
}

/// Boots one machine; what it said is printed in one piece, under the lock that the results of all are kept by.
fn boot_one<T>(
    needs: &Needs,
    boot: &Boot,
    suite: &suite::Suite,
    base: &image::Base,
    filter: &[String],
    console: &Mutex<T>,
) -> Result<Booted> {
    let object = std::env::var_os("PROBITY_BPF_OBJECT").map(|_| image::OBJECT);
    let with = if boot.bpf_lsm { "bpf" } else { "no bpf" };
    let name = format!(
        "{}-{}-{}",
        boot.series.name(),
        boot.backend.name(),
        with.replace(' ', "-")
    );
    let kernel = needs.kernel(boot.series)?;
    let commands = suite.commands(boot, object, filter);
    let home = apt::home();
    let initrd = home.join(format!("root-{name}.cpio"));
    fs::write(&initrd, base.archive(kernel, &commands)?)?;
    let logs = home.join("logs").join(&name);
    let machine = Machine {
        qemu: &needs.qemu,
        kernel: &kernel.image,
        initrd: &initrd,
        lsm: &boot.lsm(),
        logs: &logs,
    };
    let start = Instant::now();
    let session = guest::run(&machine, &commands);
    fs::remove_file(&initrd)?;
    let session = session?;
    let held = console.lock();
    eprintln!("== {name}: {}", kernel.package.trim());
    let mut counts = Counts::default();
    session.ran.iter().for_each(|ran| report(ran, &mut counts));
    let mut broken = session.broken.is_some();
    if let Some(what) = session.broken {
        eprintln!("xtask vm: {what}; see {}", logs.join("console.log").display());
    } else if session.ran.len() < commands.len() {
        eprintln!(
            "xtask vm: only {} of {} commands ran",
            session.ran.len(),
            commands.len()
        );
        broken = true;
    }
    drop(held);
    Ok(Booted {
        row: row(boot, with, &counts, broken, start.elapsed()),
        failed: (broken || counts.failed > 0).then_some(name),
        counts,
    })
}

fn row(boot: &Boot, with: &str, counts: &Counts, broken: bool, time: Duration) -> Vec<String> {
    let result = match (broken, counts.failed) {
        (true, _) => "DIED",
        (false, 0) => "passed",
        (false, _) => "FAILED",
    };
    vec![
        boot.series.name().to_owned(),
        boot.backend.name().to_owned(),
        with.to_owned(),
        counts.passed.to_string(),
        counts.failed.to_string(),
        counts.skipped.to_string(),
        result.to_owned(),
        duration(time),
    ]
}

/// Prints how one command went, with the end of its output when it failed, and counts it.
fn report(ran: &Ran, counts: &mut Counts) {
    let own = Counts::of(ran);
    counts.add(&own);
    let code = ran
        .code
        .map_or_else(|| "did not end".to_owned(), |code| format!("exit {code}"));
    let (passed, failed, skipped) = (own.passed, own.failed, own.skipped);
    let time = duration(ran.time);
    eprintln!(
        "  {}: {passed} passed, {failed} failed, {skipped} skipped, {code}, {time}",
        ran.name
    );
    if own.failed > 0 || ran.name == "facts" {
        let from = ran.output.len().saturating_sub(TAIL);
        for line in ran.output.iter().skip(from) {
            eprintln!("    {line}");
        }
    }
}
