//! Apple code signatures of Mach-O images (`cs_blobs.h`; TN3126, TN3127, "Inside Code Signing").
//!
//! ```text
//! SuperBlob -> CodeDirectory (slot 0, alternates at 0x1000): digests of the pages up to codeLimit, of Info.plist,
//!              requirements, entitlements ...
//!           -> CMS message (slot 0x10000): detached over the CodeDirectory of slot 0, which names the alternates
//! ```
//!
//! | who | what there is | what it proves |
//! | --- | --- | --- |
//! | certificate | a CMS message | these bytes, by this signer |
//! | ad-hoc | flag 0x2, no message | these bytes are those of this CodeDirectory, which anybody can make |
//! | linker-signed | flag 0x20000, no message | the same: a linker wrote it, since Apple silicon runs nothing without |
//!
//! Covered are the pages, what the CodeDirectory seals, and, by a certificate, the CodeDirectory itself. Left out by design are
//! the SuperBlob's index, the message, a notarization ticket (sealed by Apple's servers and not verified), and the room
//! behind the SuperBlob as far as it explains itself. All CodeDirectories must hold: systems choose among them.
//!
//! What is sealed but lies in other files of a bundle (its Info.plist, its resources) is not looked at. Revocation,
//! notarization and whether the requirement is met take a network or a system and are not known.

mod blob;
mod directory;
mod entitlements;
mod identity;
mod judge;
mod message;
mod requirement;
mod sealed;
#[cfg(test)]
mod tests;

use super::{Parsed, Plan, Request, Signature, Verifier, Why};
use crate::fact::{CodeSignature, Fact};
use crate::finding::{Finding, ScanError, code};
use crate::format::Input;
use crate::span::Span;
use blob::{CODE_DIRECTORY, Fault, SuperBlob, Unread};
use directory::Directory;

/// The scheme's name in reports.
const SCHEME: &str = "codesign";
/// The most bytes behind the SuperBlob that are looked at; what is longer is no slack.
const MOST_SLACK: u64 = 1 << 20;
/// The longest Info.plist that is digested, in bytes.
const MOST_LIST: u64 = 1 << 20;

/// Apple code signatures.
pub(super) struct CodeSign;

/// A signature that waits for the digests of its pages.
struct Image {
    fact: Box<CodeSignature>,
    read: Result<Signed, Unread>,
    /// The section `__TEXT,__info_plist`.
    info_plist: Option<Vec<u8>>,
    /// What lies behind the SuperBlob and has a reason.
    slack: Vec<(Span, Why)>,
    errors: Vec<ScanError>,
}

/// The SuperBlob and its CodeDirectories, that of slot 0 first.
struct Signed {
    blob: SuperBlob,
    directories: Vec<Directory>,
}

impl Verifier for CodeSign {
    fn plan(&self, parsed: &Parsed<'_>) -> Option<Plan> {
        let fact = parsed.facts.iter().find_map(|fact| match fact {
            Fact::CodeSignature(fact) => Some(fact.clone()),
            _ => None,
        })?;
        let mut image = Image {
            read: Signed::read(fact.data, parsed.input),
            info_plist: None,
            slack: Vec::new(),
            errors: Vec::new(),
            fact,
        };
        image.list(parsed.input);
        image.behind(parsed.input);
        let requests = image.read.as_ref().map(Signed::requests).unwrap_or_default();
        Some(Plan {
            requests,
            pending: Box::new(image),
        })
    }
}

impl Image {
    /// Reads the list that the CodeDirectory seals inside the image.
    fn list(&mut self, input: &Input<'_>) {
        if let Some(span) = self.fact.info_plist.filter(|span| span.len() <= MOST_LIST) {
            match input.read(span) {
                Ok(bytes) => self.info_plist = Some(bytes.into_owned()),
                Err(fault) => self.errors.extend(fault.as_error()),
            }
        }
    }

    /// Looks at what lies behind the SuperBlob: zeros, or slots of an earlier CodeDirectory and zeros behind them.
    fn behind(&mut self, input: &Input<'_>) {
        let Ok(signed) = &self.read else { return };
        let end = signed.blob.span.end();
        let explained = Span::new(end, self.fact.leftover.end().max(end));
        let rest = Span::new(explained.end(), self.fact.data.end());
        if !explained.is_empty() {
            self.slack.push((explained, "slots of an earlier CodeDirectory"));
        }
        if rest.is_empty() || rest.len() > MOST_SLACK {
            return;
        }
        match input.read(rest) {
            Ok(bytes) if bytes.iter().all(|b| *b == 0) => self.slack.push((rest, "room for the signature")),
            Ok(bytes) => self.earlier(&bytes, rest),
            Err(fault) => self.errors.extend(fault.as_error()),
        }
    }

    /// The wrapper of an earlier signature has a reason when it is one: a message that its own certificates bear out is
    /// nobody's hiding place.
    fn earlier(&mut self, bytes: &[u8], rest: Span) {
        let earlier = self.fact.earlier;
        let cut = usize::try_from(earlier.len()).unwrap_or(usize::MAX);
        let zeros = bytes.get(cut..).is_some_and(|after| after.iter().all(|b| *b == 0));
        if earlier.is_empty() || earlier.start() != rest.start() || !zeros {
            return;
        }
        let head = bytes
            .get(..cut)
            .and_then(|bytes| memchr::memmem::find(bytes, b"\xfa\xde\x0b\x01"));
        let message = head.and_then(|at| bytes.get(at.checked_add(8)?..cut));
        if message.is_some_and(identity::is_sound) {
            self.slack.push((rest, "end of an earlier signature"));
        }
    }
}

impl Signed {
    fn read(data: Span, input: &Input<'_>) -> Result<Self, Unread> {
        Ok(Self::of(SuperBlob::read(data, input)?)?)
    }

    /// Reads the CodeDirectories.
    ///
    /// # Errors
    /// The first rule that is broken.
    fn of(blob: SuperBlob) -> Result<Self, Fault> {
        let mut directories = Vec::new();
        for slot in [0].into_iter().chain(0x1000..=0x1004) {
            let Some(found) = blob.slot(slot) else { continue };
            if found.magic != CODE_DIRECTORY {
                return Err(Fault {
                    span: found.span,
                    rule: "the slot of a CodeDirectory holds none",
                });
            }
            directories.push(Directory::parse(slot, blob.bytes(found), found.span.start())?);
        }
        if directories.first().is_none_or(|first| first.slot != 0) {
            return Err(Fault {
                span: blob.index,
                rule: "there is no CodeDirectory in slot 0",
            });
        }
        Ok(Self { blob, directories })
    }

    /// The bytes of a CodeDirectory.
    fn bytes(&self, directory: &Directory) -> &[u8] {
        self.blob
            .slot(directory.slot)
            .map_or(&[], |found| self.blob.bytes(found))
    }

    /// The pages of each CodeDirectory, in order.
    fn requests(&self) -> Vec<Request> {
        let mut requests = Vec::new();
        for directory in &self.directories {
            let bytes = self.bytes(directory);
            for (span, digests) in &directory.ranges {
                requests.push(Request::Pages {
                    algorithm: directory.algorithm,
                    span: *span,
                    page: directory.page.unwrap_or(span.len()).max(1),
                    pad: false,
                    kept: directory.kept,
                    expected: bytes.get(digests.clone()).unwrap_or_default().to_vec(),
                });
            }
        }
        requests
    }
}

/// Whether the images of a universal file are signed by one signer: a system runs one of them, and who looks at another
/// learns nothing of it. Images that nobody signed at all are no part of it.
pub(super) fn between_images(slices: &[(Span, &[Signature])]) -> Option<Finding> {
    let who = |signatures: &[Signature]| {
        let code = signatures.iter().find_map(|s| s.code.as_deref())?;
        let signer = || {
            code.team
                .clone()
                .or_else(|| signatures.iter().find_map(|s| s.signer.clone()))
        };
        (code.kind == "certificate").then(signer).flatten()
    };
    let mut signers: Vec<(Span, String)> = Vec::new();
    let mut nobody: Option<Span> = None;
    for (span, signatures) in slices {
        match who(signatures) {
            Some(signer) => signers.push((*span, signer)),
            None => nobody = nobody.or(Some(*span)),
        }
    }
    let (first, signer) = signers.first()?;
    let other = signers.iter().find(|(_, other)| other != signer);
    let finding = match (other, nobody) {
        (Some((span, other)), _) => {
            let message = format!("one image of the universal file is signed by {signer}, another by {other}");
            Finding::new(code::MIXED_SIGNERS, *span, message)
        }
        (None, Some(span)) => {
            let message = format!("one image of the universal file is signed by {signer}, another by nobody");
            Finding::new(code::MIXED_SIGNERS, span, message).case("unsigned")
        }
        (None, None) => return None,
    };
    Some(
        finding
            .key("images")
            .related("image", *first)
            .evidence("scheme", SCHEME),
    )
}

/// For fuzzing: `bytes` as a SuperBlob of an image of a few pages, judged to the end. Does nothing but not panic.
///
/// # Panics
/// When coverage does not add up.
pub fn fuzz(bytes: &[u8]) {
    use super::{Artifact, Coverage, Outcome, Pages, TrustStore};
    const CODE: u64 = 0x4000;
    let length = blob::offset(bytes.len()).saturating_add(CODE);
    let data = Span::new(CODE, length);
    let read = SuperBlob::parse(bytes.to_vec(), CODE).and_then(Signed::of);
    let image = Image {
        fact: Box::new(CodeSignature {
            data,
            leftover: Span::new(0, 0),
            earlier: Span::new(0, 0),
            info_plist: None,
            parts: Vec::new(),
            after: Vec::new(),
        }),
        read: read.map_err(Unread::Broken),
        info_plist: None,
        slack: Vec::new(),
        errors: Vec::new(),
    };
    let requests = image.read.as_ref().map(Signed::requests).unwrap_or_default();
    let outcomes: Vec<Outcome> = requests
        .iter()
        .map(|request| match request {
            Request::Pages { span, page, .. } => Outcome::Pages(Pages {
                count: span.len().div_ceil(*page),
                ..Pages::default()
            }),
            _ => Outcome::Missing,
        })
        .collect();
    let artifact = Artifact {
        length,
        trust: &TrustStore::built_in(),
        swept: true,
    };
    let verified = super::Pending::close(Box::new(image), &outcomes, &artifact);
    let (covered, excluded, uncovered) = match Coverage::new(length, &verified, None) {
        Some(coverage) => coverage.counts(),
        None => return,
    };
    let sum = covered.saturating_add(excluded).saturating_add(uncovered);
    assert_eq!(sum, length, "covered, excluded and uncovered bytes are the length");
}
