//! Says what the machine is: the proof that a boot gave what it was asked for. Fails when it did not.
//!
//! `probity-facts SERIES LSM,LSM`: what the machine was asked to boot with.

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
    let wrong = wrong(&std::env::args().skip(1).collect::<Vec<_>>(), &read);
    for what in &wrong {
        println!("not as asked: {what}");
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// In what the machine differs from the kernel series and the security modules it was asked to boot with.
fn wrong(asked: &[String], read: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut out = Vec::new();
    let [series, lsm] = asked else {
        return vec!["usage: probity-facts SERIES LSM,LSM".to_owned()];
    };
    let release = read("/proc/sys/kernel/osrelease");
    if !release.starts_with(&format!("{series}.")) {
        out.push(format!("kernel {series}, got {release}"));
    }
    let has_bpf = |list: &str| list.split(',').any(|name| name == "bpf");
    let active = read("/sys/kernel/security/lsm");
    if has_bpf(lsm) != has_bpf(&active) {
        out.push(format!("security modules {lsm}, got {active}"));
    }
    for path in ["/sys/kernel/btf/vmlinux", "/sys/fs/cgroup/cgroup.procs"] {
        if !Path::new(path).exists() {
            out.push(format!("no {path}"));
        }
    }
    out
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
