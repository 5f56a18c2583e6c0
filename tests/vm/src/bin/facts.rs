//! Says what the machine is: the proof that a boot gave what it was asked for. Fails when the watcher could not work there.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let read =
        |path: &str| fs::read_to_string(path).map_or_else(|error| format!("({error})"), |text| text.trim().to_owned());
    let there = |path: &str| if Path::new(path).exists() { "yes" } else { "no" };
    println!("kernel {}", read("/proc/sys/kernel/osrelease"));
    println!("lsm {}", read("/sys/kernel/security/lsm"));
    println!("btf {}", there("/sys/kernel/btf/vmlinux"));
    println!("cgroup2 {}", there("/sys/fs/cgroup/cgroup.procs"));
    println!("tracefs {}", there("/sys/kernel/tracing/events/syscalls"));
    println!("bpffs {}", there("/sys/fs/bpf"));
    println!("modules {}", modules().join(" "));
    let needed = ["/sys/kernel/btf/vmlinux", "/sys/fs/cgroup/cgroup.procs"];
    if needed.iter().all(|path| Path::new(path).exists()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn modules() -> Vec<String> {
    let text = fs::read_to_string("/proc/modules").unwrap_or_default();
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    names.sort();
    names
}
