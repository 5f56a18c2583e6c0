//! From rules for socket families and abstract names to the maps `FAMILIES` and `ABSTRACTS`.
//!
//! A key of `FAMILIES` may stand for every type and every protocol. The programs take the first of the keys that fit, from
//! the narrowest on, so that each key says what the wider ones say, and where two keys cross there is one for both.

use super::CompileError;
use probity_abi::net::{ABSTRACT_NAME, AbstractKey, FamilyKey};
use std::collections::{BTreeMap, BTreeSet};

/// In a value of `FAMILIES`: the rule denies.
pub const FAMILY_DENIED: u16 = 0x8000;
/// In a key of `FAMILIES`: every type of socket.
pub const ANY_TYPE: u16 = 0;
/// In a key of `FAMILIES`: every protocol.
pub const ANY_PROTOCOL: u32 = 0xffff;

/// A rule for what `socket()` may make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FamilyRule {
    /// The rule's number, counted from 1; below [`FAMILY_DENIED`].
    pub rule: u16,
    /// AF_*.
    pub family: u16,
    /// SOCK_* without flags; every type when absent.
    pub sock_type: Option<u16>,
    /// The protocol; every one when absent.
    pub protocol: Option<u32>,
    /// It denies instead of allowing.
    pub deny: bool,
}

/// A rule for an abstract socket name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AbstractRule {
    /// The rule's number, counted from 1.
    pub rule: u16,
    /// The bytes behind the zero; any bytes.
    pub name: Vec<u8>,
    /// It denies instead of allowing.
    pub deny: bool,
}

/// The most bytes of an abstract name: `sun_path` without the zero in front.
pub const MOST_NAME: usize = ABSTRACT_NAME - 1;

/// Family, type, protocol: sorts and compares, unlike the key itself.
type Kind = (u16, u16, u32);

/// Keys and values of `FAMILIES`: a rule, with [`FAMILY_DENIED`] where it denies. Deny beats allow; of several rules the
/// first is named.
///
/// # Errors
///
/// [`CompileError::RuleNumber`].
pub fn families(rules: &[FamilyRule]) -> Result<Vec<(FamilyKey, u16)>, CompileError> {
    if let Some(rule) = rules.iter().find(|rule| rule.rule >= FAMILY_DENIED) {
        return Err(CompileError::RuleNumber {
            rule: rule.rule,
            most: FAMILY_DENIED - 1,
        });
    }
    let kind = |rule: &FamilyRule| -> Kind {
        (
            rule.family,
            rule.sock_type.unwrap_or(ANY_TYPE),
            rule.protocol.unwrap_or(ANY_PROTOCOL),
        )
    };
    let own: BTreeSet<Kind> = rules.iter().map(kind).collect();
    let crossings = own
        .iter()
        .flat_map(|one| own.iter().filter_map(|other| both(*one, *other)));
    let kinds: BTreeSet<Kind> = crossings.collect();
    let value = |wanted: Kind| {
        let around = rules.iter().filter(|rule| both(kind(rule), wanted) == Some(wanted));
        let said = around.map(|rule| (!rule.deny, rule.rule)).min();
        said.map_or(0, |(allowed, rule)| if allowed { rule } else { rule | FAMILY_DENIED })
    };
    let entry = |kind: Kind| {
        let (family, sock_type, protocol) = kind;
        let key = FamilyKey {
            family,
            sock_type,
            protocol,
        };
        (key, value(kind))
    };
    Ok(kinds.into_iter().map(entry).collect())
}

/// What two kinds have in common.
fn both(one: Kind, other: Kind) -> Option<Kind> {
    fn meet<T: PartialEq>(one: T, other: T, any: T) -> Option<T> {
        match (one == any, other == any) {
            (true, _) => Some(other),
            (_, true) => Some(one),
            _ => (one == other).then_some(one),
        }
    }
    let family = (one.0 == other.0).then_some(one.0)?;
    Some((
        family,
        meet(one.1, other.1, ANY_TYPE)?,
        meet(one.2, other.2, ANY_PROTOCOL)?,
    ))
}

/// Keys and values of `ABSTRACTS`: the allowing rule, and the denying one shifted by 16.
///
/// # Errors
///
/// [`CompileError::AbstractName`].
pub fn abstracts(rules: &[AbstractRule]) -> Result<Vec<(AbstractKey, u32)>, CompileError> {
    let mut names: BTreeMap<&[u8], (u16, u16)> = BTreeMap::new();
    for rule in rules {
        if rule.name.len() > MOST_NAME {
            return Err(CompileError::AbstractName {
                length: rule.name.len(),
                most: MOST_NAME,
            });
        }
        let (allow, deny) = names.entry(&rule.name).or_default();
        let number = if rule.deny { deny } else { allow };
        if *number == 0 || rule.rule < *number {
            *number = rule.rule;
        }
    }
    let entries = names.into_iter().map(|(name, (allow, deny))| {
        let mut key = AbstractKey {
            len: name.len() as u32,
            name: [0; ABSTRACT_NAME],
        };
        key.name[..name.len()].copy_from_slice(name);
        (key, u32::from(allow) | u32::from(deny) << 16)
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INET: u16 = 2;
    const RAW: u16 = 3;
    const MPTCP: u32 = 262;

    fn rule(rule: u16, family: u16, sock_type: Option<u16>, protocol: Option<u32>, deny: bool) -> FamilyRule {
        FamilyRule {
            rule,
            family,
            sock_type,
            protocol,
            deny,
        }
    }

    #[test]
    fn the_narrowest_key_says_what_all_rules_say() {
        let rules = [
            rule(1, INET, None, None, false),
            rule(2, INET, Some(RAW), None, true),
            rule(3, INET, None, Some(MPTCP), true),
            rule(4, INET, Some(1), Some(6), false),
            rule(5, 16, None, Some(0), false),
        ];
        let table = families(&rules).unwrap();
        let found = |family: u16, sock_type: u16, protocol: u32| {
            let tried = [
                (sock_type, protocol),
                (sock_type, ANY_PROTOCOL),
                (ANY_TYPE, protocol),
                (ANY_TYPE, ANY_PROTOCOL),
            ];
            let value = |(sock_type, protocol)| {
                let key = FamilyKey {
                    family,
                    sock_type,
                    protocol,
                };
                table.iter().find(|entry| entry.0 == key).map(|entry| entry.1)
            };
            tried.into_iter().find_map(value)
        };
        assert_eq!(found(INET, 1, 6), Some(1));
        assert_eq!(found(INET, 1, 0), Some(1));
        assert_eq!(found(INET, RAW, 1), Some(FAMILY_DENIED | 2));
        assert_eq!(found(INET, 1, MPTCP), Some(FAMILY_DENIED | 3));
        assert_eq!(found(INET, RAW, MPTCP), Some(FAMILY_DENIED | 2));
        assert_eq!(found(16, RAW, 0), Some(5));
        assert_eq!(found(16, RAW, 9), None);
        assert_eq!(found(17, RAW, 0), None);
        assert!(families(&[rule(0x8000, INET, None, None, false)]).is_err());
    }

    #[test]
    fn an_abstract_name_is_its_bytes_and_their_number() {
        let named = |rule: u16, name: &[u8], deny: bool| AbstractRule {
            rule,
            name: name.to_vec(),
            deny,
        };
        let rules = [
            named(3, b"bus", false),
            named(2, b"bus", true),
            named(1, b"bus", false),
            named(4, b"bus\0", true),
        ];
        let table = abstracts(&rules).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(
            (table[0].0.len, &table[0].0.name[..4], table[0].1),
            (3, &b"bus\0"[..], 1 | 2 << 16)
        );
        assert_eq!((table[1].0.len, table[1].1), (4, 4 << 16));
        assert!(abstracts(&[named(1, &[b'x'; MOST_NAME], false)]).is_ok());
        assert!(abstracts(&[named(1, &[b'x'; MOST_NAME + 1], false)]).is_err());
    }
}
