//! The declared sets of the table, loaded and decided by the code that the watcher's rules come from: each set loads
//! without a warning, allows the declared form's object and does not allow the undeclared form's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use probity_acts::context::Form;
use probity_acts::table::{self, Act};
use probity_signatures::declared::{Access, Decision, Declared, Evidence, KernelAct, NetDeny, Proto, load};

/// The ports that a harness would have: the allowed one stands in every set.
const PORTS: [u16; 2] = [4242, 4343];

#[test]
fn every_set_allows_the_declared_form_and_not_the_undeclared_one() {
    let mut decided = 0;
    for act in table::all() {
        for (form, port) in Form::BOTH.into_iter().zip(PORTS) {
            let text = act.declared_set(form).replace("${PORT}", &PORTS[0].to_string());
            let set = load("set.toml", &text, &variable, &BTreeMap::new())
                .unwrap_or_else(|error| panic!("{} ({}): {error:?}\n{text}", act.name, form.word()));
            let titles: Vec<&str> = set.warnings.iter().map(|warning| warning.title.as_str()).collect();
            assert!(titles.is_empty(), "{}: {titles:?}", act.name);
            let decisions = decisions(&set, act, form, port);
            if decisions.is_empty() || !act.judged {
                continue;
            }
            let allowed = decisions.iter().all(Decision::is_declared);
            assert_eq!(
                allowed,
                form == Form::Declared,
                "{} ({}): {decisions:?}",
                act.name,
                form.word()
            );
            decided += 1;
        }
    }
    assert!(decided >= 250, "only {decided} rows were decided");
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "DIR" => "/tmp/acts",
        "ACTS" => "/usr/bin/acts",
        "CGROUP" => "/sys/fs/cgroup/elsewhere",
        _ => return None,
    };
    Some(String::from(value))
}

/// What the set says of the act; nothing where the set has no say (signals, the cgroup) or the object is a socket family.
fn decisions(set: &Declared, act: &Act, form: Form, port: u16) -> Vec<Decision> {
    let object = act
        .object
        .replace("${DIR}", "/tmp/acts")
        .replace("${FORM}", form.folder())
        .replace("${NEAR}", "/near")
        .replace("${OVER}", "/over");
    let access = act
        .access
        .iter()
        .filter_map(|word| Access::parse(word))
        .fold(Access::NONE, |all, one| all | one);
    let address = match act.object.starts_with('[') {
        true => IpAddr::from(Ipv6Addr::LOCALHOST),
        false => IpAddr::from(Ipv4Addr::LOCALHOST),
    };
    let proto = if act.group == "udp" { Proto::Udp } else { Proto::Tcp };
    let kernel = |what| Some(set.decide_kernel(what, form == Form::Declared));
    let by_kind = match (act.kind, act.name) {
        (_, "exec-memfd") => Some(set.decide_memfd()),
        (_, "exec-ld-so") | ("exec", _) => Some(set.decide_exec(object.as_bytes())),
        ("net.connect" | "net.send", _) => Some(set.decide_net(proto, address, port, None, Evidence::IpOnly)),
        ("net.bind" | "net.listen", _) => Some(set.decide_listen(address, port)),
        ("unix.connect", _) => Some(set.decide_unix(object.as_bytes())),
        ("bpf", _) => kernel(KernelAct::Bpf),
        ("perf", _) => kernel(KernelAct::Perf),
        ("userfaultfd", _) => kernel(KernelAct::Userfaultfd),
        ("userns", _) => kernel(KernelAct::Userns),
        ("io_uring", _) => kernel(KernelAct::IoUring),
        ("int80", _) => kernel(KernelAct::Int80),
        ("ptrace", _) => kernel(KernelAct::Ptrace),
        ("file.mount" | "namespace", _) => kernel(KernelAct::Mount),
        _ => None,
    };
    let file = (!access.is_empty()).then(|| set.decide_file(object.as_bytes(), access));
    file.into_iter().chain(by_kind).collect()
}

#[test]
fn ways_round_the_network_rules_are_closed_in_the_undeclared_sets_only() {
    for (name, way) in [
        ("socket-raw", NetDeny::Raw),
        ("socket-packet", NetDeny::Packet),
        ("socket-vsock", NetDeny::Vsock),
        ("socket-mptcp", NetDeny::Mptcp),
        ("tcp-fastopen", NetDeny::TcpFastopen),
    ] {
        let act = table::find(name).unwrap();
        for form in Form::BOTH {
            let text = act.declared_set(form).replace("${PORT}", "4242");
            let set = load("set.toml", &text, &variable, &BTreeMap::new()).unwrap();
            assert_eq!(
                set.denies(way).is_some(),
                form == Form::Undeclared,
                "{name} ({})",
                form.word()
            );
        }
    }
}
