//! Several files held together: rules add up, settings take the strictest word.

use super::{Part, Sited};
use crate::declared::diagnostic::{Diagnostic, Level, Source};
use crate::declared::rule::{
    Embedded, ExecRule, FileRule, Hardlinks, KernelPolicy, Modes, NetPolicy, NetRule, Subject, UnixRule,
};
use crate::declared::{Declared, KernelAct};
use std::collections::BTreeMap;

/// The merged set, and its rules with the places that the lints quote.
pub(super) struct Merged {
    /// `None` when two subjects contradict each other.
    pub(super) declared: Option<Declared>,
    pub(super) files: Vec<Sited<FileRule>>,
    pub(super) execs: Vec<Sited<ExecRule>>,
    pub(super) nets: Vec<Sited<NetRule>>,
    pub(super) unixes: Vec<Sited<UnixRule>>,
}

pub(super) fn merge(texts: &[(&str, &str)], parts: Vec<Part>, found: &mut Vec<Diagnostic>) -> Merged {
    let mut modes = Modes::default();
    let mut names = Vec::new();
    let mut vars = BTreeMap::new();
    let mut subject: Option<Subject> = None;
    let mut same = true;
    let mut net_policy = NetPolicy::default();
    let mut kernel = KernelPolicy::default();
    let mut embedded: Option<Embedded> = None;
    let mut hardlinks: Option<Hardlinks> = None;
    let (mut files, mut execs, mut nets, mut unixes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    modes.default = parts.iter().filter_map(|p| p.default).max().unwrap_or(modes.default);
    modes.on_unsupported = parts
        .iter()
        .filter_map(|p| p.on_unsupported)
        .max()
        .unwrap_or(modes.on_unsupported);
    modes.on_event_loss = parts
        .iter()
        .filter_map(|p| p.on_event_loss)
        .max()
        .unwrap_or(modes.on_event_loss);
    modes.watcher_exit = parts
        .iter()
        .filter_map(|p| p.watcher_exit)
        .max()
        .unwrap_or(modes.watcher_exit);
    for (part, (file, text)) in parts.into_iter().zip(texts) {
        let stem = file.rsplit('/').next().unwrap_or(file);
        names.push(
            part.name
                .unwrap_or_else(|| stem.strip_suffix(".declared.toml").unwrap_or(stem).to_owned()),
        );
        vars.extend(part.vars);
        for (mine, theirs) in modes.sections.iter_mut().zip(part.sections) {
            *mine = (*mine).max(theirs);
        }
        hardlinks = hardlinks.max(part.hardlinks);
        match (&mut subject, part.subject) {
            (Some(first), Some((second, span))) => {
                let (a, b) = (&*first, &second);
                if (&a.exec, &a.sha256, &a.signers) != (&b.exec, &b.sha256, &b.signers) {
                    same = false;
                    let mut source = Source::new(file, text);
                    let title = format!("another subject than at {}", first.at);
                    source.error(
                        span,
                        title,
                        "files that are held together are about one subject: keep one [subject]",
                    );
                    found.append(&mut source.found);
                }
                first.on_mismatch = first.on_mismatch.max(second.on_mismatch);
            }
            (none, found) => *none = none.take().or(found.map(|(subject, _)| subject)),
        }
        files.extend(part.files);
        execs.extend(part.execs);
        nets.extend(part.nets);
        unixes.extend(part.unixes);
        policy(&mut net_policy, part.net_policy);
        answers(&mut kernel, part.kernel);
        if let Some(part) = part.embedded {
            embedded.get_or_insert_default().hosts.extend(part.hosts);
        }
    }
    let declared = Declared {
        name: names.join(" + "),
        subject,
        mode: modes,
        vars,
        files: files.iter().map(|s: &Sited<FileRule>| s.rule.clone()).collect(),
        execs: execs.iter().map(|s: &Sited<ExecRule>| s.rule.clone()).collect(),
        nets: nets.iter().map(|s: &Sited<NetRule>| s.rule.clone()).collect(),
        net_policy,
        unixes: unixes.iter().map(|s: &Sited<UnixRule>| s.rule.clone()).collect(),
        kernel,
        embedded,
        hardlinks: hardlinks.unwrap_or(Hardlinks::Report),
        warnings: found.iter().filter(|d| d.level == Level::Warning).cloned().collect(),
    };
    Merged {
        declared: same.then_some(declared),
        files,
        execs,
        nets,
        unixes,
    }
}

fn policy(all: &mut NetPolicy, part: NetPolicy) {
    all.at.extend(part.at);
    all.mode = all.mode.max(part.mode);
    if let Some(families) = part.families {
        all.families.get_or_insert_default().extend(families);
    }
    all.deny.extend(part.deny);
    all.listen.extend(part.listen);
}

/// Of two answers to one act the stricter stays, with its rule.
fn answers(all: &mut KernelPolicy, part: KernelPolicy) {
    all.mode = all.mode.max(part.mode);
    for (act, answer, at) in part.answers {
        match all.answers.iter_mut().find(|(a, ..)| *a == act) {
            Some((_, mine, _)) if *mine >= answer => {}
            Some((_, mine, place)) => {
                *mine = answer;
                *place = at;
            }
            None => all.answers.push((act, answer, at)),
        }
    }
    let order = |act: &KernelAct| KernelAct::ALL.iter().position(|a| a == act);
    all.answers.sort_by_key(|(act, ..)| order(act));
}
