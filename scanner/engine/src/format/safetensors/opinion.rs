//! The second opinion: what the `safetensors` crate makes of the same header.
//!
//! The crate also refuses holes, overlaps and trailing bytes; those are the ledger's findings and not told twice here.
//! Its deserialiser buffers every value at many times its size, so a header of more than half a million tokens (some
//! thirty-five thousand tensors, more than any published file has) is not given to it.

use super::header::Account;
use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::name;
use crate::span::Span;
use safetensors::tensor::Metadata;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The most JSON tokens of a header that is given to the crate: it takes some hundred bytes for each.
const MOST_TOKENS: u64 = 500_000;

/// What the crate answers.
enum Answer {
    Accepts(Box<Metadata>),
    Rejects(String),
}

/// Compares the crate's reading of `header` with the account given in `out`.
pub(super) fn compare(header: &[u8], account: &Account, data: Option<Span>, out: &mut Parse) {
    let Some(data) = data else { return };
    if account.tokens > MOST_TOKENS {
        return;
    }
    let read = catch_unwind(AssertUnwindSafe(|| match serde_json::from_slice::<Metadata>(header) {
        Ok(metadata) => Answer::Accepts(Box::new(metadata)),
        Err(error) => Answer::Rejects(error.to_string()),
    }));
    let answer = read.unwrap_or_else(|_| Answer::Rejects("panicked".to_owned()));
    let found = match answer {
        Answer::Accepts(_) if account.broken => {
            let message = "the safetensors crate accepts a header that breaks a rule of the format";
            Some(disagreement(data, message).case("accepts").key("accepts"))
        }
        Answer::Accepts(metadata) if !account.repeats => difference(&metadata, account, data, out),
        Answer::Rejects(why) if !account.broken && !account.repeats && contiguous(data, out) => {
            let message = "the safetensors crate rejects a header that keeps the rules of the format";
            Some(
                disagreement(data, message)
                    .evidence("why", name::printable(why.as_bytes()))
                    .case("rejects")
                    .key("rejects"),
            )
        }
        _ => None,
    };
    if let Some(finding) = found {
        out.finding(finding);
    }
}

/// The first difference between both readings of a sound header.
fn difference(metadata: &Metadata, account: &Account, data: Span, out: &Parse) -> Option<Finding> {
    let count = u64::try_from(metadata.tensors().len()).unwrap_or(u64::MAX);
    if count != account.tensors {
        let message = format!(
            "the safetensors crate finds {count} tensors where {} stand",
            account.tensors
        );
        return Some(disagreement(data, message).case("name").key("count"));
    }
    let number = |n: usize| u64::try_from(n).ok();
    out.facts().iter().find_map(|fact| {
        let Fact::Tensor {
            name,
            dtype,
            shape,
            span,
        } = fact
        else {
            return None;
        };
        let shown = name::printable(name.as_bytes());
        let Some(info) = metadata.info(name) else {
            let message = format!("the safetensors crate finds no tensor {shown}");
            return Some(disagreement(*span, message).case("name").key(shown));
        };
        let (begin, end) = info.data_offsets;
        let place = |n: usize| {
            number(n)
                .and_then(|n| n.checked_add(data.start()))
                .map(|n| n.min(data.end()))
        };
        let same = place(begin) == Some(span.start().min(data.end()))
            && place(end) == Some(span.end())
            && info.dtype.to_string() == **dtype
            && info.shape.iter().map(|d| number(*d)).eq(shape.iter().map(|d| Some(*d)));
        (!same).then(|| {
            let message = format!("the safetensors crate reads another place, shape or dtype for tensor {shown}");
            let theirs = format!("{} {:?} at {begin}..{end}", info.dtype, info.shape);
            disagreement(*span, message)
                .evidence("crate", theirs)
                .case("extent")
                .key(shown)
        })
    })
}

/// Whether the tensors follow each other without hole or overlap from the start of the data on.
fn contiguous(data: Span, out: &Parse) -> bool {
    let tensors = out.facts().iter().filter_map(|fact| match fact {
        Fact::Tensor { span, .. } => Some(*span),
        _ => None,
    });
    let mut spans: Vec<Span> = tensors.collect();
    spans.sort_unstable();
    let mut at = data.start();
    spans.iter().all(|span| {
        let follows = span.start() == at;
        at = span.end();
        follows
    })
}

fn disagreement(span: Span, message: impl Into<String>) -> Finding {
    Finding::new(code::READER_DISAGREEMENT, span, message).region("header")
}
