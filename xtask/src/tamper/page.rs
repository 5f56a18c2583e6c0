//! `docs/tamper.md`: one table for each image.

use super::peer::Peer;
use super::{Ours, Row, Section};

const HEAD: &str = "\
# Tampered images, measured

Written by `cargo xtask tamper --write`: signed images as their publishers released them, each changed in every way that
`tests/src/build/tamper.rs` and `tests/src/build/signed/tamper_code.rs` know, and what is said of the result. The first
row of a table is the image as it was: nothing at `low` or above is said of it. A change that an image has no place for is
left out of its table.

*Ours* is the image's own findings at `low` or above (`probity explain CODE`), the [four answers](signatures.md), and the exit
code of `probity scan`. An answer is empty where there is no signature to ask. That a signature was there once, no image
shows by itself: `probity diff` tells it, so does a declared set that names the signer, and `probity verify` exits 3.
";

const PEER: &str = "
*osslsigncode* is what `VERSION verify` says of the same file, without a network. Of a certificate that names a list of
revocations it wants the list, and ends in `failed` without one, whatever the image is; so its output is held against that
for the image as it was, and `as published` says that they are the same but for the checksum, of which it only warns. The
image that is signed by a key of our own names no list: there its verdict is its own. It reads no Mach-O images.
";

/// The page.
pub(super) fn render(sections: &[Section], peer: Option<&Peer>) -> String {
    let mut out = HEAD.to_owned();
    if let Some(peer) = peer {
        out.push_str(&PEER.replace("VERSION", &peer.version));
    }
    for section in sections {
        out.push_str(&format!("\n## {}\n\n", section.title));
        out.push_str(&format!("{} bytes, sha256 `{}`\n\n", section.length, section.digest));
        let theirs = section.rows.iter().any(|row| row.theirs.is_some());
        let mut head = vec!["change", "ours", "intact", "signer", "chain", "time", "exit"];
        if theirs {
            head.push("osslsigncode");
        }
        out.push_str(&line(&head.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()));
        out.push_str(&line(&head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>()));
        for row in &section.rows {
            out.push_str(&line(&cells(row, theirs)));
        }
    }
    out
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn cells(row: &Row, theirs: bool) -> Vec<String> {
    let ours = &row.ours;
    let mut cells = vec![
        row.change.to_owned(),
        found(ours),
        ours.intact.clone(),
        ours.signer.clone(),
        ours.chain.clone(),
        ours.time.split('T').next().unwrap_or_default().to_owned(),
        ours.exit.map_or_else(|| "signal".to_owned(), |code| code.to_string()),
    ];
    if theirs {
        cells.push(row.theirs.clone().unwrap_or_default());
    }
    cells
}

fn found(ours: &Ours) -> String {
    let mut all: Vec<String> = ours
        .findings
        .iter()
        .map(|(severity, code, case)| {
            let case = if case.is_empty() {
                String::new()
            } else {
                format!(" ({case})")
            };
            format!("{severity} `{code}`{case}")
        })
        .collect();
    if all.is_empty() {
        return "nothing".to_owned();
    }
    if let Some(uncovered) = ours.uncovered.filter(|n| *n > 0 && ours.intact == "yes") {
        all.push(format!("{uncovered} bytes uncovered"));
    }
    all.join("; ")
}

/// The common name of a subject, or the whole of it where it has none.
pub(super) fn common_name(subject: &str) -> String {
    let Some((_, rest)) = subject.split_once("CN=") else {
        return subject.to_owned();
    };
    let end = rest
        .match_indices(',')
        .map(|(at, _)| at)
        .find(|at| !rest.get(..*at).is_some_and(|before| before.ends_with('\\')));
    rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest).replace('\\', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_ends_at_a_comma_that_is_not_escaped() {
        assert_eq!(common_name("CN=A\\, B, O=C"), "A, B");
        assert_eq!(
            common_name("O=C, CN=Developer: A\\, B (T), UID=T"),
            "Developer: A, B (T)"
        );
        assert_eq!(common_name("ad-hoc"), "ad-hoc");
    }
}
