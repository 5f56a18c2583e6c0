//! What the rules that meet in one place allow and deny together, and what that means for an act.
//!
//! The programs in the kernel do the same; this is the reading their tests and ours hold them against.

use super::nfa::Part;
use probity_abi::access;
use probity_abi::policy::Grant;

/// What one rule grants by itself.
pub(crate) fn of(part: Part) -> Grant {
    let by_bit = |bits: u8| std::array::from_fn(|bit| if bits >> bit & 1 == 1 { part.rule } else { 0 });
    Grant {
        allow: part.allow,
        deny: part.deny,
        exact: if part.exact { part.allow } else { 0 },
        reserved: 0,
        allow_rule: by_bit(part.allow),
        deny_rule: by_bit(part.deny),
    }
}

/// Both together. Of two rules for one bit the first in the declared set is named.
pub fn unite(one: &Grant, other: &Grant) -> Grant {
    let first = |one: [u16; access::BITS], other: [u16; access::BITS]| {
        std::array::from_fn(|bit| match (one[bit], other[bit]) {
            (0, rule) | (rule, 0) => rule,
            (one, other) => one.min(other),
        })
    };
    Grant {
        allow: one.allow | other.allow,
        deny: one.deny | other.deny,
        exact: one.exact | other.exact,
        reserved: 0,
        allow_rule: first(one.allow_rule, other.allow_rule),
        deny_rule: first(one.deny_rule, other.deny_rule),
    }
}

/// What an act is, held against a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Every needed bit is allowed and none is denied; the rule that allows the lowest, 0 when nothing was needed.
    Declared(u16),
    /// Bits that no rule allows.
    Undeclared(u8),
    /// The rule that denies the lowest denied bit, and all denied bits.
    Denied(u16, u8),
}

/// Decides about an act that needs the bits `needed` of [`access`]. Deny beats allow.
pub fn decide(grant: &Grant, needed: u8) -> Decision {
    let lowest =
        |bits: u8, rules: &[u16; access::BITS]| rules.get(bits.trailing_zeros() as usize).copied().unwrap_or(0);
    let (denied, missing) = (needed & grant.deny, needed & !grant.allow);
    if denied != 0 {
        Decision::Denied(lowest(denied, &grant.deny_rule), denied)
    } else if missing != 0 {
        Decision::Undeclared(missing)
    } else {
        Decision::Declared(lowest(needed, &grant.allow_rule))
    }
}
