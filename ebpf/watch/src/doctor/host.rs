//! What the host says of itself, read from files: nothing here is tried.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use serde::Serialize;

/// Facts of the host.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Host {
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub machine: String,
    /// Whether the kernel shows its type information.
    pub btf: bool,
    /// The security modules in their order; null where securityfs is not mounted.
    pub lsm: Option<Vec<String>>,
    /// Capabilities that this process lacks.
    pub missing_capabilities: Vec<Missing>,
    /// Whether the capabilities hold only inside a user namespace.
    pub in_user_namespace: bool,
    /// Settings of the kernel that matter to a watcher; null for one that this kernel does not have.
    pub settings: Vec<Setting>,
    /// What answers for names without a packet on port 53.
    pub names: Names,
}

/// A capability that is not effective.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub struct Missing {
    /// Its name.
    pub name: &'static str,
    /// What it costs.
    pub costs: &'static str,
    /// Nothing works without it (`CAP_SYS_ADMIN` stands in for the first three).
    pub required: bool,
}

/// One setting.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Setting {
    /// As sysctl(8) names it.
    pub name: &'static str,
    /// Its value.
    pub value: Option<String>,
    /// What the value means here.
    pub means: &'static str,
}

/// Where names come from.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Names {
    /// `resolve` stands in the hosts line of nsswitch.conf and its socket is there: names come by varlink.
    pub nss_resolve: bool,
    /// The name service cache daemon listens.
    pub nscd: bool,
    /// systemd-resolved's stub is the resolver: its answers come over loopback and are seen.
    pub resolved_stub: bool,
}

impl Names {
    /// Whether connections may be known by address only.
    #[must_use]
    pub fn ip_only(&self) -> bool {
        self.nss_resolve || self.nscd
    }
}

/// Number, name, cost, whether nothing works without it.
const CAPABILITIES: &[(u32, &str, &str, bool)] = &[
    (39, "CAP_BPF", "no eBPF program can be loaded", true),
    (38, "CAP_PERFMON", "tracing programs are refused", true),
    (
        12,
        "CAP_NET_ADMIN",
        "programs on the tree's cgroup are refused: connections and names of hosts go unseen",
        true,
    ),
    (
        21,
        "CAP_SYS_ADMIN",
        "descriptors that other users' processes hold are not identified",
        false,
    ),
    (
        19,
        "CAP_SYS_PTRACE",
        "programs of other users cannot be hashed, the subject only after its start",
        false,
    ),
    (
        24,
        "CAP_SYS_RESOURCE",
        "before 5.11 the maps do not fit into the limit on locked memory",
        false,
    ),
];
const SYS_ADMIN: u32 = 21;

impl Host {
    /// Reads the running host.
    #[must_use]
    pub fn read() -> Self {
        let uname = rustix::system::uname();
        let effective = effective_capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        Self {
            kernel: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            btf: fs::metadata(crate::kernel::btf::VMLINUX).is_ok_and(|file| file.len() > 0),
            lsm: line("/sys/kernel/security/lsm").map(|list| list.split(',').map(str::to_owned).collect()),
            missing_capabilities: missing(effective),
            in_user_namespace: fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !maps_everyone(&map)),
            settings: settings(),
            names: names(
                &fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default(),
                &fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
            ),
        }
    }
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The `CapEff` line of proc_pid_status(5).
fn effective_capabilities(status: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    value
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

fn missing(effective: u64) -> Vec<Missing> {
    let has = |number: u32| effective >> number & 1 == 1;
    let lacking = CAPABILITIES
        .iter()
        .filter(|(number, _, _, required)| !(has(*number) || *required && has(SYS_ADMIN)));
    lacking
        .map(|(_, name, costs, required)| Missing {
            name,
            costs,
            required: *required,
        })
        .collect()
}

/// Whether a uid_map is the initial namespace's: all numbers, each to itself.
fn maps_everyone(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// A setting's name, its file, and what each value means.
type Meanings = (&'static str, &'static str, fn(&str) -> &'static str);

const SETTINGS: &[Meanings] = &[
    (
        "kernel.unprivileged_bpf_disabled",
        "/proc/sys/kernel/unprivileged_bpf_disabled",
        |value| match value {
            "0" => "CMD itself may load eBPF programs: declare `[kernel] bpf = \"deny\"`",
            _ => "only privileged processes load eBPF programs",
        },
    ),
    (
        "kernel.bpf_stats_enabled",
        "/proc/sys/kernel/bpf_stats_enabled",
        |value| match value {
            "0" => "the kernel does not count what the programs cost",
            _ => "the kernel counts what each program costs, which itself costs some nanoseconds a run",
        },
    ),
    (
        "kernel.io_uring_disabled",
        "/proc/sys/kernel/io_uring_disabled",
        |value| match value {
            "0" => "any process may use io_uring",
            "1" => "only privileged processes and one group may use io_uring",
            _ => "nobody may use io_uring",
        },
    ),
    (
        "kernel.perf_event_paranoid",
        "/proc/sys/kernel/perf_event_paranoid",
        |_| "how far unprivileged perf goes",
    ),
    (
        "user.max_user_namespaces",
        "/proc/sys/user/max_user_namespaces",
        |value| match value {
            "0" => "no user namespace can be made",
            _ => "user namespaces can be made",
        },
    ),
];

fn settings() -> Vec<Setting> {
    let read = SETTINGS.iter().map(|(name, path, means)| {
        let value = line(path);
        Setting {
            name,
            means: value.as_deref().map_or("this kernel has no such setting", means),
            value,
        }
    });
    read.collect()
}

fn names(nsswitch: &str, resolv: &str) -> Names {
    let is_socket = |path: &str| fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    Names {
        nss_resolve: hosts_by_resolve(nsswitch) && is_socket("/run/systemd/resolve/io.systemd.Resolve"),
        nscd: is_socket("/run/nscd/socket") || is_socket("/var/run/nscd/socket"),
        resolved_stub: uses_stub(resolv) && Path::new("/run/systemd/resolve").exists(),
    }
}

/// Whether the hosts line of nsswitch.conf(5) names the `resolve` service.
fn hosts_by_resolve(nsswitch: &str) -> bool {
    let lines = nsswitch
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("hosts:"));
    lines
        .flat_map(str::split_ascii_whitespace)
        .any(|word| word == "resolve")
}

/// Whether resolv.conf(5) names systemd-resolved's stub.
fn uses_stub(resolv: &str) -> bool {
    let lines = resolv
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"));
    lines
        .map(str::trim)
        .any(|address| matches!(address, "127.0.0.53" | "127.0.0.54"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_that_stand_in_for_others() {
        let names = |effective: u64| -> Vec<&str> { missing(effective).iter().map(|missing| missing.name).collect() };
        assert_eq!(names(u64::MAX), Vec::<&str>::new());
        assert_eq!(names(1 << 21), ["CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"]);
        assert_eq!(
            names(1 << 39 | 1 << 38 | 1 << 12),
            ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"]
        );
        assert!(missing(0).iter().any(|missing| missing.required));
        assert_eq!(
            effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n"),
            0x1ff_ffff_ffff
        );
        assert_eq!(effective_capabilities(""), 0);
    }

    #[test]
    fn where_names_come_from() {
        assert!(hosts_by_resolve(
            "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n"
        ));
        assert!(!hosts_by_resolve("hosts: files dns\n# hosts: resolve\n"));
        assert!(uses_stub("nameserver 127.0.0.53\noptions edns0\n"));
        assert!(!uses_stub("nameserver 192.0.2.53\n"));
    }

    #[test]
    fn the_initial_user_namespace_is_told_from_others() {
        assert!(maps_everyone("         0          0 4294967295\n"));
        assert!(!maps_everyone("         0       1000          1\n"));
    }
}
