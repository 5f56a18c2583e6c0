//! Members compressed with bzip2, LZMA, zstd or xz (APPNOTE 4.4.5): the codecs of those formats, and what comes out
//! held against what the headers say.

use super::fields::wide;
use crate::finding::{Finding, code};
use crate::format::{Decoder, Parse};
use crate::ledger::{Region, Role};
use crate::policy::shown;
use crate::span::Span;
use std::io::{self, Read, Write};

/// A member that another format's codec decodes.
pub(super) struct Recode {
    /// The codec, for the bytes of `span`.
    pub(super) inner: Box<dyn Decoder>,
    /// The raw name.
    pub(super) name: Box<[u8]>,
    /// The compressed bytes that are there.
    pub(super) span: Span,
    /// The compressed bytes that should be there.
    pub(super) compressed: u64,
    /// The uncompressed size stated.
    pub(super) size: u64,
    /// The CRC-32 stated.
    pub(super) crc: u32,
    /// Whether other members share the bytes.
    pub(super) shared: bool,
}

impl Decoder for Recode {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64> {
        let mut summed = Summed {
            output,
            crc: crc32fast::Hasher::new(),
            total: 0,
        };
        // The codec's account is in offsets of the member.
        let mut account = Parse::new("zip");
        let outcome = self.inner.decode(input, &mut summed, &mut account);
        let Summed { crc, total, .. } = summed;
        let used = *outcome.as_ref().unwrap_or(&self.span.len());
        let span = Span::saturating_at(self.span.start(), used).intersect(self.span);
        let name = shown(&self.name);
        parent.region(Region {
            span,
            role: Role::Payload,
            name: name.as_str().into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: self.shared.then_some("entries"),
        });
        let ended = outcome.is_ok() && account.errors.is_empty();
        self.hand_on(account, &name, parent);
        outcome?;
        if ended {
            self.judge(crc.finalize(), total, span.end(), &name, parent);
        }
        Ok(used)
    }
}

impl Recode {
    fn hand_on(&self, account: Parse, name: &str, parent: &mut Parse) {
        for finding in account.findings() {
            let mut finding = finding.clone();
            finding.span = finding.span.shifted(self.span.start()).intersect(self.span);
            finding.key = format!("{name} {}", finding.key);
            finding.message = format!("{name}: {}", finding.message);
            parent.finding(finding);
        }
        for mut error in account.errors {
            error.message = format!("{name}: {}", error.message);
            error.offset = error.offset.map(|at| at.saturating_add(self.span.start()));
            parent.error(error);
        }
    }

    fn judge(&self, crc: u32, total: u64, end: u64, name: &str, parent: &mut Parse) {
        let mut mismatch = |case: &'static str, span: Span, message: String| {
            let finding = Finding::new(code::HEADER_MISMATCH, span, message).case(case);
            parent.finding(finding.key(format!("{name} {case}")).evidence("name", name));
        };
        if crc != self.crc {
            let message = format!("{name} decodes to CRC-32 {crc:08x}, its headers say {:08x}", self.crc);
            mismatch("crc", self.span, message);
        }
        if total != self.size {
            let message = format!("{name} decodes to {total} bytes, its headers say {}", self.size);
            mismatch("size", self.span, message);
        }
        let rest = Span::new(end, self.span.end());
        if !rest.is_empty() {
            let message = format!("the stream of {name} ends {} bytes before its place does", rest.len());
            mismatch("size", rest, message);
        }
        if self.span.len() < self.compressed {
            let message = format!(
                "{name} needs {} compressed bytes, {} are there",
                self.compressed,
                self.span.len()
            );
            parent.finding(Finding::new(code::TRUNCATED, self.span, message).key(name));
        }
    }
}

struct Summed<'o> {
    output: &'o mut dyn Write,
    crc: crc32fast::Hasher,
    total: u64,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.output.write(bytes)?;
        self.crc.update(bytes.get(..n).unwrap_or_default());
        self.total = self.total.saturating_add(wide(n));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
