//! What changed between two sets, in words a reviewer understands.
//!
//! Rules are compared by what they say about each pattern, not by where they stand: moving or splitting a rule is no
//! change. A pattern that another still covers is told of all the same, since only a person knows what was meant.

use super::rule::{Evidence, ExecAnswer, NetRule, RuleRef};
use super::words::words;
use super::{Access, Declared, Section};
use std::collections::BTreeMap;
use std::fmt;

words! {
    /// Which way a change goes for the subject.
    ChangeKind {
        /// It may do more.
        Widened = "widened",
        /// It may do less.
        Narrowed = "narrowed",
        /// Another setting, neither more nor less.
        Changed = "changed",
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Which way it goes.
    pub kind: ChangeKind,
    /// What changed: one sentence, lower case, no full stop.
    pub what: String,
    /// The rule of the old set; `None` when there was none.
    pub old: Option<RuleRef>,
    /// The rule of the new set; `None` when there is none.
    pub new: Option<RuleRef>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}  {}", self.kind, self.what)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "  ({old} -> {new})"),
            (Some(old), None) => write!(f, "  (was {old})"),
            (None, Some(new)) => write!(f, "  ({new})"),
            (None, None) => Ok(()),
        }
    }
}

/// What a set says about one thing: a value and the rule that says it first.
type Said<V> = BTreeMap<String, (V, RuleRef)>;

/// What changed from `old` to `new`: what the subject may do more first.
pub fn diff(old: &Declared, new: &Declared) -> Vec<Change> {
    let mut changes = Vec::new();
    accesses(&mut changes, "file", &files(old, false), &files(new, false), false);
    accesses(&mut changes, "file", &files(old, true), &files(new, true), true);
    for (deny, section) in [
        (false, Section::Exec),
        (true, Section::Exec),
        (false, Section::Unix),
        (true, Section::Unix),
    ] {
        accesses(
            &mut changes,
            section.as_str(),
            &names(old, section, deny),
            &names(new, section, deny),
            deny,
        );
    }
    odd(&mut changes, old, new);
    peers(&mut changes, &nets(old), &nets(new));
    policies(&mut changes, old, new);
    settings(&mut changes, old, new);
    changes.sort_by_key(|change| change.kind);
    changes
}

fn add(said: &mut Said<Access>, key: &str, access: Access, at: &RuleRef) {
    if !access.is_empty() {
        let entry = said.entry(key.to_owned()).or_insert_with(|| (Access::NONE, at.clone()));
        entry.0 |= access;
    }
}

fn files(set: &Declared, deny: bool) -> Said<Access> {
    let mut said = Said::new();
    for rule in &set.files {
        for pattern in &rule.paths {
            add(
                &mut said,
                pattern.as_str(),
                if deny { rule.deny } else { rule.allow },
                &rule.at,
            );
        }
    }
    said
}

/// Programs and sockets: there is one access to them, which needs no word.
fn names(set: &Declared, section: Section, deny: bool) -> Said<Access> {
    let mut said = Said::new();
    let rules: Vec<_> = match section {
        Section::Exec => set
            .execs
            .iter()
            .map(|r| (&r.at, if deny { &r.deny } else { &r.paths }))
            .collect(),
        _ => set
            .unixes
            .iter()
            .map(|r| (&r.at, if deny { &r.deny } else { &r.paths }))
            .collect(),
    };
    for (at, patterns) in rules {
        patterns
            .iter()
            .for_each(|pattern| add(&mut said, pattern.as_str(), Access::EXEC, at));
    }
    said
}

/// Where a rule was written; what stands by default (line 0) was not.
fn written(side: Option<&(Access, RuleRef)>) -> Option<RuleRef> {
    side.map(|(_, at)| at.clone()).filter(|at| at.line > 0)
}

fn accesses(changes: &mut Vec<Change>, section: &str, old: &Said<Access>, new: &Said<Access>, deny: bool) {
    let (gained, lost) = match deny {
        false => (ChangeKind::Widened, ChangeKind::Narrowed),
        true => (ChangeKind::Narrowed, ChangeKind::Widened),
    };
    let verb = if deny { "denied" } else { "allowed" };
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (was, is) = (old.get(key), new.get(key));
        let of = |side: Option<&(Access, RuleRef)>| side.map_or(Access::NONE, |(access, _)| *access);
        let (more, less) = (of(is) - of(was), of(was) - of(is));
        let mut tell = |kind, access: Access, when: &str| {
            let access = if access == Access::EXEC {
                String::new()
            } else {
                format!(" {access}")
            };
            changes.push(Change {
                kind,
                what: format!("{section} `{key}`:{access} {when} {verb}"),
                old: written(was),
                new: written(is),
            });
        };
        if !more.is_empty() {
            tell(gained, more, if was.is_some() { "now also" } else { "now" });
        }
        if !less.is_empty() {
            tell(lost, less, "no longer");
        }
    }
}

fn odd(changes: &mut Vec<Change>, old: &Declared, new: &Declared) {
    type Pick = fn(&super::ExecRule) -> Option<ExecAnswer>;
    let picks: [(&str, Pick); 2] = [("memfd", |rule| rule.memfd), ("ldso", |rule| rule.ldso)];
    for (name, pick) in picks {
        let strictest = |set: &Declared| {
            let said = set
                .execs
                .iter()
                .filter_map(|rule| pick(rule).map(|answer| (answer, rule.at.clone())));
            said.max_by_key(|(answer, _)| *answer)
        };
        let (was, is) = (strictest(old), strictest(new));
        // Nothing said is undeclared: stricter than `report`, weaker than `deny`.
        let rank = |side: &Option<(ExecAnswer, RuleRef)>| match side {
            Some((ExecAnswer::Allow, _)) => 0,
            Some((ExecAnswer::Report, _)) => 1,
            None => 2,
            Some((ExecAnswer::Deny, _)) => 3,
        };
        let shown = |side: &Option<(ExecAnswer, RuleRef)>| side.as_ref().map_or("undeclared", |(a, _)| a.as_str());
        if rank(&was) != rank(&is) {
            changes.push(Change {
                kind: direction(rank(&was) > rank(&is)),
                what: format!("exec {name}: {} instead of {}", shown(&is), shown(&was)),
                old: was.map(|(_, at)| at),
                new: is.map(|(_, at)| at),
            });
        }
    }
}

/// The peers of a set: host or network, protocol and port, with how well a name must be known.
fn nets(set: &Declared) -> Said<Evidence> {
    let mut said: Said<Evidence> = Said::new();
    let peers = |rule: &NetRule| -> Vec<String> {
        let hosts = rule.hosts.iter().map(ToString::to_string);
        hosts.chain(rule.cidr.iter().map(ToString::to_string)).collect()
    };
    for rule in &set.nets {
        for peer in peers(rule) {
            for proto in &rule.proto {
                for ports in &rule.ports {
                    let entry = said.entry(format!("{peer} {proto} {ports}"));
                    let entry = entry.or_insert_with(|| (rule.require_name, rule.at.clone()));
                    entry.0 = entry.0.min(rule.require_name);
                }
            }
        }
    }
    said
}

fn peers(changes: &mut Vec<Change>, old: &Said<Evidence>, new: &Said<Evidence>) {
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (was, is) = (old.get(key), new.get(key));
        let (kind, what) = match (was, is) {
            (None, _) => (ChangeKind::Widened, format!("net `{key}`: now allowed")),
            (_, None) => (ChangeKind::Narrowed, format!("net `{key}`: no longer allowed")),
            (Some((a, _)), Some((b, _))) if a != b => (
                direction(b < a),
                format!("net `{key}`: the name must be known by {b} instead of {a}"),
            ),
            _ => continue,
        };
        changes.push(Change {
            kind,
            what,
            old: was.map(|(_, at)| at.clone()),
            new: is.map(|(_, at)| at.clone()),
        });
    }
}

fn policies(changes: &mut Vec<Change>, old: &Declared, new: &Declared) {
    let table = |list: Vec<(String, RuleRef)>| -> Said<Access> {
        list.into_iter().map(|(key, at)| (key, (Access::EXEC, at))).collect()
    };
    let families = |set: &Declared| {
        let standing = ["inet", "inet6", "unix"].map(|family| {
            let at = RuleRef {
                file: "default".to_owned(),
                line: 0,
            };
            (family.to_owned(), at)
        });
        let named = set.net_policy.families.as_ref();
        table(named.map_or_else(
            || standing.into(),
            |l| l.iter().map(|(f, at)| (f.to_string(), at.clone())).collect(),
        ))
    };
    accesses(changes, "socket family", &families(old), &families(new), false);
    let denies = |set: &Declared| {
        table(
            set.net_policy
                .deny
                .iter()
                .map(|(d, at)| (d.to_string(), at.clone()))
                .collect(),
        )
    };
    accesses(changes, "net", &denies(old), &denies(new), true);
    let listen = |set: &Declared| {
        table(
            set.net_policy
                .listen
                .iter()
                .map(|(l, at)| (l.to_string(), at.clone()))
                .collect(),
        )
    };
    accesses(changes, "listen", &listen(old), &listen(new), false);
    let hosts = |set: &Declared| {
        let embedded = set.embedded.iter().flat_map(|e| &e.hosts);
        table(embedded.map(|(host, at)| (host.to_string(), at.clone())).collect())
    };
    accesses(changes, "embedded host", &hosts(old), &hosts(new), false);
}

fn settings(changes: &mut Vec<Change>, old: &Declared, new: &Declared) {
    for act in super::KernelAct::ALL {
        let (was, is) = (old.kernel.get(*act), new.kernel.get(*act));
        let (a, b) = (was.map(|(answer, _)| answer), is.map(|(answer, _)| answer));
        if a != b {
            let shown = |answer: Option<super::KernelAnswer>| answer.map_or("undeclared", |answer| answer.as_str());
            changes.push(Change {
                kind: direction(kernel_rank(b) < kernel_rank(a)),
                what: format!("kernel {act}: {} instead of {}", shown(b), shown(a)),
                old: was.map(|(_, at)| at.clone()),
                new: is.map(|(_, at)| at.clone()),
            });
        }
    }
    let mut word = |name: String, was: &str, is: &str, wider: Option<bool>| {
        if was != is {
            changes.push(Change {
                kind: wider.map_or(ChangeKind::Changed, direction),
                what: format!("{name}: {is} instead of {was}"),
                old: None,
                new: None,
            });
        }
    };
    for section in Section::ALL {
        let (was, is) = (old.mode.of(*section), new.mode.of(*section));
        word(format!("mode of {section}"), was.as_str(), is.as_str(), Some(is < was));
    }
    let (a, b) = (&old.mode, &new.mode);
    word(
        "on_unsupported".to_owned(),
        a.on_unsupported.as_str(),
        b.on_unsupported.as_str(),
        Some(b.on_unsupported < a.on_unsupported),
    );
    word(
        "watcher_exit".to_owned(),
        a.watcher_exit.as_str(),
        b.watcher_exit.as_str(),
        Some(b.watcher_exit < a.watcher_exit),
    );
    word(
        "hardlinks".to_owned(),
        old.hardlinks.as_str(),
        new.hardlinks.as_str(),
        Some(new.hardlinks < old.hardlinks),
    );
    let subject = |set: &Declared| -> [String; 4] {
        let Some(subject) = &set.subject else {
            return Default::default();
        };
        let digests: Vec<String> = subject
            .sha256
            .iter()
            .map(|d| d.iter().map(|b| format!("{b:02x}")).collect())
            .collect();
        let signers: Vec<String> = subject.signers.iter().map(ToString::to_string).collect();
        let exec = subject.exec.clone().unwrap_or_default();
        [
            exec,
            digests.join(", "),
            signers.join(", "),
            subject.on_mismatch.to_string(),
        ]
    };
    for ((was, is), name) in subject(old)
        .iter()
        .zip(&subject(new))
        .zip(["exec", "sha256", "signer", "on_mismatch"])
    {
        let shown = |text: &str| {
            if text.is_empty() {
                "nothing".to_owned()
            } else {
                text.to_owned()
            }
        };
        word(format!("subject {name}"), &shown(was), &shown(is), None);
    }
}

/// How strict an answer is. Nothing said is undeclared: stricter than `report`.
fn kernel_rank(answer: Option<super::KernelAnswer>) -> u8 {
    use super::KernelAnswer as K;
    match answer {
        Some(K::Allow) => 0,
        Some(K::Report) => 1,
        Some(K::TreeOnly) => 2,
        None => 3,
        Some(K::Deny) => 4,
    }
}

fn direction(wider: bool) -> ChangeKind {
    if wider {
        ChangeKind::Widened
    } else {
        ChangeKind::Narrowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::load;

    fn set(text: &str) -> Declared {
        let text = format!("version = 1\n{text}");
        load("x.toml", &text, &|_| None, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn check(old: &str, new: &str, expect: &[&str]) {
        let shown: Vec<String> = diff(&set(old), &set(new)).iter().map(ToString::to_string).collect();
        assert_eq!(shown, expect, "{old} -> {new}");
    }

    #[test]
    fn a_change_says_which_way_it_goes() {
        let usr = "[[file]]\naccess = ['read']\npaths = ['/usr/**']\n";
        check(usr, usr, &[]);
        check(usr, &format!("# moved\n\n{usr}"), &[]);
        check(
            usr,
            "[[file]]\naccess = ['read', 'write']\npaths = ['/usr/**', '/opt/**']",
            &[
                "widened   file `/usr/**`: write now also allowed  (x.toml:2 -> x.toml:2)",
                "widened   file `/opt/**`: read, write now allowed  (x.toml:2)",
            ],
        );
        check(
            usr,
            "",
            &["narrowed  file `/usr/**`: read no longer allowed  (was x.toml:2)"],
        );
        check(
            "[[file]]\ndeny = ['read']\npaths = ['/s/**']",
            "",
            &["widened   file `/s/**`: read no longer denied  (was x.toml:2)"],
        );
        check(
            "[[exec]]\npaths = ['/bin/a']\nmemfd = 'deny'",
            "[[exec]]\npaths = ['/bin/a', '/bin/b']",
            &[
                "widened   exec `/bin/b`: now allowed  (x.toml:2)",
                "widened   exec memfd: undeclared instead of deny  (was x.toml:2)",
            ],
        );
        check(
            "[[net]]\nhosts = ['a.example']\nports = [443]",
            "[[net]]\nhosts = ['a.example']\nports = [443]\nrequire_name = 'sni'\n[net.policy]\nfamilies = ['inet']",
            &[
                "widened   net `a.example tcp 443`: the name must be known by sni instead of dns  (x.toml:2 -> x.toml:2)",
                "narrowed  socket family `inet6`: no longer allowed",
                "narrowed  socket family `unix`: no longer allowed",
            ],
        );
        check(
            "[kernel]\nbpf = 'deny'\n[mode]\ndefault = 'block'",
            "[kernel]\nbpf = 'report'\n[mode]\ndefault = 'block'\nnet = 'report'",
            &[
                "widened   kernel bpf: report instead of deny  (x.toml:3 -> x.toml:3)",
                "widened   mode of net: report instead of block",
            ],
        );
        check(
            "[subject]\nexec = '/bin/a'",
            "[subject]\nexec = '/bin/b'",
            &["changed   subject exec: /bin/b instead of /bin/a"],
        );
    }
}
