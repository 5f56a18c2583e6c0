//! Packages of Debian releases other than this machine's, fetched and unpacked but never installed.
//!
//! The mirror and the keyring are those of the machine's own sources; apt's state lies under `target/vm/apt`, so that
//! neither root nor a change to the system is needed. apt checks what it fetches against the release's signature.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{Cmd, target_dir};
use crate::tools;

/// Where everything for virtual machines is kept.
pub(super) fn home() -> PathBuf {
    target_dir().join("vm")
}

/// One release of Debian, at this machine's mirror.
pub(super) struct Release {
    suite: &'static str,
    state: PathBuf,
}

impl Release {
    /// Fetches the release's package list.
    ///
    /// # Errors
    ///
    /// When this machine has no Debian sources, or the mirror cannot be reached or has no such release.
    pub(super) fn open(suite: &'static str) -> Result<Self> {
        let state = home().join("apt").join(suite);
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(state.join(folder))?;
        }
        fs::write(state.join("sources.list"), own_mirror()?.line(suite))?;
        let release = Self { suite, state };
        if tools::find("apt-get").is_none() {
            bail!("no apt-get to fetch it with");
        }
        let update = release
            .apt("apt-get")
            .args(["update", "-qq", "-oAPT::Update::Error-Mode=any"]);
        let update = update.output()?;
        if !update.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&update.stderr).trim_end());
            bail!("this machine's mirror gave no package list for {suite}");
        }
        Ok(release)
    }

    /// The names of packages that start with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = self.apt("apt-cache").args(["pkgnames", prefix]).read()?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Downloads `package` and unpacks it into `into`; returns the package's file name, which holds its version.
    pub(super) fn unpack(&self, package: &str, into: &Path) -> Result<String> {
        let folder = self.state.join("download");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        eprintln!("xtask vm: fetching {package} of {}", self.suite);
        self.apt("apt-get")
            .args(["download", "-qq", package])
            .dir(&folder)
            .read()
            .with_context(|| format!("cannot fetch {package} of {}", self.suite))?;
        let archive = fs::read_dir(&folder)?
            .next()
            .with_context(|| format!("apt-get fetched nothing for {package}"))??;
        Cmd::new("dpkg-deb")
            .quiet()
            .arg("-x")
            .arg(archive.path())
            .arg(into)
            .read()?;
        fs::remove_file(archive.path())?;
        Ok(archive.file_name().to_string_lossy().into_owned())
    }

    fn apt(&self, program: &str) -> Cmd {
        let option = |key: &str, path: &str| format!("-o{key}={}", self.state.join(path).display());
        Cmd::new(program).quiet().args([
            option("Dir::Etc::SourceList", "sources.list"),
            "-oDir::Etc::SourceParts=/dev/null".to_owned(),
            option("Dir::State::Lists", "lists"),
            option("Dir::Cache", "cache"),
            "-oAPT::Sandbox::User=".to_owned(),
            "-oAcquire::Languages=none".to_owned(),
        ])
    }
}

/// Where packages come from, and what their lists are signed with.
#[derive(Debug, PartialEq)]
struct Mirror {
    uri: String,
    keyring: Option<String>,
}

impl Mirror {
    fn line(&self, suite: &str) -> String {
        let signed = self
            .keyring
            .as_ref()
            .map_or_else(String::new, |path| format!("[signed-by={path}] "));
        format!("deb {signed}{} {suite} main\n", self.uri)
    }
}

/// The mirror of this machine's own release.
fn own_mirror() -> Result<Mirror> {
    let release = fs::read_to_string("/etc/os-release").context("no /etc/os-release")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no release")?
        .trim_matches('"');
    if !release.lines().any(|line| line == "ID=debian") {
        bail!("this machine's packages are not Debian's");
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(parts.filter_map(|part| Some(part.ok()?.path())));
    }
    files.sort();
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| stanzas(&text, codename).or_else(|| lines(&text, codename)))
        .with_context(|| format!("no apt source for {codename}"))
}

/// The first mirror in deb822 stanzas that serves `codename` itself, not only its updates.
fn stanzas(text: &str, codename: &str) -> Option<Mirror> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            let mut values = stanza.lines().filter_map(|line| line.split_once(':'));
            values.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned()))
        };
        let serves = field("Suites")?.split_whitespace().any(|suite| suite == codename);
        let uri = field("URIs")?.split_whitespace().next()?.to_owned();
        let keyring = field("Signed-By").filter(|path| path.starts_with('/'));
        serves.then_some(Mirror { uri, keyring })
    })
}

/// The same, in one-line sources: `deb [options] uri suite component...`.
fn lines(text: &str, codename: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let uri = words.next()?.to_owned();
        let keyring = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned);
        (words.next()? == codename).then_some(Mirror { uri, keyring })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(uri: &str, keyring: Option<&str>) -> Option<Mirror> {
        Some(Mirror {
            uri: uri.to_owned(),
            keyring: keyring.map(str::to_owned),
        })
    }

    #[test]
    fn a_stanza_is_taken_when_it_serves_the_release_itself() {
        let text = "Types: deb\nURIs: http://a.example/security\nSuites: old-security\n\n\
                    Types: deb\n# a note\nURIs: http://a.example/debian\nSuites: old old-updates\nSigned-By: /usr/k.gpg\n";
        assert_eq!(
            stanzas(text, "old"),
            mirror("http://a.example/debian", Some("/usr/k.gpg"))
        );
        assert_eq!(stanzas(text, "new"), None);
    }

    #[test]
    fn a_line_is_taken_when_it_serves_the_release_itself() {
        let text = "# deb http://c.example old main\ndeb http://b.example old-updates main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://b.example old main\n";
        assert_eq!(lines(text, "old"), mirror("http://b.example", Some("/k.gpg")));
        assert_eq!(
            lines("deb http://b.example old main", "old"),
            mirror("http://b.example", None)
        );
    }
}
