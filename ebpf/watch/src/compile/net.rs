//! From network rules to the tries `NET4` and `NET6` and the map `NET_PORTS`.
//!
//! A trie answers with the longest prefix alone, so that each prefix's entry says what all rules around it say. Prefixes
//! about which the same rules speak share an entry, and [`NetCompiler`] keeps the numbers from one compilation to the next:
//! when a name is resolved, only what is new changes. A port by number holds what the rules for every port say as well.
//!
//! An IPv4 address inside IPv6 (`::ffff:a.b.c.d`) is the IPv4 address, here and in the kernel's programs; `::/0` does not
//! hold it. The unspecified address of a listener is held by rules without a network and by rules for it alone.

use super::CompileError;
use probity_abi::net::{CONNECT, LISTEN, NetGrant, NetKey};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// The most entries of `NET_PORTS`.
pub const MOST_PORTS: usize = 1 << 17;

/// Ports of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortSet {
    /// Every port.
    Any,
    /// These; port 0 among them is not a port. None when empty.
    Ranges(Vec<RangeInclusive<u16>>),
}

/// A rule for the remote addresses of connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetRule {
    /// The rule's number, counted from 1.
    pub rule: u16,
    /// Networks: an address and how many of its leading bits count.
    pub cidrs: Vec<(IpAddr, u8)>,
    /// Remote ports.
    pub ports: PortSet,
    /// IP protocols.
    pub protos: Vec<u8>,
    /// It denies instead of allowing.
    pub deny: bool,
}

/// A rule for the local addresses of listeners.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenRule {
    /// The rule's number, counted from 1.
    pub rule: u16,
    /// The network; every address, the unspecified ones among them, when absent.
    pub network: Option<(IpAddr, u8)>,
    /// Local ports.
    pub ports: PortSet,
    /// IP protocols.
    pub protos: Vec<u8>,
    /// It denies instead of allowing.
    pub deny: bool,
}

/// A prefix: the bits of an address that count, and how many. The rest is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    /// The first address; never an IPv4 address inside IPv6.
    pub address: IpAddr,
    /// At most 32 or 128.
    pub length: u8,
}

impl Prefix {
    /// The prefix that holds an address, with an IPv4 network inside IPv6 as what it is.
    ///
    /// # Errors
    ///
    /// [`CompileError::Prefix`] when the length is beyond the address.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, CompileError> {
        let (address, length) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if length >= 96 => (v4, length.wrapping_sub(96)),
            (address, _) => (address, length),
        };
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
            _ => return Err(CompileError::Prefix { address, length }),
        };
        Ok(Self { address, length })
    }

    /// Whether it holds all of another.
    pub fn includes(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.length <= other.length
            && Self::new(other.address, self.length).is_ok_and(|wider| wider == *self)
    }

    fn is_unspecified(&self) -> bool {
        self.address.is_unspecified() && self.length == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

/// What the maps are to hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NetTables {
    /// The tries, both kinds of addresses together: a prefix's entry.
    pub prefixes: BTreeMap<Prefix, u32>,
    /// The map `NET_PORTS`, sorted by entry, direction, protocol and port.
    pub ports: BTreeMap<(u32, u8, u8, u16), (u16, u16)>,
}

impl NetTables {
    /// Keys and values of `NET_PORTS`.
    pub fn port_entries(&self) -> impl Iterator<Item = (NetKey, NetGrant)> {
        self.ports.iter().map(|(key, grant)| {
            let (entry, direction, protocol, port) = *key;
            let key = NetKey {
                entry,
                port,
                protocol,
                direction,
            };
            let (allow_rule, deny_rule) = *grant;
            (key, NetGrant { allow_rule, deny_rule })
        })
    }

    /// What the programs find for an address: the entry of the longest prefix; in it the port by number, else every port.
    pub fn look_up(&self, direction: u8, address: IpAddr, protocol: u8, port: u16) -> Option<NetGrant> {
        let address = address.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let entry = (0..=longest)
            .rev()
            .find_map(|length| self.prefixes.get(&Prefix::new(address, length).ok()?))
            .copied()?;
        let held = [port, 0]
            .into_iter()
            .find_map(|port| self.ports.get(&(entry, direction, protocol, port)));
        held.map(|(allow_rule, deny_rule)| NetGrant {
            allow_rule: *allow_rule,
            deny_rule: *deny_rule,
        })
    }
}

/// Compiles network rules again and again, keeping the numbers of entries.
#[derive(Debug, Default)]
pub struct NetCompiler {
    entries: HashMap<Vec<Speaker>, u32>,
}

/// A rule that speaks about a prefix, with what it says; entries with the same speakers are the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Speaker {
    direction: u8,
    rule: u16,
    deny: bool,
    protos: Vec<u8>,
    /// Sorted, apart from each other; `None` for every port.
    ports: Option<Vec<(u16, u16)>>,
}

impl NetCompiler {
    /// The tables for rules.
    ///
    /// # Errors
    ///
    /// A prefix that is none, or more ports by number than [`MOST_PORTS`].
    pub fn compile(&mut self, rules: &[NetRule], listens: &[ListenRule]) -> Result<NetTables, CompileError> {
        let everywhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let mut said: Vec<(Prefix, Speaker)> = Vec::new();
        for rule in rules {
            for (address, length) in &rule.cidrs {
                let speaker = speaker(CONNECT, rule.rule, rule.deny, &rule.protos, &rule.ports);
                said.push((Prefix::new(*address, *length)?, speaker));
            }
        }
        let mut prefixes: BTreeSet<Prefix> = BTreeSet::new();
        for rule in listens {
            let speaker = speaker(LISTEN, rule.rule, rule.deny, &rule.protos, &rule.ports);
            match rule.network {
                Some((address, length)) => said.push((Prefix::new(address, length)?, speaker)),
                None => {
                    for address in everywhere {
                        // Twice: for every address, and by name for the unspecified one.
                        said.push((Prefix::new(address, 0)?, speaker.clone()));
                        said.push((
                            Prefix::new(address, if address.is_ipv4() { 32 } else { 128 })?,
                            speaker.clone(),
                        ));
                    }
                }
            }
        }
        prefixes.extend(said.iter().map(|(prefix, _)| *prefix));
        for address in everywhere {
            let single = Prefix::new(address, if address.is_ipv4() { 32 } else { 128 })?;
            let reached = said
                .iter()
                .any(|(prefix, speaker)| speaker.direction == LISTEN && prefix.includes(&single));
            prefixes.extend(reached.then_some(single));
        }
        let mut tables = NetTables::default();
        let mut written = HashSet::new();
        for prefix in prefixes {
            let speaks = |(around, speaker): &&(Prefix, Speaker)| {
                let exact = speaker.direction == LISTEN && prefix.is_unspecified();
                if exact {
                    *around == prefix
                } else {
                    around.includes(&prefix)
                }
            };
            let mut speakers: Vec<Speaker> = said.iter().filter(speaks).map(|(_, speaker)| speaker.clone()).collect();
            speakers.sort();
            speakers.dedup();
            let fresh = self.entries.len() as u32 + 1;
            let entry = *self.entries.entry(speakers.clone()).or_insert(fresh);
            if written.insert(entry) {
                add_ports(&mut tables.ports, entry, &speakers)?;
            }
            tables.prefixes.insert(prefix, entry);
        }
        Ok(tables)
    }
}

fn speaker(direction: u8, rule: u16, deny: bool, protos: &[u8], ports: &PortSet) -> Speaker {
    let mut protos = protos.to_vec();
    protos.sort_unstable();
    protos.dedup();
    let ports = match ports {
        PortSet::Any => None,
        PortSet::Ranges(ranges) => {
            let mut ranges: Vec<(u16, u16)> = ranges
                .iter()
                .map(|range| ((*range.start()).max(1), *range.end()))
                .filter(|(a, b)| a <= b)
                .collect();
            ranges.sort_unstable();
            let mut apart: Vec<(u16, u16)> = Vec::new();
            for (first, last) in ranges {
                match apart.last_mut() {
                    Some(before) if u32::from(first) <= u32::from(before.1) + 1 => before.1 = before.1.max(last),
                    _ => apart.push((first, last)),
                }
            }
            // All that there are is every port.
            if apart == [(1, u16::MAX)] { None } else { Some(apart) }
        }
    };
    Speaker {
        direction,
        rule,
        deny,
        protos,
        ports,
    }
}

/// Writes what speakers say into an entry.
fn add_ports(
    ports: &mut BTreeMap<(u32, u8, u8, u16), (u16, u16)>,
    entry: u32,
    speakers: &[Speaker],
) -> Result<(), CompileError> {
    let say = |grant: &mut (u16, u16), speaker: &Speaker| {
        let rule = if speaker.deny { &mut grant.1 } else { &mut grant.0 };
        if *rule == 0 || speaker.rule < *rule {
            *rule = speaker.rule;
        }
    };
    for speaker in speakers {
        let by_number: usize = speaker
            .ports
            .iter()
            .flatten()
            .map(|(a, b)| usize::from(b - a) + 1)
            .sum();
        if ports.len() + by_number * speaker.protos.len() > MOST_PORTS {
            return Err(CompileError::Ports {
                rule: speaker.rule,
                most: MOST_PORTS,
            });
        }
        for protocol in &speaker.protos {
            let numbers = speaker.ports.iter().flatten().flat_map(|(first, last)| *first..=*last);
            let every = speaker.ports.is_none().then_some(0);
            for port in numbers.chain(every) {
                say(
                    ports.entry((entry, speaker.direction, *protocol, port)).or_default(),
                    speaker,
                );
            }
        }
    }
    for speaker in speakers.iter().filter(|speaker| speaker.ports.is_none()) {
        for protocol in &speaker.protos {
            let all = (entry, speaker.direction, *protocol, 1)..=(entry, speaker.direction, *protocol, u16::MAX);
            ports.range_mut(all).for_each(|(_, grant)| say(grant, speaker));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
