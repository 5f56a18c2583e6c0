//! From the declared set as people write it to what the compiler takes: every rule gets a number.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use probity_abi::access::{EXEC, UNIX};
use probity_abi::config::{
    ALLOW, Config, DECLARED_SET, DENY, FAMILIES_LIMITED, HARDLINKS_ALLOWED, LDSO_DENIED, MEMFD_ALLOWED, MEMFD_DENIED,
    REPORT, TREE_ONLY, kernel_act,
};
use probity_signatures::declared::{
    Decision, Declared, Evidence, ExecAnswer, Hardlinks, KernelAct, KernelAnswer, NetDeny, Pattern, Proto, RuleRef,
};

use crate::compile::files::{FileRule, Files, compile};
use crate::compile::net::{ListenRule, NetCompiler, NetRule, NetTables, PortSet};
use crate::compile::sockets::{AbstractRule, FamilyRule, abstracts, families};
use crate::compile::{CompileError, Limits};
use crate::pin::{PinError, PinSet, Root};
use probity_abi::net::{AbstractKey, FamilyKey};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Why a declared set cannot be held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// The rules do not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The subject's root cannot be used.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// More rules than numbers.
    #[error("the declared set has {0} rules, and at most 4095 can be held")]
    TooMany(usize),
}

/// A declared set as tables.
pub struct Lowered {
    /// What each rule is called, from number 1 on.
    pub names: Vec<String>,
    /// The automaton and its bases.
    pub files: Files,
    /// The held objects.
    pub pins: PinSet,
    /// Addresses.
    pub net: NetTables,
    /// Families.
    pub families: Vec<(FamilyKey, u16)>,
    /// Abstract unix names.
    pub abstracts: Vec<(AbstractKey, u32)>,
    /// What the set asks for and this watcher cannot hold, each with its place.
    pub unsupported: Vec<String>,
    numbers: HashMap<RuleRef, u16>,
    pub(super) set: Declared,
}

/// Numbers the rules in the order of the file's sections.
#[derive(Default)]
struct Numbers {
    names: Vec<String>,
    numbers: HashMap<RuleRef, u16>,
}

impl Numbers {
    fn of(&mut self, at: &RuleRef) -> u16 {
        if let Some(number) = self.numbers.get(at) {
            return *number;
        }
        self.names.push(at.to_string());
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.numbers.insert(at.clone(), number);
        number
    }
}

/// Compiles a declared set for a subject whose root directory is `root`.
///
/// # Errors
///
/// [`LowerError`].
pub fn lower(set: &Declared, root: OwnedFd) -> Result<Lowered, LowerError> {
    let mut numbers = Numbers::default();
    let mut unsupported = Vec::new();
    let rules = file_rules(set, &mut numbers);
    let net_rules = net_rules(set, &mut numbers);
    let listens = listen_rules(set, &mut numbers);
    let family_rules = family_rules(set, &mut numbers);
    let abstract_rules = abstract_rules(set, &mut numbers, &mut unsupported);
    for (_, _, at) in &set.kernel.answers {
        numbers.of(at);
    }
    if numbers.names.len() > 4095 {
        return Err(LowerError::TooMany(numbers.names.len()));
    }
    let rooted = Root::new(root.try_clone().map_err(|error| {
        PinError::Root(rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::BADF))
    })?)?;
    let files = compile(&rooted, &rules, Limits::default())?;
    let pins = PinSet::resolve(root, &files)?;
    let net = NetCompiler::default().compile(&net_rules, &listens)?;
    Ok(Lowered {
        files,
        pins,
        net,
        families: families(&family_rules)?,
        abstracts: abstracts(&abstract_rules)?,
        unsupported,
        names: numbers.names,
        numbers: numbers.numbers,
        set: set.clone(),
    })
}

impl Lowered {
    /// Writes the set's own settings into the run's constants.
    pub fn configure(&self, config: &mut Config) {
        config.flags |= DECLARED_SET;
        if self.set.hardlinks == Hardlinks::Allow {
            config.flags |= HARDLINKS_ALLOWED;
        }
        if self.set.net_policy.families.is_some() {
            config.flags |= FAMILIES_LIMITED;
        }
        let answers = |pick: fn(&probity_signatures::declared::ExecRule) -> Option<ExecAnswer>| -> Vec<ExecAnswer> {
            self.set.execs.iter().filter_map(pick).collect()
        };
        let memfd = answers(|rule| rule.memfd);
        if memfd.contains(&ExecAnswer::Deny) {
            config.flags |= MEMFD_DENIED;
        } else if memfd.contains(&ExecAnswer::Allow) {
            config.flags |= MEMFD_ALLOWED;
        }
        if answers(|rule| rule.ldso).contains(&ExecAnswer::Deny) {
            config.flags |= LDSO_DENIED;
        }
        config.kernel = [REPORT; 16];
        for (act, answer, at) in &self.set.kernel.answers {
            let slot = slot(*act);
            config.kernel[slot] = match answer {
                KernelAnswer::Allow => ALLOW,
                KernelAnswer::Report => REPORT,
                KernelAnswer::TreeOnly => TREE_ONLY,
                KernelAnswer::Deny => DENY,
            };
            config.kernel_rule[slot] = self.numbers.get(at).copied().unwrap_or(0);
        }
        // A new namespace of another kind takes a user namespace or the privilege to make one: one answer for both.
        config.kernel[kernel_act::NAMESPACE] = config.kernel[kernel_act::USERNS];
        config.kernel_rule[kernel_act::NAMESPACE] = config.kernel_rule[kernel_act::USERNS];
        config.root_state = self.files.root;
        config.classes = self.files.automaton.class_count;
    }

    /// The rule that allows a connection to a named host, which only names can tell.
    #[must_use]
    pub fn decide_host(&self, proto: u16, address: std::net::IpAddr, port: u16, host: Option<&str>) -> Option<u16> {
        let proto = match u8::try_from(proto) {
            Ok(TCP) => Proto::Tcp,
            Ok(UDP) => Proto::Udp,
            _ => return None,
        };
        let evidence = if host.is_some() {
            Evidence::Dns
        } else {
            Evidence::IpOnly
        };
        match self.set.decide_net(proto, address, port, host, evidence) {
            Decision::Declared(rules) => rules.first().and_then(|at| self.numbers.get(at)).copied(),
            _ => None,
        }
    }
}

fn slot(act: KernelAct) -> usize {
    match act {
        KernelAct::IoUring => kernel_act::IO_URING,
        KernelAct::Userns => kernel_act::USERNS,
        KernelAct::Mount => kernel_act::MOUNT,
        KernelAct::Ptrace => kernel_act::PTRACE,
        KernelAct::Bpf => kernel_act::BPF,
        KernelAct::Perf => kernel_act::PERF,
        KernelAct::Userfaultfd => kernel_act::USERFAULTFD,
        KernelAct::Int80 => kernel_act::INT80,
    }
}

fn file_rules(set: &Declared, numbers: &mut Numbers) -> Vec<FileRule> {
    let mut rules = Vec::new();
    let mut add = |rule: u16, allow: u8, deny: u8, patterns: &[Pattern]| {
        for pattern in patterns.iter().filter(|pattern| pattern.as_str().starts_with('/')) {
            rules.push(FileRule {
                rule,
                allow,
                deny,
                pattern: pattern.as_str().as_bytes().to_vec(),
            });
        }
    };
    for rule in &set.files {
        add(numbers.of(&rule.at), rule.allow.bits(), rule.deny.bits(), &rule.paths);
    }
    if let Some(subject) = &set.subject
        && let Some(exec) = &subject.exec
        && let Ok(patterns) = Pattern::parse(exec)
    {
        add(numbers.of(&subject.at), EXEC, 0, &patterns);
    }
    for rule in &set.execs {
        let number = numbers.of(&rule.at);
        add(number, EXEC, 0, &rule.paths);
        add(number, 0, EXEC, &rule.deny);
    }
    for rule in &set.unixes {
        let number = numbers.of(&rule.at);
        add(number, UNIX, 0, &rule.paths);
        add(number, 0, UNIX, &rule.deny);
    }
    rules
}

fn protocols(protos: &[Proto]) -> Vec<u8> {
    protos
        .iter()
        .map(|proto| match proto {
            Proto::Tcp => TCP,
            Proto::Udp => UDP,
        })
        .collect()
}

fn net_rules(set: &Declared, numbers: &mut Numbers) -> Vec<NetRule> {
    let mut rules = Vec::new();
    for rule in &set.nets {
        let number = numbers.of(&rule.at);
        if rule.cidr.is_empty() {
            continue;
        }
        rules.push(NetRule {
            rule: number,
            cidrs: rule.cidr.iter().map(|cidr| (cidr.address(), cidr.length())).collect(),
            ports: PortSet::Ranges(rule.ports.iter().map(|range| range.first..=range.last).collect()),
            protos: protocols(&rule.proto),
            deny: false,
        });
    }
    if let Some((_, at)) = set.net_policy.deny.iter().find(|(way, _)| *way == NetDeny::Quic) {
        rules.push(NetRule {
            rule: numbers.of(at),
            cidrs: vec![
                (std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
                (std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
            ],
            ports: PortSet::Ranges(vec![443..=443]),
            protos: vec![UDP],
            deny: true,
        });
    }
    rules
}

fn listen_rules(set: &Declared, numbers: &mut Numbers) -> Vec<ListenRule> {
    let rules = set.net_policy.listen.iter().map(|(listen, at)| ListenRule {
        rule: numbers.of(at),
        network: listen.network.map(|network| (network.address(), network.length())),
        ports: PortSet::Ranges(vec![listen.ports.first..=listen.ports.last]),
        protos: vec![TCP, UDP],
        deny: false,
    });
    rules.collect()
}

fn family_rules(set: &Declared, numbers: &mut Numbers) -> Vec<FamilyRule> {
    const INET: u16 = 2;
    const INET6: u16 = 10;
    const RAW: u16 = 3;
    const MPTCP: u32 = 262;
    let mut rules = Vec::new();
    for (family, at) in set.net_policy.families.iter().flatten() {
        let rule = numbers.of(at);
        let plain = FamilyRule {
            rule,
            family: family.number(),
            sock_type: None,
            protocol: family.netlink_protocol(),
            deny: false,
        };
        rules.push(plain);
    }
    for (way, at) in &set.net_policy.deny {
        let rule = numbers.of(at);
        let deny = |family, sock_type, protocol| FamilyRule {
            rule,
            family,
            sock_type,
            protocol,
            deny: true,
        };
        match way {
            NetDeny::Mptcp => {
                rules.extend([INET, INET6].map(|family| deny(family, None, Some(MPTCP))));
            }
            NetDeny::Raw => rules.extend([INET, INET6].map(|family| deny(family, Some(RAW), None))),
            NetDeny::Packet => rules.push(deny(17, None, None)),
            NetDeny::Vsock => rules.push(deny(40, None, None)),
            NetDeny::TcpFastopen | NetDeny::Quic => {}
        }
    }
    rules
}

fn abstract_rules(set: &Declared, numbers: &mut Numbers, unsupported: &mut Vec<String>) -> Vec<AbstractRule> {
    let mut rules = Vec::new();
    for rule in &set.unixes {
        let number = numbers.of(&rule.at);
        for (patterns, deny) in [(&rule.paths, false), (&rule.deny, true)] {
            for pattern in patterns.iter().filter(|pattern| pattern.as_str().starts_with('@')) {
                match pattern.literal() {
                    Some(name) => rules.push(AbstractRule {
                        rule: number,
                        name: name.strip_prefix(b"@").unwrap_or(&name).to_vec(),
                        deny,
                    }),
                    None => unsupported.push(format!(
                        "{}: `{}`: abstract socket names are held literally, without wildcards",
                        rule.at,
                        pattern.as_str()
                    )),
                }
            }
        }
    }
    rules
}
