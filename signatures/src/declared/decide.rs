//! What an act means under the rules: the reference that the kernel's tables are tested against.
//!
//! Deny beats allow, and nothing is more specific than anything else. Each access needs a rule that allows it; they may
//! be different rules.

use super::access::Access;
use super::rule::{Evidence, ExecAnswer, Family, KernelAct, KernelAnswer, Mode, NetDeny, Proto, RuleRef, Section};
use super::{Declared, ExecRule, Pattern};
use std::net::IpAddr;

/// What the rules say about an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Rules allow it: these, in the order of the files.
    Declared(Vec<RuleRef>),
    /// This rule denies it, the first that does.
    Denied(RuleRef),
    /// No rule allows it.
    Undeclared {
        /// The accesses that no rule gives; [`Access::NONE`] for acts that are not about files.
        missing: Access,
    },
}

impl Decision {
    fn of(allowed: Vec<RuleRef>) -> Self {
        if allowed.is_empty() {
            Self::Undeclared { missing: Access::NONE }
        } else {
            Self::Declared(allowed)
        }
    }

    /// Whether rules allow it.
    pub fn is_declared(&self) -> bool {
        matches!(self, Self::Declared(_))
    }
}

impl Declared {
    /// An access, or several at once, to the file at an absolute path of the subject's root. [`Access::EXEC`] asks the
    /// `[[exec]]` rules too.
    pub fn decide_file(&self, path: &[u8], access: Access) -> Decision {
        let mut given = Access::NONE;
        let mut by = Vec::new();
        let mut denied = None;
        for rule in &self.files {
            let about = about(&rule.paths, path) & access;
            if !(rule.deny & about).is_empty() {
                denied.get_or_insert_with(|| rule.at.clone());
            }
            let gives = rule.allow & about;
            if !gives.is_empty() {
                given |= gives;
                by.push(rule.at.clone());
            }
        }
        if let Some(denied) = denied {
            return Decision::Denied(denied);
        }
        if access.contains(Access::EXEC) {
            match self.decide_exec(path) {
                Decision::Declared(rules) => {
                    given |= Access::EXEC;
                    by.extend(rules);
                }
                Decision::Denied(at) => return Decision::Denied(at),
                Decision::Undeclared { .. } => {}
            }
        }
        if given.contains(access) {
            Decision::Declared(by)
        } else {
            Decision::Undeclared {
                missing: access - given,
            }
        }
    }

    /// Executing the program at an absolute path.
    pub fn decide_exec(&self, path: &[u8]) -> Decision {
        let denied = self.execs.iter().find(|rule| rule.deny.iter().any(|p| p.matches(path)));
        if let Some(rule) = denied {
            return Decision::Denied(rule.at.clone());
        }
        let allowed = self
            .execs
            .iter()
            .filter(|rule| rule.paths.iter().any(|p| p.matches(path)));
        match Decision::of(allowed.map(|rule| rule.at.clone()).collect()) {
            Decision::Undeclared { .. } => Decision::Undeclared { missing: Access::EXEC },
            decision => decision,
        }
    }

    /// Executing a file without a name.
    pub fn decide_memfd(&self) -> Decision {
        self.odd_exec(|rule| rule.memfd)
    }

    /// Executing a program through the dynamic loader. The program itself is asked about too.
    pub fn decide_ldso(&self) -> Decision {
        self.odd_exec(|rule| rule.ldso)
    }

    /// `report` says so whatever another rule allows.
    fn odd_exec(&self, answer: impl Fn(&ExecRule) -> Option<ExecAnswer>) -> Decision {
        let mut allowed = Vec::new();
        let mut reported = false;
        for rule in &self.execs {
            match answer(rule) {
                Some(ExecAnswer::Deny) => return Decision::Denied(rule.at.clone()),
                Some(ExecAnswer::Report) => reported = true,
                Some(ExecAnswer::Allow) => allowed.push(rule.at.clone()),
                None => {}
            }
        }
        if reported {
            allowed.clear();
        }
        match Decision::of(allowed) {
            Decision::Undeclared { .. } => Decision::Undeclared { missing: Access::EXEC },
            decision => decision,
        }
    }

    /// Connecting or sending to, or accepting from, an address. `host` is the name behind it, known by `evidence`.
    pub fn decide_net(
        &self,
        proto: Proto,
        address: IpAddr,
        port: u16,
        host: Option<&str>,
        evidence: Evidence,
    ) -> Decision {
        if (proto, port) == (Proto::Udp, 443)
            && let Some(at) = self.denies(NetDeny::Quic)
        {
            return Decision::Denied(at.clone());
        }
        let allowed = self.nets.iter().filter(|rule| {
            let named = host.is_some_and(|host| {
                evidence >= rule.require_name && rule.hosts.iter().any(|pattern| pattern.matches(host))
            });
            let addressed = rule.cidr.iter().any(|network| network.contains(address));
            rule.proto.contains(&proto) && rule.ports.iter().any(|ports| ports.contains(port)) && (named || addressed)
        });
        Decision::of(allowed.map(|rule| rule.at.clone()).collect())
    }

    /// Binding to, or listening on, an address.
    pub fn decide_listen(&self, address: IpAddr, port: u16) -> Decision {
        let listen = self.net_policy.listen.iter();
        let allowed = listen.filter(|(listen, _)| listen.matches(address, port));
        Decision::of(allowed.map(|(_, at)| at.clone()).collect())
    }

    /// Making a socket of a family. Without `families` those that other rules hold are allowed: `inet`, `inet6` and
    /// `unix`, whose sockets reach nothing by themselves.
    pub fn decide_family(&self, family: Family) -> Decision {
        let denied = match family {
            Family::Packet => self.denies(NetDeny::Packet),
            Family::Vsock => self.denies(NetDeny::Vsock),
            _ => None,
        };
        if let Some(at) = denied {
            return Decision::Denied(at.clone());
        }
        match &self.net_policy.families {
            Some(families) => {
                let allowed = families.iter().filter(|(declared, _)| declared.covers(family));
                Decision::of(allowed.map(|(_, at)| at.clone()).collect())
            }
            None if matches!(family, Family::Inet | Family::Inet6 | Family::Unix) => Decision::Declared(Vec::new()),
            None => Decision::Undeclared { missing: Access::NONE },
        }
    }

    /// The rule that closes a way to the network.
    pub fn denies(&self, way: NetDeny) -> Option<&RuleRef> {
        self.net_policy
            .deny
            .iter()
            .find(|(deny, _)| *deny == way)
            .map(|(_, at)| at)
    }

    /// Connecting or sending to a unix socket: an absolute path, or `@name`.
    pub fn decide_unix(&self, name: &[u8]) -> Decision {
        let denied = self
            .unixes
            .iter()
            .find(|rule| rule.deny.iter().any(|p| p.matches(name)));
        if let Some(rule) = denied {
            return Decision::Denied(rule.at.clone());
        }
        let allowed = self
            .unixes
            .iter()
            .filter(|rule| rule.paths.iter().any(|p| p.matches(name)));
        Decision::of(allowed.map(|rule| rule.at.clone()).collect())
    }

    /// An act on the kernel. `inside` says whether its target, if it has one, belongs to the tree. What the set answers
    /// with `report` is undeclared, and [`Self::mode_of_kernel`] says that it is never stopped.
    pub fn decide_kernel(&self, act: KernelAct, inside: bool) -> Decision {
        match self.kernel.get(act) {
            Some((KernelAnswer::Allow, at)) => Decision::Declared(vec![at.clone()]),
            Some((KernelAnswer::TreeOnly, at)) if inside => Decision::Declared(vec![at.clone()]),
            Some((KernelAnswer::TreeOnly | KernelAnswer::Deny, at)) => Decision::Denied(at.clone()),
            Some((KernelAnswer::Report, _)) | None => Decision::Undeclared { missing: Access::NONE },
        }
    }

    /// Whether an act on the kernel that is denied or undeclared is stopped.
    pub fn mode_of_kernel(&self, act: KernelAct) -> Mode {
        match self.kernel.get(act) {
            Some((KernelAnswer::Report, _)) => Mode::Report,
            _ => self.kernel.mode.unwrap_or(self.mode.of(Section::Kernel)),
        }
    }

    /// Whether an act of a section that was decided so is stopped: for a denial the rule's own mode, else that of the
    /// section. `[kernel]` has [`Self::mode_of_kernel`].
    pub fn mode_of(&self, section: Section, decision: &Decision) -> Mode {
        let own = match (decision, section) {
            (Decision::Denied(at), Section::File) => self.files.iter().find(|r| r.at == *at).and_then(|r| r.mode),
            (Decision::Denied(at), Section::Exec) => self.execs.iter().find(|r| r.at == *at).and_then(|r| r.mode),
            (Decision::Denied(at), Section::Unix) => self.unixes.iter().find(|r| r.at == *at).and_then(|r| r.mode),
            (Decision::Denied(_), Section::Net) => self.net_policy.mode,
            (_, Section::Kernel) => self.kernel.mode,
            _ => None,
        };
        own.unwrap_or(self.mode.of(section))
    }
}

/// Which accesses to `path` the patterns are about.
fn about(patterns: &[Pattern], path: &[u8]) -> Access {
    patterns
        .iter()
        .fold(Access::NONE, |access, pattern| access | pattern.grants(path))
}
