//! New entries below what a person wrote: nothing that is there is changed, except that sections which may stand only
//! once get lines of their own.

use super::lesson::Existing;
use super::shape::Place;
use super::text::quoted;
use super::write::{self, About, Draft};
use std::fmt::Write as _;

/// The file's text with what is new.
pub(super) fn merge(
    existing: &Existing<'_>,
    draft: &Draft,
    place: &Place,
    about: &About,
    incomplete: &[String],
    warnings: &mut Vec<String>,
) -> String {
    let mut lines: Vec<String> = existing.text.lines().map(str::to_owned).collect();
    if draft.hardlinks {
        let at = lines
            .iter()
            .position(|line| key(line) == Some("version"))
            .map_or(0, |at| at + 1);
        match lines.iter().position(|line| key(line) == Some("hardlinks")) {
            Some(at) => warnings.push(format!(
                "line {} says hardlinks = \"report\", and files of several links whose names change were used",
                at + 1
            )),
            None => lines.insert(at, write::HARDLINKS.trim_end().to_owned()),
        }
    }
    if !draft.kernel.is_empty() {
        section(&mut lines, "[kernel]", &write::kernel(draft));
    }
    let mut policy = String::new();
    if !draft.families.is_empty() {
        let set = &existing.set.net_policy;
        if set.families.is_some() {
            let words: Vec<String> = draft.families.keys().map(|family| quoted(family.as_str())).collect();
            into_list(&mut lines, "families", &(words.join(", ") + ", "), warnings);
        } else {
            policy.push_str(&(write::families(draft) + "\n"));
        }
    }
    if !draft.listens.is_empty() {
        if existing.set.net_policy.listen.is_empty() {
            policy.push_str(&format!("listen = [\n{}]\n", write::listen_items(draft)));
        } else {
            let words: Vec<String> = draft.listens.keys().map(|address| quoted(address)).collect();
            into_list(&mut lines, "listen", &(words.join(", ") + ", "), warnings);
        }
    }
    let mut blocks = String::new();
    write::blocks(&mut blocks, draft, place);
    let mut peers = String::new();
    write::peers(&mut peers, draft, place);
    // TOML hangs [net.policy] below the last [[net]] entry; where it stands alone, entries must come before it.
    let stands = lines.iter().position(|line| table(line) == Some("[net.policy]"));
    match stands {
        Some(at) if existing.set.nets.is_empty() && !peers.is_empty() => lines.insert(at, peers),
        _ => blocks.push_str(&peers),
    }
    if !policy.is_empty() {
        if stands.is_some() {
            section(&mut lines, "[net.policy]", &policy);
        } else {
            blocks.push_str(&format!("\n[net.policy]\n{policy}"));
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    if !blocks.is_empty() || !incomplete.is_empty() {
        text.push('\n');
        write::header(&mut text, about, incomplete);
        text.push_str(&blocks);
    }
    text
}

/// Puts lines right below a section's header, or a new section at the end.
fn section(lines: &mut Vec<String>, header: &str, body: &str) {
    let found = lines.iter().position(|line| table(line) == Some(header));
    match found {
        Some(at) => {
            for (offset, line) in body.lines().enumerate() {
                lines.insert(at + 1 + offset, line.to_owned());
            }
        }
        None => {
            lines.push(String::new());
            lines.push(header.to_owned());
            lines.extend(body.lines().map(str::to_owned));
        }
    }
}

/// Puts items at the beginning of a list of `[net.policy]`.
fn into_list(lines: &mut [String], name: &str, items: &str, warnings: &mut Vec<String>) {
    let inside = lines
        .iter()
        .scan(false, |inside, line| {
            if let Some(header) = table(line) {
                *inside = header == "[net.policy]";
            }
            Some(*inside)
        })
        .collect::<Vec<bool>>();
    let line = lines
        .iter_mut()
        .zip(inside)
        .find(|(line, inside)| *inside && key(line) == Some(name))
        .map(|(line, _)| line);
    match line.and_then(|line| Some((line.find('[')? + 1, line))) {
        Some((at, line)) => line.insert_str(at, items),
        None => {
            let mut said = String::new();
            _ = write!(
                said,
                "`{name}` of [net.policy] could not be extended: add {}",
                items.trim_end_matches(", ")
            );
            warnings.push(said);
        }
    }
}

/// The header of a table on this line.
fn table(line: &str) -> Option<&str> {
    let line = line.trim();
    let end = line.find(']')?;
    let header = line.get(..=end)?;
    let rest = line.get(end + 1..)?.trim_start_matches(']').trim_start();
    (header.starts_with('[') && (rest.is_empty() || rest.starts_with('#'))).then_some(header)
}

/// The key of a line `key = ...`.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some(key)
}
