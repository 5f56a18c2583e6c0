//! What the CodeDirectories seal, held against what is there: pages, and the special slots.

use super::SCHEME;
use super::blob::slot_name;
use super::directory::{ADHOC, Directory, LINKER_SIGNED};
use super::judge::Judge;
use crate::finding::{Finding, Value, code};
use crate::span::Span;
use crate::verify::Outcome;

/// The most pages, and parts of the image, that a finding names.
const NAMED: usize = 16;

impl Judge<'_> {
    /// Holds the pages of each CodeDirectory against the file.
    pub(super) fn pages(&mut self) {
        let signed = self.signed;
        let mut at = 0usize;
        for directory in &signed.directories {
            let (mut wrong, mut places) = (0u64, Vec::new());
            let size = directory.page.unwrap_or(directory.limit).max(1);
            for (span, _) in &directory.ranges {
                let pages = span.len().div_ceil(size);
                match self.outcomes.get(at) {
                    Some(Outcome::Pages(found)) => {
                        wrong = wrong.saturating_add(found.wrong);
                        wrong = wrong.saturating_add(pages.saturating_sub(found.count));
                        let base = span.start().checked_div(size).unwrap_or(0);
                        places.extend(found.first_wrong.iter().map(|n| base.saturating_add(*n)));
                        places.extend((found.count < pages).then(|| base.saturating_add(found.count)));
                    }
                    _ if span.is_empty() => {}
                    _ => {
                        self.unknown
                            .get_or_insert_with(|| "the image was not read to its end".to_owned());
                    }
                }
                at = at.saturating_add(1);
            }
            if wrong > 0 {
                self.wrong_pages(directory, wrong, &places, size);
            }
        }
    }

    fn wrong_pages(&mut self, directory: &Directory, wrong: u64, places: &[u64], size: u64) {
        let span = |page: &u64| {
            let all = Span::saturating_at(page.saturating_mul(size), size);
            all.intersect(Span::new(0, directory.limit))
        };
        let fact = &self.image.fact;
        let mut parts: Vec<String> = Vec::new();
        let held = fact
            .parts
            .iter()
            .filter(|(part, _)| places.iter().any(|p| span(p).overlaps(*part)));
        for (_, name) in held.take(256) {
            if !parts.iter().any(|other| **other == **name) && parts.len() < NAMED {
                parts.push(name.to_string());
            }
        }
        let numbers: Vec<String> = places.iter().take(NAMED).map(u64::to_string).collect();
        let mut list = numbers.join(", ");
        if wrong > u64::try_from(NAMED).unwrap_or(u64::MAX) {
            list.push_str(" ...");
        }
        let total: u64 = directory.ranges.iter().map(|(s, _)| s.len().div_ceil(size)).sum();
        let mut message = format!(
            "{wrong} of {total} pages of {size} bytes are not those that were signed, by {}: {list}",
            directory.digest_name()
        );
        if places.contains(&0) {
            message.push_str("; the first holds the header and the load commands");
            if let Some(after) = fact.after.first() {
                message = format!("{message}, of which {after} stands behind LC_CODE_SIGNATURE");
            }
        }
        let ad_hoc = self.has(ADHOC) || self.has(LINKER_SIGNED);
        let case = if ad_hoc { "ad-hoc" } else { "digest" };
        let place = places.first().map_or(directory.span, span);
        let key = format!("pages {}", directory.digest_name());
        let mut finding = self
            .invalid(place, case, message, &key)
            .evidence("pages", Value::List(numbers))
            .evidence("page_size", size)
            .evidence("parts", Value::List(parts));
        if places.contains(&0) && !fact.after.is_empty() {
            let after = fact.after.iter().take(NAMED).map(|name| name.to_string()).collect();
            finding = finding.evidence("behind_signature_command", Value::List(after));
        }
        self.out.finding(finding);
    }

    /// Holds what else is sealed against its digests.
    pub(super) fn special(&mut self) {
        let signed = self.signed;
        let blobs = || signed.blob.blobs.iter().filter(|b| (2..0x1000).contains(&b.slot));
        let mut sealed: Vec<(u32, bool)> = blobs().map(|b| (b.slot, true)).collect();
        for directory in &signed.directories {
            for (slot, stated) in (1u32..).zip(&directory.special) {
                if stated.is_empty() {
                    continue;
                }
                let digest = |bytes: &[u8]| {
                    let mut digest = directory.algorithm.digest(bytes);
                    digest.truncate(directory.kept);
                    digest == *stated
                };
                match signed.blob.slot(slot) {
                    Some(blob) if digest(signed.blob.bytes(blob)) => {}
                    Some(blob) => {
                        let message = format!("the {} are not those that were signed", slot_name(slot));
                        let key = format!("slot {slot}");
                        let finding = self.invalid(blob.span, "special-slot", message, &key);
                        self.out.finding(finding);
                    }
                    None if slot == 1 => {
                        let other = self.image.info_plist.as_ref().is_some_and(|list| !digest(list));
                        if let Some(span) = self.image.fact.info_plist.filter(|_| other) {
                            self.other_list(span);
                        }
                    }
                    // Of a bundle, and of a disk image: they lie elsewhere.
                    None if matches!(slot, 3 | 4 | 6) => {}
                    None => {
                        let message = format!("the {} were signed and are not there", slot_name(slot));
                        let key = format!("slot {slot}");
                        let finding = self.invalid(directory.span, "special-slot", message, &key);
                        self.out.finding(finding);
                    }
                }
            }
            for (slot, all) in &mut sealed {
                let place = usize::try_from(*slot).ok().and_then(|n| n.checked_sub(1));
                let stated = place.and_then(|n| directory.special.get(n));
                *all &= stated.is_some_and(|digest| !digest.is_empty());
            }
        }
        for blob in blobs() {
            if sealed.contains(&(blob.slot, true)) {
                self.sealed.push(blob.span);
            } else {
                let name = slot_name(blob.slot);
                let message = format!("the {name} stand in the signature, and no digest of them is signed");
                let key = format!("slot {}", blob.slot);
                let finding = self.invalid(blob.span, "special-slot", message, &key);
                self.out.finding(finding);
            }
        }
    }

    /// A program in a bundle has the bundle's list sealed, and may carry one of its own besides.
    fn other_list(&mut self, span: Span) {
        let message = "the Info.plist inside the image is not the one that was signed, which may be a bundle's own";
        let finding = Finding::new(code::SIGNATURE_INVALID, span, message).case("info-plist");
        self.out.finding(finding.key("slot 1").evidence("scheme", SCHEME));
    }
}
