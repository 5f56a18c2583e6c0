//! What a closed artifact hands up to its container: read once more, and held against its digest.

use super::tree::Node;
use crate::finding::{ErrorCode, ScanError};
use crate::inspect::container::{Export, Want};
use crate::source::{Limits, Quota, ReadAt, read_full_at};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The export of `node`, when its container wants one.
pub(super) fn take(
    quota: &mut Quota,
    source: &dyn ReadAt,
    node: &Node,
    sha256: Option<[u8; 32]>,
    errors: &mut Vec<ScanError>,
) -> Option<Box<Export>> {
    let want = node.place.want;
    let text = matches!(node.format, "json" | "text" | "script");
    let export = match want {
        Want::Nothing => return None,
        Want::NoRoom => {
            let message = "the files of this directory hand up too much: this one is not held against the others";
            errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
            return None;
        }
        Want::Tensors | Want::Blob(_) if node.format == "safetensors" => Export::of_tensors(&node.facts)?,
        Want::Tensors => return None,
        Want::Blob(_) if !text => return None,
        Want::Text(most) | Want::Blob(most) if node.window.len() > most => Export::TooLong(node.window.len()),
        // Nobody writes sources of that length by hand, and no configuration names one.
        Want::Python if node.window.len() > want.most() => return None,
        Want::Text(_) | Want::Blob(_) | Want::Python => {
            let bytes = bytes(source, node, errors)?;
            if sha256.is_some_and(|digest| digest[..] != Sha256::digest(&bytes)[..]) {
                let message = "the bytes that were swept are not those its container is judged by";
                errors.push(ScanError::new(ErrorCode::ChangedDuringScan, message));
                return None;
            }
            Export::of_text(want, &bytes)?
        }
    };
    if !quota.export(export.weight()) {
        let message = format!(
            "members hand up more than {} bytes: this one is not held against the others",
            Limits::EXPORTS
        );
        errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
        return None;
    }
    Some(Box::new(export))
}

fn bytes<'s>(source: &'s dyn ReadAt, node: &Node, errors: &mut Vec<ScanError>) -> Option<Cow<'s, [u8]>> {
    let (start, end) = (node.window.start(), node.window.end());
    if let Some(all) = source.as_slice() {
        let from = usize::try_from(start).ok()?;
        return all.get(from..usize::try_from(end).ok()?).map(Cow::Borrowed);
    }
    let mut out = vec![0u8; usize::try_from(node.window.len()).ok()?];
    match read_full_at(source, &mut out, start) {
        Ok(n) if n == out.len() => Some(Cow::Owned(out)),
        _ => {
            errors.push(ScanError::new(ErrorCode::Unreadable, "cannot be read again"));
            None
        }
    }
}
