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
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
            if !tables.prefixes.values().any(|known| *known == entry) {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> (IpAddr, u8) {
        let (address, length) = text.split_once('/').unwrap();
        (address.parse().unwrap(), length.parse().unwrap())
    }

    fn net(rule: u16, deny: bool, cidrs: &[&str], ports: PortSet) -> NetRule {
        NetRule {
            rule,
            cidrs: cidrs.iter().map(|text| cidr(text)).collect(),
            ports,
            protos: vec![6],
            deny,
        }
    }

    fn listen(rule: u16, network: Option<&str>, ports: PortSet) -> ListenRule {
        ListenRule {
            rule,
            network: network.map(cidr),
            ports,
            protos: vec![6],
            deny: false,
        }
    }

    fn found(tables: &NetTables, direction: u8, address: &str, port: u16) -> (u16, u16) {
        let grant = tables.look_up(direction, address.parse().unwrap(), 6, port);
        grant.map_or((0, 0), |grant| (grant.allow_rule, grant.deny_rule))
    }

    #[test]
    fn a_longer_prefix_says_what_the_shorter_ones_say_too() {
        let https = || PortSet::Ranges(vec![443..=443]);
        let rules = [
            net(1, false, &["0.0.0.0/0", "::/0"], https()),
            net(2, false, &["10.0.0.0/8"], PortSet::Any),
            net(3, true, &["10.1.0.0/16"], PortSet::Ranges(vec![22..=25, 26..=30])),
            net(4, true, &["::ffff:10.2.0.0/112"], PortSet::Any),
        ];
        let tables = NetCompiler::default().compile(&rules, &[]).unwrap();
        let check = |address: &str, port: u16, want: (u16, u16)| {
            assert_eq!(found(&tables, CONNECT, address, port), want, "{address}:{port}");
        };
        check("192.0.2.1", 443, (1, 0));
        check("192.0.2.1", 80, (0, 0));
        check("10.9.9.9", 80, (2, 0));
        check("10.9.9.9", 443, (1, 0));
        check("10.1.2.3", 443, (1, 0));
        check("10.1.2.3", 25, (2, 3));
        check("10.1.2.3", 30, (2, 3));
        check("10.1.2.3", 31, (2, 0));
        check("10.2.2.3", 443, (1, 4));
        check("::ffff:10.2.2.3", 443, (1, 4));
        check("::ffff:192.0.2.1", 80, (0, 0));
        check("2001:db8::1", 443, (1, 0));
        assert_eq!(tables.look_up(CONNECT, "10.9.9.9".parse().unwrap(), 17, 80), None);
        assert_eq!(found(&tables, LISTEN, "10.9.9.9", 80), (0, 0));
        assert!(tables.port_entries().all(|(key, grant)| key.direction == CONNECT
            && grant
                != NetGrant {
                    allow_rule: 0,
                    deny_rule: 0
                }));
    }

    #[test]
    fn the_unspecified_address_is_held_by_its_own_name_and_by_every_address() {
        let check = |network: Option<&str>, address: &str, held: bool| {
            let tables = NetCompiler::default()
                .compile(&[], &[listen(1, network, PortSet::Any)])
                .unwrap();
            assert_eq!(
                found(&tables, LISTEN, address, 80).0 == 1,
                held,
                "{network:?} {address}"
            );
        };
        check(None, "0.0.0.0", true);
        check(None, "::", true);
        check(None, "192.0.2.1", true);
        check(Some("0.0.0.0/32"), "0.0.0.0", true);
        check(Some("0.0.0.0/8"), "0.0.0.0", false);
        check(Some("0.0.0.0/8"), "0.0.0.1", true);
        check(Some("::/0"), "::", false);
        check(Some("127.0.0.0/8"), "127.0.0.1", true);
        check(Some("127.0.0.0/8"), "0.0.0.0", false);
    }

    #[test]
    fn numbers_of_entries_outlive_a_compilation() {
        let mut compiler = NetCompiler::default();
        let mut rules = vec![net(1, false, &["192.0.2.1/32", "192.0.2.2/32"], PortSet::Any)];
        let before = compiler.compile(&rules, &[]).unwrap();
        assert_eq!(
            before.prefixes.values().collect::<BTreeSet<_>>().len(),
            1,
            "the same rules are one entry"
        );
        rules.push(net(2, false, &["192.0.2.2/32"], PortSet::Any));
        rules[0].cidrs.push(cidr("2001:db8::1/128"));
        let after = compiler.compile(&rules, &[]).unwrap();
        let entry = |tables: &NetTables, text: &str| {
            let (address, length) = cidr(text);
            tables.prefixes[&Prefix::new(address, length).unwrap()]
        };
        assert_eq!(entry(&before, "192.0.2.1/32"), entry(&after, "192.0.2.1/32"));
        assert_eq!(entry(&after, "2001:db8::1/128"), entry(&after, "192.0.2.1/32"));
        assert_ne!(entry(&before, "192.0.2.2/32"), entry(&after, "192.0.2.2/32"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let wide = |rule: u16| {
            net(
                rule,
                false,
                &[&format!("10.{rule}.0.0/16")],
                PortSet::Ranges(vec![2..=u16::MAX]),
            )
        };
        let error = NetCompiler::default()
            .compile(&[wide(1), wide(2), wide(3)], &[])
            .unwrap_err();
        assert!(matches!(error, CompileError::Ports { rule: 3, .. }), "{error}");
        let long = net(1, false, &["10.0.0.0/33"], PortSet::Any);
        assert!(matches!(
            NetCompiler::default().compile(&[long], &[]),
            Err(CompileError::Prefix { .. })
        ));
        let none = net(1, false, &["10.0.0.0/8"], PortSet::Ranges(Vec::new()));
        let tables = NetCompiler::default().compile(&[none], &[]).unwrap();
        assert_eq!(tables.ports.len(), 0, "a rule without ports allows none");
    }

    fn a_rule() -> impl Strategy<Value = NetRule> {
        let address = prop_oneof![
            (0..4u32, 0..=32u8).prop_map(|(bits, length)| (IpAddr::V4(Ipv4Addr::from_bits(bits << 30 | bits)), length)),
            (0..4u128, 0..=128u8)
                .prop_map(|(bits, length)| (IpAddr::V6(Ipv6Addr::from_bits(bits << 126 | bits)), length)),
        ];
        let ports = prop_oneof![
            Just(PortSet::Any),
            prop::collection::vec((0..8u16, 0..4u16).prop_map(|(a, n)| a..=a + n), 0..3).prop_map(PortSet::Ranges),
        ];
        (1..6u16, prop::collection::vec(address, 1..3), ports, any::<bool>()).prop_map(|(rule, cidrs, ports, deny)| {
            NetRule {
                rule,
                cidrs,
                ports,
                protos: vec![6],
                deny,
            }
        })
    }

    proptest! {
        #[test]
        fn the_tables_say_what_the_rules_say(
            rules in prop::collection::vec(a_rule(), 0..6),
            bits in 0..4u32,
            v6 in any::<bool>(),
            port in 1..14u16,
        ) {
            let address = if v6 {
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 126 | u128::from(bits)))
            } else {
                IpAddr::V4(Ipv4Addr::from_bits(bits << 30 | bits))
            };
            let holds = |(network, length): &(IpAddr, u8)| match (network, address) {
                (IpAddr::V4(a), IpAddr::V4(b)) => *length == 0 || (a.to_bits() ^ b.to_bits()) >> (32 - length) == 0,
                (IpAddr::V6(a), IpAddr::V6(b)) => *length == 0 || (a.to_bits() ^ b.to_bits()) >> (128 - length) == 0,
                _ => false,
            };
            let speaks = |rule: &&NetRule| {
                let ports = match &rule.ports {
                    PortSet::Any => true,
                    PortSet::Ranges(ranges) => ranges.iter().any(|range| range.contains(&port)),
                };
                ports && rule.cidrs.iter().any(holds)
            };
            let first = |deny: bool| rules.iter().filter(speaks).filter(|r| r.deny == deny).map(|r| r.rule).min();
            let tables = NetCompiler::default().compile(&rules, &[]).unwrap();
            let found = tables.look_up(CONNECT, address, 6, port).map_or((0, 0), |g| (g.allow_rule, g.deny_rule));
            prop_assert_eq!(found, (first(false).unwrap_or(0), first(true).unwrap_or(0)));
        }
    }
}
