//! The records of a pax extended header (POSIX.1-2017, `pax`, "pax Extended Header"): `"%d %s=%s\n"`, where the number
//! is the length of the whole record, itself included.

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// What it sets.
    pub(super) key: &'a [u8],
    /// The value; may hold any byte.
    pub(super) value: &'a [u8],
}

/// The records of `data` up to the first that breaks the rule; its offset is the error.
pub(super) fn records(data: &[u8]) -> (Vec<Record<'_>>, Option<usize>) {
    let (mut found, mut at) = (Vec::new(), 0usize);
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        // Some writers count the block's zero fill as data.
        if rest.iter().all(|byte| *byte == 0) {
            break;
        }
        let Some((record, length)) = record(rest) else {
            return (found, Some(at));
        };
        found.push(record);
        at = at.saturating_add(length);
    }
    (found, None)
}

fn record(rest: &[u8]) -> Option<(Record<'_>, usize)> {
    let digits = rest.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = decimal(rest.get(..digits)?).and_then(|length| usize::try_from(length).ok())?;
    let body = rest.get(digits.checked_add(1)?..length)?;
    let body = body.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let record = Record {
        key: body.get(..equals)?,
        value: body.get(equals.checked_add(1)?..)?,
    };
    Some((record, length))
}

/// A decimal number without sign or blanks.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_where_their_length_says_and_nowhere_else() {
        for (data, keys, broken) in [
            (&b"9 k=v\nxx\n"[..], &[&b"k"[..]][..], None),
            (b"6 k=v\n7 kk=v\n", &[b"k", b"kk"], None),
            (b"6 k=v\n8 kk=v\n", &[b"k"], Some(6)),
            (b"6 k=v\n7 k=vv\n", &[b"k", b"k"], None),
            (b"6 k=v\n\0\0\0", &[b"k"], None),
            (b"6 k=v ", &[], Some(0)),
            (b"99 k=v\n", &[], Some(0)),
            (b"5 kv\n", &[], Some(0)),
            (b"-6 k=v\n", &[], Some(0)),
            (b"99999999999999999999999 k=v\n", &[], Some(0)),
            (b"1 k=v\n", &[], Some(0)),
            (b"", &[], None),
        ] {
            let (found, fault) = records(data);
            let found: Vec<&[u8]> = found.iter().map(|record| record.key).collect();
            assert_eq!((&found[..], fault), (keys, broken), "{}", String::from_utf8_lossy(data));
        }
    }
}
