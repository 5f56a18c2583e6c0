//! The host names behind addresses, from the DNS answers that the tree received.
//!
//! An answer counts when it came from port 53. Its addresses then belong to the name that was *asked*, wherever a chain of
//! CNAMEs led, for as long as its TTL says, but at least 30 s. An address may have several names (a shared front end): each
//! is offered, the newest first, so that a declared host behind such an address also covers another one; the name
//! evidence `dns` means no more than that. What asks without port 53 (nss-resolve, nscd, DNS over TLS or HTTPS) leaves no
//! trace here: such connections stay `ip-only`.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used
    )
)]

pub mod dns;

use crate::act::{Act, Kind, Object};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The only port from which an answer is believed.
const DNS_PORT: u16 = 53;
/// A name is remembered at least this long, seconds: programs connect a little later than they ask.
const SHORTEST_TTL: u32 = 30;
/// A name is remembered at most this long, seconds.
const LONGEST_TTL: u32 = 24 * 3600;
/// Names remembered for one address.
const NAMES_PER_ADDRESS: usize = 16;
/// Addresses remembered.
const ADDRESSES: usize = 16_384;
/// Aliases remembered (one name whose addresses are asked for under another).
const ALIASES: usize = 4_096;
/// Aliases followed backwards from a name.
const ALIAS_STEPS: usize = 8;
const NANOSECONDS: u64 = 1_000_000_000;

/// What is known about addresses. Time is that of the acts: nanoseconds since boot.
#[derive(Default, Debug)]
pub struct Names {
    addresses: HashMap<IpAddr, Vec<Known>>,
    aliases: HashMap<Arc<str>, Vec<Known>>,
    answers: u64,
    refused: u64,
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Known {
    host: Arc<str>,
    learned: u64,
    until: u64,
}

impl Names {
    /// Takes in a `net.dns` act; other acts change nothing. Gives the number of addresses it named.
    pub fn absorb(&mut self, act: &Act) -> usize {
        let Object::Datagram { port, bytes, .. } = &act.object else {
            return 0;
        };
        if act.kind != Kind::NET_DNS {
            return 0;
        }
        let answer = match dns::parse(bytes) {
            Ok(answer) if *port == DNS_PORT => answer,
            _ => {
                self.refused = self.refused.saturating_add(1);
                return 0;
            }
        };
        self.answers = self.answers.saturating_add(1);
        let hosts = self.asked_for(answer.question.into(), act.time);
        for (target, ttl) in answer.aliases {
            for host in &hosts {
                let known = Known::new(Arc::clone(host), act.time, ttl);
                remember(&mut self.aliases, Arc::from(target.as_str()), known);
            }
        }
        let named = answer.addresses.len();
        for (ip, ttl) in answer.addresses {
            for host in hosts.iter().rev() {
                remember(
                    &mut self.addresses,
                    ip.to_canonical(),
                    Known::new(Arc::clone(host), act.time, ttl),
                );
            }
        }
        let dropped = make_room(&mut self.addresses, ADDRESSES, act.time);
        self.forgotten = self.forgotten.saturating_add(dropped);
        make_room(&mut self.aliases, ALIASES, act.time);
        named
    }

    /// The names of an address at `time`, the one learned last first.
    pub fn hosts(&self, ip: IpAddr, time: u64) -> impl Iterator<Item = &str> {
        let known = self.addresses.get(&ip.to_canonical()).map_or(&[][..], Vec::as_slice);
        known
            .iter()
            .filter(move |k| k.learned <= time && time <= k.until)
            .map(|k| &*k.host)
    }

    /// The name behind what an act went to.
    #[must_use]
    pub fn resolve(&self, act: &Act) -> Option<&str> {
        let (ip, _) = act.object.address().filter(|_| act.kind.has_peer())?;
        self.hosts(ip, act.time).next()
    }

    /// Answers taken in.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Datagrams that were no answers, or did not come from port 53.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Addresses whose names were forgotten for want of room, before their time.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// A name and the names that are aliases of it: whoever asked for those meant its addresses too.
    fn asked_for(&self, question: Arc<str>, time: u64) -> Vec<Arc<str>> {
        let mut hosts = vec![question];
        let mut at = 0;
        while let Some(known) = hosts.get(at).map(|host| self.aliases.get(host)) {
            for alias in known.into_iter().flatten().filter(|k| time <= k.until) {
                if hosts.len() < ALIAS_STEPS && !hosts.contains(&alias.host) {
                    hosts.push(Arc::clone(&alias.host));
                }
            }
            at = at.saturating_add(1);
        }
        hosts
    }
}

impl Known {
    fn new(host: Arc<str>, time: u64, ttl: u32) -> Self {
        let seconds = u64::from(ttl.clamp(SHORTEST_TTL, LONGEST_TTL));
        Self {
            host,
            learned: time,
            until: time.saturating_add(seconds.saturating_mul(NANOSECONDS)),
        }
    }
}

fn remember<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<Known>>, key: K, known: Known) {
    let names = map.entry(key).or_default();
    let until = names
        .iter()
        .find(|old| old.host == known.host)
        .map_or(0, |old| old.until);
    names.retain(|old| old.host != known.host);
    let until = until.max(known.until);
    names.insert(0, Known { until, ..known });
    names.truncate(NAMES_PER_ADDRESS);
}

/// Forgets what has run out, and when that is not enough the older half. Gives how many were forgotten before their time.
fn make_room<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<Known>>, most: usize, now: u64) -> u64 {
    if map.len() <= most {
        return 0;
    }
    map.retain(|_, names| names.iter().any(|k| k.until >= now));
    if map.len() <= most {
        return 0;
    }
    let mut learned: Vec<u64> = map
        .values()
        .filter_map(|names| names.first())
        .map(|k| k.learned)
        .collect();
    let middle = learned.len() / 2;
    let (_, median, _) = learned.select_nth_unstable(middle);
    let (median, before) = (*median, map.len());
    map.retain(|_, names| names.first().is_some_and(|k| k.learned > median));
    u64::try_from(before.saturating_sub(map.len())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
