//! What the file at hand says already: allowed acts are left out, denied ones are told.

use super::lesson::Existing;
use super::observe::{Observations, Seen};
use probity_signatures::declared::{Access, Decision, Declared, Evidence, Hardlinks, KernelAnswer, Pattern, RuleRef};
use std::collections::BTreeMap;

/// What is left of the observations, and a line for each denial.
pub(super) fn filter(seen: &Observations, existing: &Existing<'_>) -> (Observations, Vec<String>) {
    let set = existing.set;
    let mut told = Vec::new();
    let mut left = Observations {
        pids: seen.pids.clone(),
        beyond: seen.beyond.clone(),
        ..Observations::default()
    };
    left.files = files(seen, set, &mut told);
    for (path, seen) in &seen.execs {
        let subject = set.subject.as_ref().and_then(|subject| subject.exec.as_deref());
        match set.decide_exec(path) {
            Decision::Denied(at) => told.push(denial("exec", path, &at)),
            Decision::Undeclared { .. } if subject.map(str::as_bytes) != Some(path.as_slice()) => {
                left.execs.insert(path.clone(), seen.clone());
            }
            _ => {}
        }
    }
    for (name, seen) in &seen.unixes {
        match set.decide_unix(name) {
            Decision::Denied(at) => told.push(denial("unix socket", name, &at)),
            Decision::Undeclared { .. } => {
                left.unixes.insert(name.clone(), seen.clone());
            }
            Decision::Declared(_) => {}
        }
    }
    for (peer, seen) in &seen.peers {
        let evidence = if peer.host.is_some() {
            Evidence::Dns
        } else {
            Evidence::IpOnly
        };
        match set.decide_net(peer.proto, peer.ip, peer.port, peer.host.as_deref(), evidence) {
            Decision::Denied(at) => told.push(denial("peer", peer.ip.to_string().as_bytes(), &at)),
            Decision::Undeclared { .. } => {
                left.peers.insert(peer.clone(), seen.clone());
            }
            Decision::Declared(_) => {}
        }
    }
    for ((ip, port), seen) in &seen.listens {
        if !set.decide_listen(*ip, *port).is_declared() {
            left.listens.insert((*ip, *port), seen.clone());
        }
    }
    for (family, seen) in &seen.families {
        match set.decide_family(*family) {
            Decision::Denied(at) => told.push(denial("socket family", family.to_string().as_bytes(), &at)),
            Decision::Undeclared { .. } => {
                left.families.insert(*family, seen.clone());
            }
            Decision::Declared(_) => {}
        }
    }
    for (act, (seen, outsider)) in &seen.kernel {
        match (set.decide_kernel(*act, !outsider), set.kernel.get(*act)) {
            (Decision::Declared(_), _) => {}
            (Decision::Denied(at), _) => told.push(denial("kernel act", act.as_str().as_bytes(), &at)),
            // The word of a person stands, and a second one cannot.
            (_, Some((KernelAnswer::Report, at))) => told.push(denial("kernel act", act.as_str().as_bytes(), at)),
            _ => {
                left.kernel.insert(*act, (seen.clone(), *outsider));
            }
        }
    }
    if let Some(seen) = &seen.memfd {
        match set.decide_memfd() {
            Decision::Denied(at) => told.push(denial("exec", b"a file without a name", &at)),
            Decision::Undeclared { .. } => left.memfd = Some(seen.clone()),
            Decision::Declared(_) => {}
        }
    }
    told.sort();
    told.dedup();
    (left, told)
}

fn files(seen: &Observations, set: &Declared, told: &mut Vec<String>) -> BTreeMap<Vec<u8>, Seen> {
    let mut left = BTreeMap::new();
    for (path, seen) in &seen.files {
        let own = own_process(path, seen.tgid);
        let mut missing = 0;
        for bit in Access::from_bits(seen.access).singles() {
            let decided = own.iter().chain([path]).map(|path| set.decide_file(path, bit));
            let mut denied = None;
            let mut declared = false;
            for decision in decided {
                match decision {
                    Decision::Denied(at) => denied = Some(at),
                    Decision::Declared(_) => declared = true,
                    Decision::Undeclared { .. } => {}
                }
            }
            if let Some(at) = denied {
                told.push(denial(&bit.to_string(), path, &at));
            } else if !declared || (seen.linked && needs_own_rule(set, path, bit)) {
                missing |= bit.bits();
            }
        }
        if missing != 0 {
            let seen = Seen {
                access: missing,
                ..seen.clone()
            };
            left.insert(path.clone(), seen);
        }
    }
    left
}

/// Whether a file of several links is allowed only by a pattern.
fn needs_own_rule(set: &Declared, path: &[u8], bit: Access) -> bool {
    let names = |pattern: &Pattern| pattern.literal().is_some_and(|literal| literal == path);
    let exact =
        |rule: &probity_signatures::declared::FileRule| rule.allow.contains(bit) && rule.paths.iter().any(names);
    set.hardlinks == Hardlinks::Report
        && !(Access::CREATE | Access::DELETE).contains(bit)
        && !set.files.iter().any(exact)
}

/// `/proc/self/...` for `/proc/PID/...` of the process itself.
fn own_process(path: &[u8], tgid: u32) -> Option<Vec<u8>> {
    let prefix = format!("/proc/{tgid}");
    let rest = path.strip_prefix(prefix.as_bytes())?;
    (rest.is_empty() || rest.starts_with(b"/")).then(|| [b"/proc/self", rest].concat())
}

fn denial(what: &str, object: &[u8], at: &RuleRef) -> String {
    format!(
        "{what} of `{}` is denied at {at}: not added",
        super::names::printable(object)
    )
}
