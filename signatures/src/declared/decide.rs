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

    /// Connecting or sending to, or accepting from, an address. `host` is the name behind it, known by `evidence`. A
    /// connection by name through a proxy has no address of ours: then only names count.
    pub fn decide_net(
        &self,
        proto: Proto,
        address: impl Into<Option<IpAddr>>,
        port: u16,
        host: Option<&str>,
        evidence: Evidence,
    ) -> Decision {
        if (proto, port) == (Proto::Udp, 443)
            && let Some(at) = self.denies(NetDeny::Quic)
        {
            return Decision::Denied(at.clone());
        }
        let address = address.into();
        let allowed = self.nets.iter().filter(|rule| {
            let named = host.is_some_and(|host| {
                evidence >= rule.require_name && rule.hosts.iter().any(|pattern| pattern.matches(host))
            });
            let addressed = address.is_some_and(|a| rule.cidr.iter().any(|network| network.contains(a)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::load;
    use std::collections::BTreeMap;

    fn set(text: &str) -> Declared {
        let text = format!("version = 1\n{text}");
        load("x", &text, &|_| None, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn line(decision: &Decision) -> String {
        match decision {
            Decision::Declared(rules) => {
                let lines: Vec<String> = rules.iter().map(|at| at.line.to_string()).collect();
                format!("declared {}", lines.join(" "))
            }
            Decision::Denied(at) => format!("denied {}", at.line),
            Decision::Undeclared { missing } => format!("undeclared {missing}"),
        }
    }

    #[test]
    fn each_access_needs_a_rule_and_deny_beats_them_all() {
        let set = set(
            "[[file]]\naccess = ['read']\npaths = ['/a/**']\n[[file]]\naccess = ['write']\npaths = ['/a/w/**']\n\
             [[file]]\ndeny = ['write']\npaths = ['/**/secret']\nmode = 'block'\n[[exec]]\npaths = ['/a/run']",
        );
        for (path, access, expected) in [
            ("/a/f", Access::READ, "declared 2"),
            ("/a/w/f", Access::READ | Access::WRITE, "declared 2 5"),
            ("/a/f", Access::READ | Access::WRITE, "undeclared write"),
            ("/a", Access::READ, "declared 2"),
            ("/a", Access::CREATE, "undeclared create"),
            ("/a/w/secret", Access::READ, "declared 2"),
            ("/a/w/secret", Access::READ | Access::WRITE, "denied 8"),
            ("/secret", Access::WRITE | Access::DELETE, "denied 8"),
            ("/a/run", Access::READ | Access::EXEC, "declared 2 12"),
            ("/a/f", Access::EXEC, "undeclared exec"),
            ("/a/../b", Access::READ, "undeclared read"),
            ("relative", Access::READ, "undeclared read"),
        ] {
            let decision = set.decide_file(path.as_bytes(), access);
            assert_eq!(line(&decision), expected, "{path} {access}");
        }
        let denied = set.decide_file(b"/secret", Access::WRITE);
        assert_eq!(set.mode_of(Section::File, &denied), Mode::Block);
        let undeclared = set.decide_file(b"/b", Access::WRITE);
        assert_eq!(set.mode_of(Section::File, &undeclared), Mode::Report);
    }

    #[test]
    fn a_peer_needs_protocol_port_and_a_name_known_well_enough() {
        let set = set(
            "[[net]]\nhosts = ['*.x.example', 'y.example']\nports = [443, '8000-8001']\n\
             [[net]]\ncidr = ['10.0.0.0/8', '::1/128']\nports = ['*']\nproto = ['tcp', 'udp']\n\
             [[net]]\nhosts = ['s.example']\nports = [443]\nrequire_name = 'sni'\n[net.policy]\ndeny = ['quic']",
        );
        let out: IpAddr = "192.0.2.1".parse().unwrap();
        let inside: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        for (proto, address, port, host, evidence, expected) in [
            (Proto::Tcp, out, 443, Some("a.x.example"), Evidence::Dns, "declared 2"),
            (
                Proto::Tcp,
                out,
                443,
                Some("A.B.X.Example."),
                Evidence::Proxy,
                "declared 2",
            ),
            (
                Proto::Tcp,
                out,
                443,
                Some("x.example"),
                Evidence::Dns,
                "undeclared nothing",
            ),
            (
                Proto::Tcp,
                out,
                443,
                Some("ax.example"),
                Evidence::Dns,
                "undeclared nothing",
            ),
            (
                Proto::Tcp,
                out,
                443,
                Some("y.example"),
                Evidence::Sni,
                "undeclared nothing",
            ),
            (Proto::Tcp, out, 443, Some("s.example"), Evidence::Sni, "declared 9"),
            (Proto::Tcp, out, 8001, Some("y.example"), Evidence::Dns, "declared 2"),
            (
                Proto::Tcp,
                out,
                8002,
                Some("y.example"),
                Evidence::Dns,
                "undeclared nothing",
            ),
            (
                Proto::Udp,
                out,
                8001,
                Some("y.example"),
                Evidence::Dns,
                "undeclared nothing",
            ),
            (Proto::Tcp, out, 443, None, Evidence::IpOnly, "undeclared nothing"),
            (Proto::Udp, inside, 53, None, Evidence::IpOnly, "declared 5"),
            (Proto::Udp, inside, 443, None, Evidence::IpOnly, "denied 14"),
        ] {
            let decision = set.decide_net(proto, address, port, host, evidence);
            assert_eq!(
                line(&decision),
                expected,
                "{proto} {address} {port} {host:?} {evidence}"
            );
        }
    }

    #[test]
    fn a_peer_without_ports_is_allowed_nothing() {
        let set = set("[[net]]\ncidr = ['0.0.0.0/0']");
        let decision = set.decide_net(
            Proto::Tcp,
            "1.2.3.4".parse::<IpAddr>().unwrap(),
            443,
            None,
            Evidence::IpOnly,
        );
        assert_eq!(line(&decision), "undeclared nothing");
    }

    #[test]
    fn sockets_are_held_by_family_place_and_name() {
        let set = set(
            "[net.policy]\nfamilies = ['inet', 'netlink', 'vsock']\ndeny = ['vsock']\n\
             listen = ['127.0.0.1:*', '[::1]:80', '10.0.0.0/8:8000-8001']\n\
             [[unix]]\npaths = ['/run/**', '@db-*']\ndeny = ['/run/docker.sock']",
        );
        for (family, expected) in [
            (Family::Inet, "declared 3"),
            (Family::Inet6, "undeclared nothing"),
            (Family::NetlinkRoute, "declared 3"),
            (Family::Vsock, "denied 4"),
        ] {
            assert_eq!(line(&set.decide_family(family)), expected, "{family}");
        }
        for (address, port, expected) in [
            ("127.0.0.1", 0, "declared 5"),
            ("127.0.0.2", 80, "undeclared nothing"),
            ("::1", 80, "declared 5"),
            ("::1", 81, "undeclared nothing"),
            ("10.9.9.9", 8001, "declared 5"),
            ("0.0.0.0", 80, "undeclared nothing"),
        ] {
            assert_eq!(
                line(&set.decide_listen(address.parse().unwrap(), port)),
                expected,
                "{address}:{port}"
            );
        }
        for (name, expected) in [
            ("/run/x/y", "declared 6"),
            ("/run", "undeclared nothing"),
            ("/run/docker.sock", "denied 6"),
            ("@db-1", "declared 6"),
            ("@x", "undeclared nothing"),
        ] {
            assert_eq!(line(&set.decide_unix(name.as_bytes())), expected, "{name}");
        }
        let bare = super::tests::set("");
        assert!(bare.decide_family(Family::Unix).is_declared());
        assert!(!bare.decide_family(Family::NetlinkRoute).is_declared());
    }

    #[test]
    fn kernel_acts_and_odd_ways_to_execute() {
        let set = set(
            "[kernel]\nptrace = 'tree-only'\nbpf = 'deny'\nperf = 'report'\nmount = 'allow'\nmode = 'block'\n\
             [[exec]]\npaths = ['/x']\nmemfd = 'deny'\nldso = 'allow'\n[[exec]]\npaths = ['/y']\nldso = 'report'",
        );
        for (act, inside, expected, mode) in [
            (KernelAct::Ptrace, true, "declared 3", Mode::Block),
            (KernelAct::Ptrace, false, "denied 3", Mode::Block),
            (KernelAct::Bpf, true, "denied 4", Mode::Block),
            (KernelAct::Perf, true, "undeclared nothing", Mode::Report),
            (KernelAct::Mount, false, "declared 6", Mode::Block),
            (KernelAct::Userns, true, "undeclared nothing", Mode::Block),
        ] {
            assert_eq!(line(&set.decide_kernel(act, inside)), expected, "{act}");
            assert_eq!(set.mode_of_kernel(act), mode, "{act}");
        }
        assert_eq!(line(&set.decide_memfd()), "denied 8");
        assert_eq!(line(&set.decide_ldso()), "undeclared exec");
    }
}
