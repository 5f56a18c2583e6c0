//! Where a run took place, and the lines that patterns become.

use super::names::{literal, names};
use super::observe::Seen;

/// What a run's paths are relative to, and how its host chooses ports.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Variables that stand for a directory, `${NAME}`, with its real path: `HOME`, `work`, those of the file at hand.
    pub variables: Vec<(String, String)>,
    /// The home directory: never covered as a whole.
    pub home: Option<String>,
    /// Directories of temporary files besides `/tmp`, `/var/tmp` and `/dev/shm`.
    pub temporary: Vec<String>,
    /// The ports that the host gives to those who ask for any, first and last.
    pub ephemeral: (u16, u16),
}

/// One pattern, or one path, with what was done there.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its names as pattern text.
    pub(super) names: Vec<String>,
    /// What was done, over all that it stands for.
    pub(super) seen: Seen,
    /// A path that it stands for.
    pub(super) example: Vec<u8>,
    /// How many paths it stands for.
    pub(super) objects: u64,
    /// Whether it stands for secrets: it is literal, and a person must look.
    pub(super) secret: bool,
}

impl Line {
    /// Adds another that has the same names.
    pub(super) fn join(&mut self, other: &Self) {
        self.seen.join(&other.seen);
        self.objects = self.objects.saturating_add(other.objects);
        self.secret |= other.secret;
    }

    /// The pattern without variables.
    pub(super) fn text(&self) -> String {
        absolute(&self.names)
    }
}

/// Names as an absolute pattern.
pub(super) fn absolute(names: &[String]) -> String {
    if names.is_empty() {
        return "/".to_owned();
    }
    names.iter().fold(String::new(), |text, name| text + "/" + name)
}

/// The names of a path as pattern text.
pub(super) fn literals(path: &str) -> Vec<String> {
    names(path.as_bytes()).into_iter().map(literal).collect()
}

impl Place {
    /// The pattern as it is written: with the variable of the longest directory that it lies in.
    pub(super) fn written(&self, all: &[String]) -> String {
        let mut best: Option<(&str, usize)> = None;
        for (name, value) in &self.variables {
            let base = literals(value);
            if !base.is_empty() && all.starts_with(&base) && best.is_none_or(|(_, length)| base.len() > length) {
                best = Some((name, base.len()));
            }
        }
        match best {
            Some((name, length)) => {
                let rest = all.get(length..).unwrap_or_default();
                rest.iter().fold(format!("${{{name}}}"), |text, name| text + "/" + name)
            }
            None => absolute(all),
        }
    }

    /// Whether everything in a directory may be covered by one pattern.
    pub(super) fn may_cover(&self, directory: &[String]) -> bool {
        let above = |path: &String| literals(path).starts_with(directory);
        let first = directory.first().map(String::as_str);
        directory.len() >= 2
            && !matches!(first, Some("proc" | "dev" | "run"))
            && !self.home.as_ref().is_some_and(above)
            && !self.temporary_directories().any(|path| above(&path))
            && !self
                .variables
                .iter()
                .any(|(_, value)| above(value) && literals(value).len() > directory.len())
    }

    /// Directories in which everybody makes files of random names.
    pub(super) fn temporary_directories(&self) -> impl Iterator<Item = String> {
        ["/tmp", "/var/tmp", "/dev/shm"]
            .into_iter()
            .map(str::to_owned)
            .chain(self.temporary.iter().cloned())
    }
}
