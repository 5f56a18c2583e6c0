//! Per act: which programs make it visible, and what is known to stay unseen without the stronger backends.
//!
//! This is a static reading of what attached. That the acts really arrive is what `probity doctor` proves.

use probity_abi::state::counter;
use probity_signatures::declared::{Declared, Evidence, KernelAct, KernelAnswer};

use crate::kernel::programs::Hook;
use crate::report::{Blind, Facts, Observable};
use crate::session::Capability;
use crate::tally::COUNTERS;

/// One act, or several that the same programs show.
struct Cover {
    act: &'static str,
    backend: &'static str,
    /// Alternatives: all programs of one of them suffice.
    programs: &'static [&'static [&'static str]],
    /// Whether a declared set cannot be held when the act is not seen.
    held: fn(&Declared) -> bool,
}

/// What the security hooks show in place of the tracepoints, where they run.
const HOOKED: [&str; 4] = [
    "opens and maps of files",
    "names made, moved and removed",
    "scripts started",
    "programs started",
];

/// What `sys_exit` shows, from the calls' arguments, of a tree that has no cgroup of its own.
const TRACED: [&str; 3] = ["connections", "unconnected datagrams", "binds"];

/// Which name an address was asked for by.
const DNS: &str = "names in DNS answers";

const COVERS: &[Cover] = &[
    Cover {
        act: "opens and maps of files",
        backend: "trace",
        programs: &[&["sys_exit"]],
        held: |_| true,
    },
    Cover {
        act: "names made, moved and removed",
        backend: "trace",
        programs: &[
            &["inode_set_ctime_to_ts", "ctime_xchg_skip", "ctime_ns_xchg"],
            &["sys_exit"],
        ],
        held: |_| true,
    },
    Cover {
        act: "scripts started",
        backend: "trace",
        programs: &[&["mm_filemap_get_pages"]],
        held: |set| !set.execs.is_empty(),
    },
    Cover {
        act: "programs started",
        backend: "trace",
        programs: &[&["sched_process_exec"]],
        held: |_| true,
    },
    Cover {
        act: "processes made and ended",
        backend: "trace",
        programs: &[&["task_newtask", "sched_process_exit"]],
        held: |_| true,
    },
    Cover {
        act: "sockets made, listens, accepts",
        backend: "trace",
        programs: &[&["sys_exit"]],
        held: |_| true,
    },
    Cover {
        act: "connections",
        backend: "cgroup",
        programs: &[&["connect4", "connect6"]],
        held: |_| true,
    },
    Cover {
        act: "unconnected datagrams",
        backend: "cgroup",
        programs: &[&["sendmsg4", "sendmsg6"]],
        held: |_| true,
    },
    Cover {
        act: "binds",
        backend: "cgroup",
        programs: &[&["bind4", "bind6"]],
        held: |_| true,
    },
    Cover {
        act: DNS,
        backend: "cgroup",
        programs: &[&["dns_ingress"]],
        held: by_name,
    },
    Cover {
        act: "unix sockets",
        backend: "trace",
        programs: &[&["sys_exit"]],
        held: |_| true,
    },
    Cover {
        act: "acts on the kernel and on other processes",
        backend: "trace",
        programs: &[&["sys_exit"]],
        held: |_| true,
    },
    Cover {
        act: "signals to outsiders",
        backend: "trace",
        programs: &[&["signal_generate"]],
        held: |_| false,
    },
    Cover {
        act: "leaving the cgroup",
        backend: "trace",
        programs: &[&["cgroup_attach_task"]],
        held: |_| true,
    },
    Cover {
        act: "io_uring requests",
        backend: "trace",
        programs: &[&["io_uring_submit_req"], &["io_uring_submit_sqe"]],
        held: |set| !ring_forbidden(set),
    },
];

/// Opens through io_uring: what they are called in reports.
const RING_OPENS: &str = "opens through io_uring";

/// What tracepoints and cgroup programs do not show, why, and the acts of `probity doctor` that prove it.
const UNSEEN: &[(&str, &str, &[&str])] = &[
    (
        RING_OPENS,
        "no tracepoint carries the file that a request opens; that a request is made is seen, and what is then read from the page cache: deny `[kernel] io_uring`",
        &["open through the ring", "open into the ring's own table"],
    ),
    (
        "maps made executable by mprotect",
        "no tracepoint carries the map that mprotect changes",
        &["map made code by mprotect"],
    ),
    (
        "frames on packet and vsock sockets",
        "no cgroup program runs for these families; that the socket is made is seen",
        &["frame on a packet socket"],
    ),
    ("keyctl", "there is no event for it", &[]),
];

fn by_name(set: &Declared) -> bool {
    set.nets
        .iter()
        .any(|rule| !rule.hosts.is_empty() && rule.require_name != Evidence::IpOnly)
}

fn ring_forbidden(set: &Declared) -> bool {
    !matches!(set.kernel.get(KernelAct::IoUring), Some((KernelAnswer::Allow, _)))
}

/// Whether opens through io_uring and the like are seen after all.
fn stronger(programs: &[Capability]) -> bool {
    programs
        .iter()
        .any(|capability| capability.refused.is_none() && matches!(capability.row.hook, Hook::Lsm | Hook::Fentry))
}

/// What is seen and what is not, for a report.
#[must_use]
pub fn describe(programs: &[Capability], set: Option<&Declared>) -> (Vec<Observable>, Vec<Blind>) {
    let (mut observable, mut blind) = (Vec::new(), Vec::new());
    let attached = |name: &&str| {
        programs
            .iter()
            .any(|capability| capability.row.name == *name && capability.refused.is_none())
    };
    let hooked = programs
        .iter()
        .filter(|capability| capability.refused.is_none())
        .find_map(|capability| match capability.row.hook {
            Hook::Lsm => Some("lsm"),
            Hook::Fentry => Some("hook"),
            _ => None,
        });
    for capability in programs
        .iter()
        .filter(|capability| matches!(capability.row.hook, Hook::Lsm | Hook::Fentry))
    {
        // A hook that this kernel does not have under this name or with these arguments has another that it has.
        let Some(why) = capability
            .refused
            .as_ref()
            .filter(|why| !why.contains("this kernel has no") && !why.contains("arguments here"))
        else {
            continue;
        };
        blind.push(Blind {
            act: format!("{} ({})", capability.row.sees, capability.row.name),
            reason: why.clone(),
            matters: set.is_some(),
        });
    }
    // A tree without a cgroup is followed by lineage, and none of the programs of a cgroup is asked for.
    let by_lineage = !programs
        .iter()
        .any(|capability| matches!(capability.row.hook, Hook::SockAddr | Hook::SkbIngress));
    for cover in COVERS {
        let by_hooks = hooked.filter(|_| HOOKED.contains(&cover.act));
        let traced = by_lineage && TRACED.contains(&cover.act) && attached(&"sys_exit");
        if by_hooks.is_some() || traced || cover.programs.iter().any(|all| all.iter().all(attached)) {
            let backend = match by_hooks {
                Some(hooked) => hooked,
                None if traced => "trace",
                None => cover.backend,
            };
            observable.push(Observable {
                act: cover.act.to_owned(),
                backend: backend.to_owned(),
                blockable: false,
            });
        } else {
            blind.push(Blind {
                act: cover.act.to_owned(),
                reason: if by_lineage && cover.act == DNS {
                    "processes without a cgroup of their own share their packets with the host's".to_owned()
                } else {
                    refusals(cover, programs)
                },
                matters: set.is_some_and(cover.held),
            });
        }
    }
    if !stronger(programs) {
        blind.extend(UNSEEN.iter().map(|(act, reason, _)| Blind {
            act: (*act).to_owned(),
            reason: (*reason).to_owned(),
            matters: false,
        }));
    }
    (observable, blind)
}

/// What the kernel said of the programs that would show an act; of alternatives, of the one that it has.
fn refusals(cover: &Cover, programs: &[Capability]) -> String {
    let refused = |names: &[&str]| -> Vec<String> {
        let of = programs
            .iter()
            .filter(|capability| names.contains(&capability.row.name));
        of.filter_map(|capability| Some(format!("`{}`: {}", capability.row.name, capability.refused.as_ref()?)))
            .collect()
    };
    let alternatives: Vec<Vec<String>> = cover.programs.iter().map(|names| refused(names)).collect();
    let told = alternatives
        .iter()
        .find(|said| !said.is_empty() && !said.iter().all(|line| line.contains("has no tracepoint")))
        .or_else(|| alternatives.iter().find(|said| !said.is_empty()));
    told.map_or_else(|| "the program was not loaded".to_owned(), |said| said.join("; "))
}

/// At the end of a run: what was unseen matters where the declared set leaned on it and the way was really used.
pub fn weigh(counters: &[u64; COUNTERS], set: Option<&Declared>, facts: &mut Facts) {
    let requests = usize::try_from(counter::RING_REQUESTS)
        .ok()
        .and_then(|at| counters.get(at))
        .copied()
        .unwrap_or(0);
    if requests == 0 || set.is_none_or(ring_forbidden) {
        return;
    }
    for blind in facts.blind.iter_mut().filter(|blind| blind.act == RING_OPENS) {
        blind.matters = true;
        let s = if requests == 1 { "" } else { "s" };
        blind.reason = format!(
            "{requests} request{s} to a ring that `[kernel] io_uring = \"allow\"` lets pass; {}",
            blind.reason
        );
    }
}

/// Why an act that `probity doctor` did was not seen, where that is known.
#[must_use]
pub(super) fn known(act: &str) -> Option<&'static str> {
    UNSEEN
        .iter()
        .find(|(_, _, acts)| acts.contains(&act))
        .map(|(_, reason, _)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::programs::TABLE;

    fn programs(refused: &[(&str, &str)]) -> Vec<Capability> {
        let rows = TABLE.iter().filter(|row| !matches!(row.hook, Hook::Lsm | Hook::Fentry));
        rows.map(|row| Capability {
            row,
            refused: refused
                .iter()
                .find(|(name, _)| *name == row.name)
                .map(|(_, why)| (*why).to_owned()),
            verified: None,
        })
        .collect()
    }

    fn acts(blind: &[Blind]) -> Vec<&str> {
        blind.iter().map(|blind| blind.act.as_str()).collect()
    }

    fn set(text: &str) -> Declared {
        let text = format!("version = 1\nname = \"test\"\n{text}");
        probity_signatures::declared::load("t.declared.toml", &text, &|_| None, &std::collections::BTreeMap::new())
            .expect("a declared set")
    }

    #[test]
    fn every_program_that_a_cover_names_exists() {
        for name in COVERS
            .iter()
            .flat_map(|cover| cover.programs.iter().flat_map(|names| names.iter()))
        {
            assert!(TABLE.iter().any(|row| row.name == *name), "{name}");
        }
        for act in UNSEEN.iter().flat_map(|(_, _, acts)| acts.iter()) {
            assert!(super::super::acts::rows().any(|row| row.name == *act), "{act}");
        }
    }

    #[test]
    fn the_other_name_of_a_tracepoint_is_not_missed() {
        let (observable, blind) = describe(
            &programs(&[("io_uring_submit_sqe", "this kernel has no tracepoint `x`")]),
            None,
        );
        assert!(observable.iter().any(|seen| seen.act == "io_uring requests"));
        assert_eq!(acts(&blind), UNSEEN.iter().map(|(act, ..)| *act).collect::<Vec<_>>());
        let none = [
            ("io_uring_submit_sqe", "this kernel has no tracepoint `x`"),
            ("io_uring_submit_req", "Permission denied"),
        ];
        let (_, blind) = describe(&programs(&none), None);
        assert_eq!(blind[0].act, "io_uring requests");
        assert_eq!(blind[0].reason, "`io_uring_submit_req`: Permission denied");
    }

    #[test]
    fn what_is_refused_matters_where_the_set_leans_on_it() {
        let refused = programs(&[("dns_ingress", "no"), ("signal_generate", "no")]);
        let matters = |set: Option<&Declared>| -> Vec<String> {
            let blind = describe(&refused, set).1;
            blind
                .into_iter()
                .filter(|blind| blind.matters)
                .map(|blind| blind.act)
                .collect()
        };
        assert_eq!(matters(None), Vec::<String>::new());
        assert_eq!(
            matters(Some(&set("[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [1]\n"))),
            Vec::<String>::new()
        );
        assert_eq!(
            matters(Some(&set(
                "[[net]]\nhosts = [\"example.com\"]\nports = [443]\nrequire_name = \"dns\"\n"
            ))),
            [DNS]
        );
    }

    #[test]
    fn a_tree_without_a_cgroup_is_read_from_its_calls() {
        let mut programs = programs(&[]);
        programs.retain(|capability| !matches!(capability.row.hook, Hook::SockAddr | Hook::SkbIngress));
        let by_name = set("[[net]]\nhosts = [\"example.com\"]\nports = [443]\nrequire_name = \"dns\"\n");
        let (observable, blind) = describe(&programs, Some(&by_name));
        for act in TRACED {
            let seen = observable.iter().find(|seen| seen.act == act);
            assert_eq!(seen.map(|seen| seen.backend.as_str()), Some("trace"), "{act}");
        }
        let matter: Vec<&str> = blind
            .iter()
            .filter(|blind| blind.matters)
            .map(|blind| blind.act.as_str())
            .collect();
        assert_eq!(matter, [DNS]);
        assert!(!describe(&programs, Some(&set(""))).1.iter().any(|blind| blind.matters));
    }

    #[test]
    fn ring_opens_matter_when_the_ring_is_allowed_and_used() {
        let check = |text: Option<&str>, requests: u64, expect: bool| {
            let mut facts = Facts {
                blind: describe(&programs(&[]), None).1,
                ..Facts::default()
            };
            let mut counters = [0; COUNTERS];
            counters[counter::RING_REQUESTS as usize] = requests;
            weigh(&counters, text.map(set).as_ref(), &mut facts);
            assert_eq!(
                facts.blind.iter().any(|blind| blind.matters),
                expect,
                "{text:?} {requests}"
            );
        };
        check(Some("[kernel]\nio_uring = \"allow\"\n"), 1, true);
        check(Some("[kernel]\nio_uring = \"allow\"\n"), 0, false);
        check(Some("[kernel]\nio_uring = \"deny\"\n"), 5, false);
        check(Some(""), 5, false);
        check(None, 5, false);
    }
}
