//! Words that must not be committed: this machine's paths, and the hosts of package registries.
//!
//! Registry hosts come from the clients' own configuration, plus the canonical ones. The latter, and the paths, are
//! assembled here from parts so that this file passes its own check.

use std::fs;

use anyhow::{Result, bail};

use crate::run::{Cmd, root};
use crate::tools;

/// Fails with each place where a tracked file holds a forbidden word; returns a note on what was compared.
pub(crate) fn check() -> Result<String> {
    let words = words();
    let listed = Cmd::new("git")
        .quiet()
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .read()?;
    let mut hits = Vec::new();
    let mut files = 0_usize;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        // A file deleted but not yet committed is still listed.
        let Ok(bytes) = fs::read(root().join(name)) else {
            continue;
        };
        files += 1;
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in (1_usize..).zip(text.lines()) {
            if let Some(word) = words.iter().find(|word| holds(line, word)) {
                hits.push(format!("{name}:{number}: {word}"));
            }
        }
    }
    if hits.is_empty() {
        return Ok(format!("{files} files against {} words", words.len()));
    }
    bail!("forbidden words:\n  {}", hits.join("\n  "));
}

/// Whether `line` holds `word` on its own: not as the tail of a longer path or host name.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || "_.-}*~".contains(c))
    })
}

fn words() -> Vec<String> {
    let mut words = vec![["", "root", ""].join("/"), ["", "work", ""].join("/")];
    if let Some(home) = std::env::var("HOME").ok().filter(|home| home.len() > 1) {
        words.push(format!("{}/", home.trim_end_matches('/')));
    }
    words.extend(
        [
            ["registry", "npmjs", "org"].as_slice(),
            &["registry", "yarnpkg", "com"],
            &["pypi", "org"],
            &["files", "pythonhosted", "org"],
            &["static", "crates", "io"],
            &["index", "crates", "io"],
        ]
        .iter()
        .map(|parts| parts.join(".")),
    );
    words.extend(configured().iter().filter_map(|url| host(url)));
    words.sort();
    words.dedup();
    words
}

/// The registry addresses the installed clients are set up with.
fn configured() -> Vec<String> {
    let asked: [(&str, &[&str]); 3] = [
        ("npm", &["config", "get", "registry"]),
        ("pip", &["config", "get", "global.index-url"]),
        ("pip", &["config", "get", "global.extra-index-url"]),
    ];
    let mut out: Vec<String> = asked
        .iter()
        .filter(|(program, _)| tools::find(program).is_some())
        .filter_map(|(program, args)| Cmd::new(program).quiet().args(*args).read().ok())
        .collect();
    let variable = |name: &str| {
        name == "PIP_INDEX_URL"
            || name == "PIP_EXTRA_INDEX_URL"
            || (name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX"))
    };
    out.extend(
        std::env::vars()
            .filter(|(name, _)| variable(name))
            .map(|(_, value)| value),
    );
    out
}

/// The host of a URL, without credentials and port; `None` for this machine's own.
fn host(url: &str) -> Option<String> {
    let rest = url.trim().split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let name = authority.rsplit('@').next()?.split(':').next()?;
    let own = name.is_empty() || name == "localhost" || name.starts_with("127.");
    (!own).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_taken_without_credentials_port_or_path() {
        assert_eq!(
            host("https://me:secret@mirror.example:8443/simple/\n").as_deref(),
            Some("mirror.example")
        );
        assert_eq!(host("http://localhost:4873/"), None);
        assert_eq!(host("undefined"), None);
    }

    #[test]
    fn a_path_counts_only_where_it_starts() {
        let word = ["", "work", ""].join("/");
        assert!(holds(&format!("see {word}main"), &word));
        assert!(!holds(&format!("target{word}x and ${{HOME}}{word}x"), &word));
    }
}
