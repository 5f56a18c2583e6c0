//! `osslsigncode verify`, and what it says in a word.
//!
//! It wants the revocation list of a published certificate from the network; without one it ends with `failed`, whatever
//! the image is. So what it says of a changed image is held against what it said of the image as published.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::Cmd;
use crate::tools;

/// Roots that the system knows.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Its warning about a checksum.
const CHECKSUM: &str = "invalid PE checksum";

/// The installed program.
pub(super) struct Peer {
    program: PathBuf,
    /// What it calls itself.
    pub(super) version: String,
}

/// What it said of one image.
pub(super) struct Said {
    /// Whether its exit code is that of success.
    holds: bool,
    /// Its output, without what changes from run to run or is only a figure of the header.
    lines: Vec<String>,
}

impl Peer {
    /// The program, installed where this user may; `None` with a word on why.
    pub(super) fn find() -> Option<Self> {
        if tools::find("osslsigncode").is_none()
            && let Err(error) = tools::apt_install(&["osslsigncode", "ca-certificates"])
        {
            println!("without osslsigncode: {error:#}");
        }
        let program = tools::find("osslsigncode")?;
        let version = tools::version(&program).unwrap_or_else(|_| "osslsigncode".to_owned());
        Some(Self {
            program,
            version: version.split(',').next().unwrap_or_default().to_owned(),
        })
    }

    /// Verifies an image; `root` is a certificate in DER to trust instead of the system's roots.
    pub(super) fn verify(&self, image: &Path, root: Option<&Path>) -> Result<Said> {
        let roots = match root {
            Some(root) => pem(root)?,
            None => PathBuf::from(ROOTS),
        };
        let output = Cmd::new(&self.program)
            .quiet()
            .args(["verify", "-ignore-cdp", "-CAfile"])
            .arg(&roots)
            .arg("-TSA-CAfile")
            .arg(&roots)
            .arg(image)
            .output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Said::new(output.status.success(), &String::from_utf8_lossy(&text)))
    }
}

/// The certificate as text, beside it.
fn pem(root: &Path) -> Result<PathBuf> {
    let out = root.with_extension("pem");
    Cmd::new("openssl")
        .quiet()
        .args(["x509", "-inform", "DER", "-in"])
        .arg(root)
        .arg("-out")
        .arg(&out)
        .read()
        .context("openssl makes text of a certificate")?;
    Ok(out)
}

impl Said {
    fn new(holds: bool, text: &str) -> Self {
        // OpenSSL's own errors begin with the number of a thread.
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.contains(":error:"));
        Self {
            holds,
            lines: lines.map(str::to_owned).collect(),
        }
    }

    fn has(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }

    /// The verdict, with its reason where it gives one.
    pub(super) fn verdict(&self) -> String {
        let word = if self.holds { "ok" } else { "failed" };
        match self.reason() {
            Some(reason) => format!("{word}: {reason}"),
            None => word.to_owned(),
        }
    }

    fn reason(&self) -> Option<&'static str> {
        const REASONS: [(&str, &str); 6] = [
            ("MISMATCH", "the digest is another"),
            ("No signature found", "it finds no signature"),
            ("Corrupted attribute certificate table", "the table is corrupted"),
            ("unable to get local issuer", "no root that it knows"),
            ("self-signed certificate in", "no root that it knows"),
            ("CRLfile", "no revocation list at hand"),
        ];
        let found = REASONS.iter().find(|(part, _)| self.has(part));
        found.filter(|_| !self.holds).map(|(_, reason)| *reason)
    }

    /// The verdict on a changed image, beside that on the image as published. Of the checksum it only warns.
    pub(super) fn beside(&self, original: Option<&Self>) -> String {
        let plain = |line: &&String| !line.contains("PE checksum");
        let same = original
            .is_some_and(|o| o.holds == self.holds && o.lines.iter().filter(plain).eq(self.lines.iter().filter(plain)));
        let said = match (same, self.holds) {
            (true, true) => "ok, as published".to_owned(),
            (true, false) => "failed, as published".to_owned(),
            (false, _) => self.verdict(),
        };
        let warns = same && self.has(CHECKSUM) && !original.is_some_and(|o| o.has(CHECKSUM));
        if warns {
            format!("{said}; warns of the checksum")
        } else {
            said
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_of_a_change_is_what_it_did_not_say_before() {
        let original = Said::new(false, "PE checksum   : 01\nUse the \"-CRLfile\" option\nFailed\n");
        let other = Said::new(
            false,
            "Current PE checksum   : 02\nWarning: invalid PE checksum\nUse the \"-CRLfile\" option\nFailed\n",
        );
        assert_eq!(original.verdict(), "failed: no revocation list at hand");
        assert_eq!(
            other.beside(Some(&original)),
            "failed, as published; warns of the checksum"
        );
        let changed = Said::new(false, "Calculated message digest : 01    MISMATCH!!!\n");
        assert_eq!(changed.beside(Some(&original)), "failed: the digest is another");
    }
}
