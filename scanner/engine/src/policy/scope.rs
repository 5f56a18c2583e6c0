//! Scopes: which findings an entry of a policy is about.
//!
//! A scope names one code and narrows it. Everything it names must hold; what it does not name holds always. Names are
//! compared as reports show them (escaped), so that an entry can be written from a report.

use crate::artifact::{Artifact, Judged};
use crate::name::printable;
use globset::{GlobBuilder, GlobMatcher};

/// A glob over paths as reports show them. `*` and `?` stop at `/` and at the end of a level (`!`), `**` does not.
///
/// A leading `./` says nothing, neither in the glob nor in the path. The empty glob matches the empty text only.
#[derive(Clone, Debug)]
pub struct PathGlob {
    matcher: GlobMatcher,
    levels: bool,
}

impl PathGlob {
    /// Compiles a glob.
    ///
    /// # Errors
    /// When it is not one, or is beyond what the matcher compiles.
    pub fn new(text: &str) -> Result<Self, globset::Error> {
        let mut spread = String::with_capacity(text.len());
        let mut levels = false;
        for c in here(text).chars() {
            // `[!a]` is a negated class.
            let level = c == '!' && !spread.ends_with('[');
            spread.push(c);
            if level {
                levels = true;
                spread.push('/');
            }
        }
        let glob = GlobBuilder::new(&spread)
            .literal_separator(true)
            .backslash_escape(true)
            .build()?;
        Ok(Self {
            matcher: glob.compile_matcher(),
            levels,
        })
    }

    /// Whether it matches the artifact at `path`, or the one `nested` in it where the glob names a level.
    pub(crate) fn holds(&self, path: &str, nested: Option<&str>) -> bool {
        self.matches(path) || nested.is_some_and(|n| self.levels && self.matches(&format!("{path}!{n}")))
    }

    /// Whether it matches `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.matcher.is_match(here(text).replace('!', "!/"))
    }
}

fn here(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// Which findings an entry is about.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The finding's code.
    pub code: String,
    /// Its case.
    pub case: Option<String>,
    /// Matches the artifact's `path`; a glob with `!` matches `path` and `nested` joined with it. Without `!` what is
    /// inside an artifact cannot choose a name that the glob matches.
    pub path: Option<PathGlob>,
    /// Matches the artifact's `nested`; that of a root is the empty text.
    pub nested: Option<PathGlob>,
    /// The artifact's primary format.
    pub format: Option<String>,
    /// The finding's region.
    pub region: Option<String>,
    /// The signer of the artifact, as a pin (`authenticode:CN=...`): its signature is intact, and a known root vouches for it.
    pub signer: Option<String>,
    /// The digest of the artifact, or of one that holds it.
    pub sha256: Option<[u8; 32]>,
}

impl Scope {
    /// Whether the scope holds `judged`, a finding about `artifact`. `digests` are those of the artifact and of all
    /// that hold it; one that was not swept has none, and no scope with a digest holds its findings.
    pub(super) fn holds(&self, artifact: &Artifact, digests: &[[u8; 32]], judged: &Judged) -> bool {
        let nested = artifact.nested.as_deref();
        let by_path = |glob: &PathGlob| glob.holds(&artifact.path, nested);
        let finding = &judged.finding;
        self.code == finding.code
            && self
                .signer
                .as_deref()
                .is_none_or(|pin| artifact.signatures.iter().any(|s| s.meets(pin)))
            && self.case.as_deref().is_none_or(|case| finding.case == Some(case))
            && self.sha256.is_none_or(|digest| digests.contains(&digest))
            && self.format.as_deref().is_none_or(|format| artifact.format == format)
            && self
                .region
                .as_deref()
                .is_none_or(|region| region == finding.region || region == printable(finding.region.as_bytes()))
            && self
                .nested
                .as_ref()
                .is_none_or(|glob| glob.matches(nested.unwrap_or_default()))
            && self.path.as_ref().is_none_or(by_path)
    }
}

#[cfg(test)]
mod tests {
    use super::PathGlob;

    #[test]
    fn globs_match_paths_as_reports_show_them() {
        for (glob, path, expected) in [
            ("models/legacy/**", "models/legacy/a.pt", true),
            ("models/legacy/**", "models/legacy/deep/a.pt", true),
            ("models/legacy/**", "./models/legacy/a.pt", true),
            ("./models/*.pt", "models/a.pt", true),
            ("models/*.pt", "models/deep/a.pt", false),
            ("models/**", "other/models/a.pt", false),
            ("**/models/*", "/srv/models/a.pt", true),
            ("a.pt!archive/*.pkl", "a.pt!archive/data.pkl", true),
            ("a.pt!archive/*.pkl", "a.pt", false),
            ("a.pt!*.pkl", "a.pt!b.zip!c.pkl", false),
            ("archive/*.pkl", "archive/a.zip!b.pkl", false),
            ("archive/**", "archive/a.zip!b.pkl", true),
            ("[!a].pt", "b.pt", true),
            ("*.pt", "a.pt.exe", false),
            ("{a,b}.pt", "b.pt", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(PathGlob::new(glob).unwrap().matches(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        for glob in ["[", "{a", "[z-a]", "a**b/["] {
            assert!(PathGlob::new(glob).is_err(), "{glob}");
        }
    }
}
