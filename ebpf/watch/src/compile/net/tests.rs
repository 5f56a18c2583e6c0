//! The tables against the rules, address by address.

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
        (0..4u128, 0..=128u8).prop_map(|(bits, length)| (IpAddr::V6(Ipv6Addr::from_bits(bits << 126 | bits)), length)),
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
