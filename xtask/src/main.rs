//! The project's tasks, run as `cargo xtask TASK`. CI calls only these, so a green run here is a green run there.
//!
//! This file is the table of tasks; each task is one file. Nothing here is shipped.

mod bench;
mod bench_inputs;
mod bench_peers;
mod bench_watch;
mod calibrate;
mod ci;
mod codegen;
mod corpus;
mod ebpf;
mod forbidden;
mod fuzz;
mod run;
mod scan;
mod table;
mod tamper;
mod test;
mod tools;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's tasks", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check a change must pass, each timed
    Ci(ci::Args),
    /// Run the workspace's tests and doc tests, and count the ones this host could not run
    Test(test::Args),
    /// Fuzz with libFuzzer on the stable toolchain
    Fuzz(fuzz::Args),
    /// Download the published artifacts the scanner is calibrated on
    Corpus(corpus::Args),
    /// Scan the corpus and this build, and fail on a finding nobody explained
    Scan(scan::Args),
    /// Change the corpus's signed images in every known way, and say who tells: `docs/tamper.md`
    Tamper(tamper::Args),
    /// Measure the statistics of tensors over the corpus and write docs/calibration.md
    Calibrate(calibrate::Args),
    /// Measure the release build against its floors and peers
    Bench(bench::Args),
    /// Write the generated files
    Codegen(codegen::Args),
    /// Build the eBPF programs into the committed object
    Ebpf(ebpf::Args),
    /// Run the watcher's tests on Debian kernels, in virtual machines
    Vm(vm::Args),
    /// Do one thing again and again and print nanoseconds a turn: what `bench watch` measures
    #[command(hide = true)]
    Spin(bench_watch::SpinArgs),
    /// Run one command and print what it took, as JSON on standard output
    #[command(hide = true)]
    Measure(run::MeasureArgs),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Ci(args) => ci::ci(&args),
        Task::Test(args) => test::test(&args).map(|_| ()),
        Task::Fuzz(args) => fuzz::fuzz(&args).map(|_| ()),
        Task::Corpus(args) => corpus::corpus(&args),
        Task::Scan(args) => scan::scan(&args),
        Task::Tamper(args) => tamper::tamper(&args),
        Task::Calibrate(args) => calibrate::calibrate(&args),
        Task::Bench(args) => bench::bench(&args),
        Task::Codegen(args) => codegen::codegen(&args),
        Task::Ebpf(args) => ebpf::ebpf(&args),
        Task::Vm(args) => vm::vm(&args),
        Task::Spin(args) => bench_watch::spin(&args),
        Task::Measure(args) => run::measure_child(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
