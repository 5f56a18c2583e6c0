//! `probity declare explain FILE... TARGET`: which rule decides, and why.

use super::Files;
use super::args::{DeclareFormat, ExplainArgs};
use crate::output;
use anyhow::{Result, bail};
use probity_engine::name::printable;
use probity_signatures::declared::{
    Access, Decision, Declared, Evidence, Family, KernelAct, Mode, Pattern, Proto, RuleRef, Section,
};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

/// Explains; returns the exit code.
pub(crate) fn run(args: &ExplainArgs) -> Result<u8> {
    let Some((target, paths)) = args.words.split_last() else {
        bail!("nothing is asked about");
    };
    let target = Target::parse(target.as_os_str().as_bytes())?;
    if !args.access.is_empty() && !matches!(target, Target::File(_)) {
        bail!("--access is about an absolute path");
    }
    let Some((files, set)) = super::load(paths, &args.vars.values())? else {
        return Ok(crate::USAGE);
    };
    let answers = answers(&set, &target, args);
    let text = match args.format {
        DeclareFormat::Json => {
            let answers: Vec<Value> = answers.iter().map(|answer| answer.json(&files)).collect();
            let target = args.words.last().map(|t| printable(t.as_os_str().as_bytes()));
            let document = json!({ "schema": "probity.declare/1", "target": target, "answers": answers });
            serde_json::to_string_pretty(&document)? + "\n"
        }
        DeclareFormat::Text => answers.iter().map(|answer| answer.text(&files)).collect(),
    };
    output::print(text.as_bytes())?;
    Ok(0)
}

/// What is asked about.
enum Target {
    File(Vec<u8>),
    Unix(Vec<u8>),
    Peer(Peer, u16),
    Listen(IpAddr, u16),
    Family(Family),
    Kernel(KernelAct),
}

/// The other side of a connection.
enum Peer {
    Address(IpAddr),
    Name(String),
}

impl Target {
    fn parse(raw: &[u8]) -> Result<Self> {
        if raw.starts_with(b"/") {
            if raw
                .split(|b| *b == b'/')
                .skip(1)
                .any(|part| matches!(part, b"" | b"." | b".."))
                && raw != b"/"
            {
                bail!(
                    "{}: give the path as the kernel resolves it (realpath prints it)",
                    printable(raw)
                );
            }
            return Ok(Self::File(raw.to_owned()));
        }
        if let Some(name) = raw.strip_prefix(b"unix:") {
            if !name.starts_with(b"/") && !name.starts_with(b"@") {
                bail!("a unix socket is unix:/path or unix:@name");
            }
            return Ok(Self::Unix(name.to_owned()));
        }
        let text = printable(raw);
        if let Some(rest) = text.strip_prefix("listen:") {
            let Ok(address) = rest.parse::<SocketAddr>() else {
                bail!("{rest}: write listen:127.0.0.1:80 or listen:[::1]:80");
            };
            return Ok(Self::Listen(address.ip(), address.port()));
        }
        if let Some(rest) = text.strip_prefix("family:") {
            let all: Vec<&str> = Family::ALL.iter().map(|f| f.as_str()).collect();
            let family = Family::parse(rest);
            return family
                .map(Self::Family)
                .ok_or_else(|| anyhow::anyhow!("{rest}: use {}", all.join(", ")));
        }
        if let Some(rest) = text.strip_prefix("kernel:") {
            let all: Vec<&str> = KernelAct::ALL.iter().map(|a| a.as_str()).collect();
            let act = KernelAct::parse(rest);
            return act
                .map(Self::Kernel)
                .ok_or_else(|| anyhow::anyhow!("{rest}: use {}", all.join(", ")));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Peer(Peer::Address(address.ip()), address.port()));
        }
        if let Some((host, port)) = text.rsplit_once(':')
            && let Ok(port) = port.parse()
            && !host.is_empty()
            && !host.contains([':', '/'])
        {
            return Ok(Self::Peer(Peer::Name(host.to_owned()), port));
        }
        bail!("{text}: write an absolute path, 10.0.0.1:443, [::1]:443, api.example.com:443, unix:/path or unix:@name");
    }
}

/// One decision, for one aspect of what is asked about.
struct Answer {
    aspect: String,
    decision: Decision,
    mode: Mode,
    /// The rules that decide, each with the pattern or name that matched, as written.
    because: Vec<(RuleRef, Option<String>)>,
}

fn answers(set: &Declared, target: &Target, args: &ExplainArgs) -> Vec<Answer> {
    let answer = |aspect: &str, section: Section, decision: Decision, written: &dyn Fn(&RuleRef) -> Option<String>| {
        let rules: Vec<RuleRef> = match &decision {
            Decision::Declared(rules) => rules.clone(),
            Decision::Denied(at) => vec![at.clone()],
            Decision::Undeclared { .. } => Vec::new(),
        };
        Answer {
            aspect: aspect.to_owned(),
            mode: set.mode_of(section, &decision),
            because: rules.into_iter().map(|at| (at.clone(), written(&at))).collect(),
            decision,
        }
    };
    let original = |patterns: &mut dyn Iterator<Item = &Pattern>| patterns.next().map(|p| p.original().to_owned());
    match target {
        Target::File(path) => {
            let all: Vec<Access> = match args.access.as_slice() {
                [] => Access::ALL.singles().collect(),
                asked => asked.to_vec(),
            };
            let each = all.into_iter().map(|access| {
                let section = if access == Access::EXEC {
                    Section::Exec
                } else {
                    Section::File
                };
                let written = |at: &RuleRef| match section {
                    Section::Exec => {
                        let rule = set.execs.iter().find(|r| r.at == *at)?;
                        original(&mut rule.deny.iter().chain(&rule.paths).filter(|p| p.matches(path)))
                    }
                    _ => {
                        let rule = set.files.iter().find(|r| r.at == *at)?;
                        original(&mut rule.paths.iter().filter(|p| p.grants(path).contains(access)))
                    }
                };
                answer(&access.to_string(), section, set.decide_file(path, access), &written)
            });
            each.collect()
        }
        Target::Unix(name) => {
            let written = |at: &RuleRef| {
                let rule = set.unixes.iter().find(|r| r.at == *at)?;
                original(&mut rule.deny.iter().chain(&rule.paths).filter(|p| p.matches(name)))
            };
            vec![answer("connect", Section::Unix, set.decide_unix(name), &written)]
        }
        Target::Peer(Peer::Address(address), port) => {
            let written = |at: &RuleRef| {
                let rule = set.nets.iter().find(|r| r.at == *at)?;
                rule.cidr.iter().find(|c| c.contains(*address)).map(ToString::to_string)
            };
            let decision = set.decide_net(args.proto, *address, *port, None, Evidence::IpOnly);
            vec![answer(&args.proto.to_string(), Section::Net, decision, &written)]
        }
        Target::Peer(Peer::Name(host), port) => {
            let written = |at: &RuleRef| {
                let rule = set.nets.iter().find(|r| r.at == *at)?;
                rule.hosts.iter().find(|h| h.matches(host)).map(ToString::to_string)
            };
            let named = [Evidence::Sni, Evidence::Dns, Evidence::Proxy];
            let named = named
                .iter()
                .filter(|e| args.proto == Proto::Tcp || **e == Evidence::Dns);
            named
                .map(|evidence| {
                    let decision = set.decide_net(args.proto, None, *port, Some(host), *evidence);
                    answer(
                        &format!("{} known by {evidence}", args.proto),
                        Section::Net,
                        decision,
                        &written,
                    )
                })
                .collect()
        }
        Target::Listen(address, port) => {
            let decision = set.decide_listen(*address, *port);
            vec![answer("listen", Section::Net, decision, &|_| None)]
        }
        Target::Family(family) => vec![answer("socket", Section::Net, set.decide_family(*family), &|_| None)],
        Target::Kernel(act) => {
            let aspects: &[(&str, bool)] = match act {
                KernelAct::Ptrace => &[("inside the tree", true), ("outside the tree", false)],
                _ => &[("act", true)],
            };
            let each = aspects.iter().map(|(aspect, inside)| Answer {
                mode: set.mode_of_kernel(*act),
                ..answer(aspect, Section::Kernel, set.decide_kernel(*act, *inside), &|_| None)
            });
            each.collect()
        }
    }
}

impl Answer {
    fn verdict(&self) -> &'static str {
        match self.decision {
            Decision::Declared(_) => "declared",
            Decision::Denied(_) => "denied",
            Decision::Undeclared { .. } => "undeclared",
        }
    }

    fn text(&self, files: &Files) -> String {
        let mut text = format!("{:<20}  {:<10}", self.aspect, self.verdict());
        match (&self.decision, self.because.is_empty()) {
            (Decision::Undeclared { .. }, _) => {
                let _ = write!(text, "  no rule allows it; mode {}", self.mode);
            }
            (Decision::Denied(_), _) => {
                let _ = write!(text, "  mode {}", self.mode);
            }
            (Decision::Declared(_), true) => text.push_str("  by default"),
            (Decision::Declared(_), false) => {}
        }
        text.push('\n');
        for (at, written) in &self.because {
            let (line, quoted) = quoted(files, at, written.as_deref());
            let _ = writeln!(text, "    {at}");
            let _ = writeln!(text, "    {line:>5} | {}", printable(quoted.as_bytes()));
        }
        text
    }

    fn json(&self, files: &Files) -> Value {
        let rules: Vec<Value> = self
            .because
            .iter()
            .map(|(at, written)| {
                let (line, quoted) = quoted(files, at, written.as_deref());
                json!({ "rule": at.to_string(), "pattern": written, "line": line, "quoted": quoted })
            })
            .collect();
        let mode = (!self.decision.is_declared()).then_some(self.mode);
        json!({ "about": self.aspect, "decision": self.verdict(), "mode": mode, "rules": rules })
    }
}

/// The line that says it: the first behind the rule's header that holds the text, else the header.
fn quoted<'f>(files: &'f Files, at: &RuleRef, written: Option<&str>) -> (u32, &'f str) {
    let header = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
    let mut rule = (1..).zip(files.lines(&at.file)).skip(header);
    let first = rule.next().unwrap_or((at.line, ""));
    let inside = rule.take_while(|(_, line)| !line.trim_start().starts_with('['));
    let holds = |line: &str| written.is_some_and(|text| line.contains(text));
    inside
        .filter(|(_, line)| holds(line))
        .map(|(n, line)| (n, line.trim()))
        .next()
        .unwrap_or((first.0, first.1.trim()))
}
