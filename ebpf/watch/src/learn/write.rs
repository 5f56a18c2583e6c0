//! What was learned as text: blocks by access and place, one line for each pattern with its evidence.

use super::fold::Denials;
use super::names::printable;
use super::observe::{Peer, Seen};
use super::shape::{Line, Place};
use super::text::{list, quoted};
use probity_signatures::declared::{Access, Family, KernelAct};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What is to be said of the run.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// CMD and its arguments.
    pub command: Vec<String>,
    /// The day, `2026-11-20`.
    pub date: String,
    /// The program that CMD is, and its SHA-256.
    pub subject: Option<(String, String)>,
    /// Why not everything was seen.
    pub incomplete: Vec<String>,
}

/// Everything that is new.
pub(super) struct Draft {
    pub(super) files: Vec<Line>,
    pub(super) denials: Denials,
    pub(super) execs: Vec<Line>,
    pub(super) unixes: Vec<Line>,
    pub(super) peers: BTreeMap<Peer, Seen>,
    /// Where it listens, with a comment.
    pub(super) listens: BTreeMap<String, Seen>,
    pub(super) families: BTreeMap<Family, Seen>,
    pub(super) kernel: BTreeMap<KernelAct, (Seen, bool)>,
    pub(super) memfd: Option<Seen>,
    pub(super) hardlinks: bool,
}

impl Draft {
    pub(super) fn size(&self) -> usize {
        let words = self.listens.len() + self.families.len() + self.kernel.len();
        let lines = self.files.len() + self.execs.len() + self.unixes.len() + self.peers.len();
        lines + words + usize::from(self.memfd.is_some()) + usize::from(self.hardlinks)
    }
}

/// A comment that asks for a person.
const LOOK: &str = "look at this";

/// A whole file.
pub(super) fn whole(draft: &Draft, place: &Place, about: &About, incomplete: &[String]) -> String {
    let mut out = String::new();
    header(&mut out, about, incomplete);
    out.push_str("version = 1\n");
    if let Some(name) = about.command.first() {
        let name = name.rsplit('/').next().unwrap_or(name);
        _ = writeln!(out, "name = {}", quoted(name));
    }
    if draft.hardlinks {
        out.push_str(HARDLINKS);
    }
    if let Some((exec, sha256)) = &about.subject {
        _ = writeln!(
            out,
            "\n[subject]\nexec = {}\nsha256 = [{}]",
            quoted(exec),
            quoted(sha256)
        );
    }
    let own: Vec<_> = place.variables.iter().filter(|(name, _)| name != "HOME").collect();
    if !own.is_empty() {
        out.push_str("\n[vars]\n");
        for (name, value) in own {
            _ = writeln!(
                out,
                "{name} = {} # where it ran; --var {name}=DIR for another place",
                quoted(value)
            );
        }
    }
    blocks(&mut out, draft, place);
    peers(&mut out, draft, place);
    if !draft.families.is_empty() || !draft.listens.is_empty() {
        out.push_str("\n[net.policy]\n");
        if !draft.families.is_empty() {
            _ = writeln!(out, "{}", families(draft));
        }
        if !draft.listens.is_empty() {
            _ = writeln!(out, "listen = [\n{}]", listen_items(draft));
        }
    }
    if !draft.kernel.is_empty() {
        _ = write!(out, "\n[kernel]\n{}", kernel(draft));
    }
    out
}

pub(super) const HARDLINKS: &str =
    "hardlinks = \"allow\" # look at this: files of several links, whose names change, were used\n";

/// Who wrote it, from what, and what is missing.
pub(super) fn header(out: &mut String, about: &About, incomplete: &[String]) {
    let command: Vec<String> = about.command.iter().map(|word| printable(word.as_bytes())).collect();
    _ = writeln!(
        out,
        "# Learned by `probity learn` on {} from: {}",
        about.date,
        command.join(" ")
    );
    out.push_str("# It allows what this run did. Read it before you hold anything to it, the lines marked `look at this` first.\n");
    if !incomplete.is_empty() {
        out.push_str("# INCOMPLETE: this set does not allow all that the run did, or not all was seen:\n");
        for reason in incomplete {
            _ = writeln!(out, "#   {}", printable(reason.as_bytes()));
        }
    }
}

/// `[[file]]`, `[[exec]]` and `[[unix]]` entries.
pub(super) fn blocks(out: &mut String, draft: &Draft, place: &Place) {
    let mut groups: BTreeMap<(usize, u8), Vec<&Line>> = BTreeMap::new();
    for line in &draft.files {
        let at = PLACES
            .iter()
            .position(|(_, fits)| fits(line, place))
            .unwrap_or(PLACES.len());
        groups.entry((at, line.seen.access)).or_default().push(line);
    }
    for ((at, access), lines) in groups {
        let label = PLACES.get(at).map_or("elsewhere", |(label, _)| label);
        let words = Access::from_bits(access).words();
        _ = writeln!(out, "\n[[file]]\nlabel = {}\naccess = {}", quoted(label), list(words));
        paths(out, "paths", &lines, place);
    }
    for (access, texts) in denials(draft, place) {
        let words = Access::from_bits(access).words();
        _ = writeln!(
            out,
            "\n[[file]]\nlabel = \"secrets that a pattern above would cover\"\ndeny = {}\npaths = [",
            list(words)
        );
        for text in texts {
            _ = writeln!(out, "  {},", quoted(&text));
        }
        out.push_str("]\n");
    }
    if !draft.execs.is_empty() || draft.memfd.is_some() {
        out.push_str("\n[[exec]]\n");
        if !draft.execs.is_empty() {
            paths(out, "paths", &draft.execs.iter().collect::<Vec<_>>(), place);
        }
        if let Some(seen) = &draft.memfd {
            _ = writeln!(
                out,
                "memfd = \"allow\" # {LOOK}: a program without a name was started, {}",
                evidence(seen)
            );
        }
    }
    if !draft.unixes.is_empty() {
        out.push_str("\n[[unix]]\n");
        paths(out, "paths", &draft.unixes.iter().collect::<Vec<_>>(), place);
    }
}

/// Denials by access, those of one directory as one text.
fn denials(draft: &Draft, place: &Place) -> BTreeMap<u8, Vec<String>> {
    let mut by_directory: BTreeMap<(u8, &[String]), Vec<&str>> = BTreeMap::new();
    for (names, access) in &draft.denials {
        if let Some((last, directory)) = names.split_last() {
            by_directory.entry((*access, directory)).or_default().push(last);
        }
    }
    let mut all: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for ((access, directory), names) in by_directory {
        let last = match names.as_slice() {
            [one] => (*one).to_owned(),
            several => format!("{{{}}}", several.join(",")),
        };
        let text = place.written(&[directory, &[last]].concat());
        all.entry(access).or_default().push(text);
    }
    all
}

type Fits = fn(&Line, &Place) -> bool;

const PLACES: &[(&str, Fits)] = &[
    ("secrets: look at this", |line, _| line.secret),
    ("programs, libraries and their data", |line, _| {
        line.names
            .first()
            .is_some_and(|first| first == "usr" || first.starts_with("lib") || first == "opt")
    }),
    ("settings of the system", |line, _| {
        line.names.first().is_some_and(|first| first == "etc")
    }),
    ("where it ran", |line, place| {
        place.written(&line.names).starts_with("${work}")
    }),
    ("the user's home", |line, place| {
        place.written(&line.names).starts_with("${HOME}")
    }),
    ("the kernel's files and devices", |line, _| {
        line.names
            .first()
            .is_some_and(|first| matches!(first.as_str(), "proc" | "sys" | "dev" | "run"))
    }),
    ("temporary files", |line, place| {
        place
            .temporary_directories()
            .any(|directory| line.example.starts_with(directory.as_bytes()))
    }),
];

fn paths(out: &mut String, key: &str, lines: &[&Line], place: &Place) {
    _ = writeln!(out, "{key} = [");
    for line in lines {
        let text = if line.example.first() == Some(&b'@') {
            line.names.concat()
        } else {
            place.written(&line.names)
        };
        let mut comment = evidence(&line.seen);
        if line.text().as_bytes() != line.example {
            _ = write!(comment, ", such as {}", printable(&line.example));
        }
        if line.objects > 1 {
            _ = write!(comment, " ({} paths)", line.objects);
        }
        if line.secret {
            comment = format!("{LOOK}: {comment}");
        }
        _ = writeln!(out, "  {}, # {comment}", quoted(&text));
    }
    out.push_str("]\n");
}

fn evidence(seen: &Seen) -> String {
    if seen.count == 0 {
        return "not seen: the C library reads it when threads contend for memory".to_owned();
    }
    let by = if seen.by.is_empty() {
        String::new()
    } else {
        format!(" by {}", printable(&seen.by))
    };
    format!("{}x{by}", seen.count)
}

/// `[[net]]` entries.
pub(super) fn peers(out: &mut String, draft: &Draft, place: &Place) {
    type Ports = BTreeMap<String, Seen>;
    let mut entries: BTreeMap<(bool, String, &'static str), Ports> = BTreeMap::new();
    let (first, last) = place.ephemeral;
    let given = |port: u16| (first..=last).contains(&port);
    for (peer, seen) in &draft.peers {
        // A port that its host gave to who asked for any is another the next time.
        let own = draft.listens.contains_key(&any_port(peer.ip));
        let ports = if peer.port == 0 {
            "\"*\"".to_owned()
        } else if given(peer.port) && (peer.accepted || own) {
            format!("\"{first}-{last}\"")
        } else {
            peer.port.to_string()
        };
        let (named, who) = match &peer.host {
            Some(host) => (true, host.clone()),
            None => (
                false,
                format!("{}/{}", peer.ip, if peer.ip.is_ipv4() { 32 } else { 128 }),
            ),
        };
        let ports_of = entries.entry((named, who, peer.proto.as_str())).or_default();
        ports_of.entry(ports).or_default().join(seen);
    }
    for ((named, who, proto), ports) in entries {
        let mut seen = Seen::default();
        ports.values().for_each(|other| seen.join(other));
        let all: Vec<&str> = ports.keys().map(String::as_str).collect();
        let key = if named { "hosts" } else { "cidr" };
        _ = writeln!(out, "\n[[net]] # {}", evidence(&seen));
        _ = writeln!(
            out,
            "{key} = [{}]\nports = [{}]\nproto = [\"{proto}\"]",
            quoted(&who),
            all.join(", ")
        );
    }
}

fn any_port(ip: IpAddr) -> String {
    if ip.is_ipv6() {
        format!("[{ip}]:*")
    } else {
        format!("{ip}:*")
    }
}

/// Where the tree may listen: an address where any port was asked for stands for all its ports.
pub(super) fn listens(seen: &BTreeMap<(IpAddr, u16), Seen>, place: &Place) -> BTreeMap<String, Seen> {
    let (first, last) = place.ephemeral;
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    for ((ip, port), evidence) in seen {
        let any = *port == 0 || (seen.contains_key(&(*ip, 0)) && (first..=last).contains(port));
        let text = if any {
            any_port(*ip)
        } else {
            any_port(*ip).replace('*', &port.to_string())
        };
        all.entry(text).or_default().join(evidence);
    }
    all
}

/// `families = [...]`, the ordinary ones included.
pub(super) fn families(draft: &Draft) -> String {
    let ordinary = [Family::Inet, Family::Inet6, Family::Unix];
    let words = ordinary
        .iter()
        .chain(draft.families.keys())
        .map(|family| family.as_str());
    let mut seen = Seen::default();
    draft.families.values().for_each(|other| seen.join(other));
    format!("families = {} # {}", list(words), evidence(&seen))
}

/// The lines of `listen`.
pub(super) fn listen_items(draft: &Draft) -> String {
    let lines = draft.listens.iter();
    lines.fold(String::new(), |mut text, (address, seen)| {
        _ = writeln!(text, "  {}, # {}", quoted(address), evidence(seen));
        text
    })
}

/// The lines of `[kernel]`.
pub(super) fn kernel(draft: &Draft) -> String {
    let acts = draft.kernel.iter();
    acts.fold(String::new(), |mut text, (act, (seen, outsider))| {
        let answer = if *act == KernelAct::Ptrace && !outsider {
            "tree-only"
        } else {
            "allow"
        };
        _ = writeln!(text, "{act} = \"{answer}\" # {LOOK}: {}", evidence(seen));
        text
    })
}
