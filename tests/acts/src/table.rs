//! The table: one row per act, in one array per group. What the rows say is what a harness must see.
//! A row's `kind` is the `kind` of an event (`probity.event/1`).

use serde_json::{Value, json};

use crate::acts;
use crate::context::{Context, Form};
use crate::sys::Acted;

/// One act.
pub struct Act {
    /// Unique, kebab-case.
    pub name: &'static str,
    /// One sentence: what the act does.
    pub does: &'static str,
    /// The array that the row stands in.
    pub group: &'static str,
    /// The event that must be seen in the undeclared form.
    pub kind: &'static str,
    /// A template of the object: a path, `addr:port`, or a word.
    pub object: &'static str,
    /// The access words the act needs; empty where the section has none.
    pub access: &'static [&'static str],
    /// Whether it is one of the first acts every backend must hold.
    pub core: bool,
    /// Whether the declared set has a word for it. Where it has none, both forms are the same act, which a watcher may
    /// show and cannot judge.
    pub judged: bool,
    /// What the host must have, from [`NEEDS`] or `kernel>=X.Y`.
    pub needs: &'static [&'static str],
    /// Which arguments the harness must give, from [`TAKES`].
    pub takes: &'static [&'static str],
    /// The service of `acts serve` whose port (per form) goes to `--port`.
    pub service: Option<&'static str>,
    /// The declared set, to be appended to [`BASE`], under which the declared form is silent.
    pub set: &'static str,
    /// The declared set for the undeclared form, where it is another one (acts that have no object to vary).
    pub undeclared_set: Option<&'static str>,
    /// What the act cannot avoid doing beside itself, as declared snippets, for both forms.
    pub noise: &'static [&'static str],
    pub(crate) run: fn(&Context) -> Acted,
}

impl Act {
    /// What the groups' rows leave out.
    pub(crate) const ROW: Act = Act {
        name: "",
        does: "",
        group: "",
        kind: "",
        object: "",
        access: &[],
        core: false,
        judged: true,
        needs: &[],
        takes: &[],
        service: None,
        set: "",
        undeclared_set: None,
        noise: &[],
        run: |_| Ok(()),
    };

    /// The whole declared set for one form: the base, the noise, the act's own rules.
    pub fn declared_set(&self, form: Form) -> String {
        let own = match form {
            Form::Declared => self.set,
            Form::Undeclared => self.undeclared_set.unwrap_or(self.set),
        };
        let mut set = String::from(BASE);
        for part in self.noise.iter().copied().chain([own]) {
            set.push('\n');
            set.push_str(part);
        }
        set
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "does": self.does, "group": self.group, "kind": self.kind, "object": self.object,
            "access": self.access, "core": self.core, "judged": self.judged, "needs": self.needs, "takes": self.takes,
            "service": self.service, "noise": self.noise,
            "sets": {
                "declared": self.declared_set(Form::Declared),
                "undeclared": self.declared_set(Form::Undeclared),
            },
        })
    }
}

/// What every run of the binary does before its act: it is executed, and (when linked dynamically) maps its libraries.
pub const BASE: &str = r#"version = 1
name = "one act"

[[file]]
access = ["read", "map"]
paths = ["${ACTS}", "/lib/**", "/lib64/**", "/usr/lib/**", "/usr/lib64/**", "/etc/ld.so.{cache,preload}"]

[[exec]]
paths = ["${ACTS}"]
"#;

/// What a host may lack.
pub const NEEDS: &[&str] = &[
    "root", "ipv6", "io_uring", "mptcp", "vsock", "ia32", "x86_64", "cgroup2",
];

/// The arguments that a harness may have to give: `--port`, `--fd`, `--pid` (with `--victim-fd` and `--addr`), `--cgroup`.
pub const TAKES: &[&str] = &["port", "fd", "pid", "cgroup"];

/// Every act, group by group.
pub fn all() -> impl Iterator<Item = &'static Act> {
    acts::GROUPS.iter().flat_map(|(_, acts)| acts.iter())
}

/// The act of that name.
pub fn find(name: &str) -> Option<&'static Act> {
    all().find(|act| act.name == name)
}

/// The groups' names, each with the number of its acts.
pub fn groups() -> impl Iterator<Item = (&'static str, usize)> {
    acts::GROUPS.iter().map(|(name, acts)| (*name, acts.len()))
}

/// The table as `acts list --json` prints it.
pub fn json() -> Value {
    json!({ "schema": "probity.acts/1", "base": BASE, "acts": all().map(Act::json).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let mut seen = BTreeSet::new();
        for act in all() {
            assert!(seen.insert(act.name), "{} stands twice", act.name);
            assert!(
                act.name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            assert_eq!(find(act.name).map(|found| found.does), Some(act.does));
        }
        assert!(seen.len() >= 75, "only {} acts", seen.len());
        assert!(all().filter(|act| act.core).count() >= 30);
    }

    #[test]
    fn rows_stand_in_their_own_group_and_use_known_words() {
        for (group, acts) in acts::GROUPS {
            for act in *acts {
                assert_eq!(act.group, *group, "{}", act.name);
                let known = probity_abi::kind::WORDS.iter().any(|(_, word)| *word == act.kind);
                assert!(known || !act.judged, "{}: kind {:?}", act.name, act.kind);
                assert!(!act.object.is_empty() && !act.does.is_empty(), "{}", act.name);
                let words = ["read", "write", "create", "delete", "metadata", "map"];
                assert!(act.access.iter().all(|word| words.contains(word)), "{}", act.name);
                for need in act.needs {
                    assert!(
                        NEEDS.contains(need) || need.starts_with("kernel>="),
                        "{}: {need}",
                        act.name
                    );
                }
                assert!(act.takes.iter().all(|word| TAKES.contains(word)), "{}", act.name);
                assert_eq!(act.service.is_some(), act.takes.contains(&"port"), "{}", act.name);
            }
        }
    }

    #[test]
    fn both_forms_differ() {
        for act in all() {
            let varies = ["${FORM}", "${PORT}", "${PID}", "${CGROUP}"]
                .iter()
                .any(|variable| act.object.contains(variable));
            let differ = varies || act.undeclared_set.is_some();
            assert_eq!(differ, act.judged, "{}: the same act in both forms, or not", act.name);
            assert_ne!(act.undeclared_set, Some(act.set), "{}", act.name);
        }
    }

    #[test]
    fn every_set_is_toml_with_known_sections() {
        let sections = ["version", "name", "mode", "file", "exec", "net", "unix", "kernel"];
        for act in all() {
            for form in Form::BOTH {
                let set = act.declared_set(form).replace("${PORT}", "1");
                let set: toml::Table = toml::from_str(&set).unwrap_or_else(|error| panic!("{}: {error}", act.name));
                for key in set.keys() {
                    assert!(sections.contains(&key.as_str()), "{}: section {key}", act.name);
                }
                for rule in set["file"].as_array().unwrap() {
                    assert!(rule.get("paths").is_some(), "{}: a file rule without paths", act.name);
                }
            }
        }
    }
}
