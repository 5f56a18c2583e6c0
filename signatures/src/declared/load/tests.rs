use crate::declared::{Access, Decision, Declared, Diagnostics, Mode, load};
use std::collections::BTreeMap;

/// The example of the format's reference.
pub(crate) const EXAMPLE: &str = r#"version = 1
name = "claude-code in CI"

[subject]
exec   = "/usr/local/bin/claude"
sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
signer = "apple:Q6L2SF6YDW"
on_mismatch = "refuse"

[mode]
default = "report"
on_unsupported = "error"
on_event_loss  = "incomplete"
watcher_exit   = "kill-tree"

[vars]
work = "${WORKSPACE}"

[[file]]
access = ["read", "map"]
paths  = ["/usr/**", "/lib/**", "/etc/{passwd,group,hosts,resolv.conf}"]
[[file]]
deny   = ["read", "write"]
paths  = ["${HOME}/.ssh/**", "/proc/*/{environ,mem}"]
label  = "credential"

[[exec]]
paths = ["/usr/bin/{git,node,rg,bash,sh}"]
memfd = "deny"

[[net]]
hosts = ["api.anthropic.com", "*.github.com"]
ports = [443]
proto = ["tcp"]
require_name = "dns"
[[net]]
cidr  = ["127.0.0.0/8", "::1/128"]
ports = ["*"]
[net.policy]
families = ["inet", "inet6", "unix", "netlink-route"]
deny     = ["mptcp", "tcp-fastopen", "raw", "packet", "vsock", "quic"]
listen   = ["127.0.0.1:*"]

[[unix]]
paths = ["/run/nscd/socket"]
deny  = ["/var/run/docker.sock", "/run/dbus/system_bus_socket"]

[kernel]
io_uring = "deny"
userns = "deny"
mount = "deny"
ptrace = "tree-only"
bpf = "deny"
perf = "deny"
userfaultfd = "deny"
int80 = "deny"

[embedded]
hosts = ["*.anthropic.com", "github.com"]
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/dev".to_owned()),
        "WORKSPACE" => Some("/work/space".to_owned()),
        _ => None,
    }
}

pub(crate) fn read(text: &str) -> Result<Declared, Diagnostics> {
    load("a.declared.toml", text, &environment, &BTreeMap::new())
}

#[test]
fn the_example_loads_with_the_line_of_each_rule() {
    let set = read(EXAMPLE).unwrap();
    assert_eq!(set.warnings, []);
    assert_eq!(set.name, "claude-code in CI");
    assert_eq!(set.vars["work"], "/work/space");
    assert_eq!(set.files.len(), 2);
    assert_eq!(set.files[0].at.to_string(), "a.declared.toml:19");
    assert_eq!(set.files[0].paths.len(), 6);
    assert_eq!(set.files[1].at.line, 22);
    assert_eq!(set.files[1].deny, Access::READ | Access::WRITE);
    assert_eq!(set.files[1].label.as_deref(), Some("credential"));
    assert_eq!(set.nets.len(), 2);
    assert_eq!(set.nets[1].at.line, 36);
    assert_eq!(set.net_policy.listen[0].1.line, 42);
    assert_eq!(set.kernel.answers.len(), 8);
    assert_eq!(set.kernel.answers[3].2.line, 52);
    assert_eq!(set.mode.default, Mode::Report);
    let denied = set.decide_file(b"/home/dev/.ssh/id", Access::READ);
    assert!(matches!(denied, Decision::Denied(at) if at.line == 22));
    assert!(
        set.decide_file(b"/usr/lib/x.so", Access::READ | Access::MAP)
            .is_declared()
    );
}
