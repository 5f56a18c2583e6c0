use super::dns::{Answer, DnsError, parse};
use super::*;
use crate::act::tests::Raw;
use probity_abi::{event, kind};
use proptest::prelude::*;

const SECOND: u64 = NANOSECONDS;

/// A message under construction: 12 bytes of header, the question at 12.
struct Message(Vec<u8>);

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

impl Message {
    fn new(question: &str) -> Self {
        let mut bytes = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(name(question));
        bytes.extend([0, 1, 0, 1]);
        Self(bytes)
    }

    fn record(mut self, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Self {
        self.0[7] += 1;
        self.0.extend_from_slice(owner);
        self.0.extend(kind.to_be_bytes());
        self.0.extend([0, 1]);
        self.0.extend(ttl.to_be_bytes());
        self.0.extend((data.len() as u16).to_be_bytes());
        self.0.extend_from_slice(data);
        self
    }
}

fn service(priority: u16, target: &str, params: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = priority.to_be_bytes().to_vec();
    out.extend(name(target));
    for (key, value) in params {
        out.extend(key.to_be_bytes());
        out.extend((value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }
    out
}

fn answer(question: &str, addresses: &[(&str, u32)], aliases: &[(&str, u32)]) -> Answer {
    Answer {
        question: question.into(),
        addresses: addresses
            .iter()
            .map(|(ip, ttl)| (ip.parse().expect("an address"), *ttl))
            .collect(),
        aliases: aliases.iter().map(|(host, ttl)| ((*host).into(), *ttl)).collect(),
    }
}

const QUESTION: &[u8] = &[0xc0, 12];

#[test]
fn an_answer_names_the_addresses_its_question_leads_to() {
    let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (what, message, want) in [
        ("none", Message::new("example.com"), answer("example.com", &[], &[])),
        (
            "a record, its name compressed, in another case",
            Message::new("Example.COM").record(QUESTION, 1, 60, &[192, 0, 2, 1]),
            answer("example.com", &[("192.0.2.1", 60)], &[]),
        ),
        (
            "both families",
            Message::new("example.com")
                .record(QUESTION, 28, 5, &v6)
                .record(QUESTION, 1, 60, &[192, 0, 2, 1]),
            answer("example.com", &[("2001:db8::1", 5), ("192.0.2.1", 60)], &[]),
        ),
        (
            "a chain, its records in the wrong order, the shortest TTL counts",
            Message::new("www.example.com")
                .record(&name("edge.cdn.net"), 1, 300, &[192, 0, 2, 1])
                .record(&name("www.cdn.net"), 5, 40, &name("edge.cdn.net"))
                .record(QUESTION, 5, 900, &name("www.cdn.net")),
            answer(
                "www.example.com",
                &[("192.0.2.1", 40)],
                &[("www.cdn.net", 900), ("edge.cdn.net", 40)],
            ),
        ),
        (
            "a loop of aliases ends",
            Message::new("a.b")
                .record(QUESTION, 5, 9, &name("c.d"))
                .record(&name("c.d"), 5, 9, QUESTION),
            answer("a.b", &[], &[("c.d", 9)]),
        ),
        (
            "records off the chain are not believed",
            Message::new("a.b").record(&name("bank.example"), 1, 60, &[192, 0, 2, 1]),
            answer("a.b", &[], &[]),
        ),
        (
            "hints of a service",
            Message::new("example.com").record(
                QUESTION,
                65,
                60,
                &service(1, "", &[(1, b"\x02h2"), (4, &[192, 0, 2, 1, 192, 0, 2, 2]), (6, &v6)]),
            ),
            answer(
                "example.com",
                &[("192.0.2.1", 60), ("192.0.2.2", 60), ("2001:db8::1", 60)],
                &[],
            ),
        ),
        (
            "a service under a port, and its target",
            Message::new("_8443._https.example.com").record(QUESTION, 64, 60, &service(1, "pool.example.net", &[])),
            answer("example.com", &[], &[("pool.example.net", 60)]),
        ),
        (
            "an alias form has no parameters",
            Message::new("example.com").record(
                QUESTION,
                65,
                60,
                &service(0, "pool.example.net", &[(4, &[1, 2, 3, 4])]),
            ),
            answer("example.com", &[], &[("pool.example.net", 60)]),
        ),
        (
            "other types and classes are passed over",
            Message::new("a.b")
                .record(QUESTION, 16, 60, b"\x03txt")
                .record(QUESTION, 1, 60, &[192, 0, 2, 1]),
            answer("a.b", &[("192.0.2.1", 60)], &[]),
        ),
        (
            "a TTL with its highest bit is zero",
            Message::new("a.b").record(QUESTION, 1, 1 << 31, &[192, 0, 2, 1]),
            answer("a.b", &[("192.0.2.1", 0)], &[]),
        ),
    ] {
        assert_eq!(parse(&message.0), Ok(want), "{what}");
    }
}

#[test]
fn what_is_no_sound_answer_is_refused_with_its_place() {
    let changed = |at: usize, byte: u8| {
        let mut message = Message::new("a.b").0;
        message[at] = byte;
        message
    };
    let pointed = |owner: &[u8]| Message::new("a.b").record(owner, 1, 60, &[192, 0, 2, 1]).0;
    for (what, message, error) in [
        ("empty", vec![], DnsError::Short { at: 0 }),
        ("a query", changed(2, 1), DnsError::NotAnswer { flags: 0x0180 }),
        ("no such name", changed(3, 0x83), DnsError::NotAnswer { flags: 0x8183 }),
        ("two questions", changed(5, 2), DnsError::Questions { questions: 2 }),
        ("a dot in a label", changed(13, b'.'), DnsError::Name { at: 12 }),
        ("a control character", changed(13, 7), DnsError::Name { at: 12 }),
        ("a reserved label type", changed(12, 0x41), DnsError::Name { at: 12 }),
        (
            "a pointer to itself",
            pointed(&[0xc0, 21]),
            DnsError::Pointer { at: 21 },
        ),
        (
            "a pointer forwards",
            pointed(&[0xc0, 200]),
            DnsError::Pointer { at: 21 },
        ),
        (
            "an address of three bytes",
            Message::new("a.b").record(QUESTION, 1, 60, &[1, 2, 3]).0,
            DnsError::Data { at: 33 },
        ),
        (
            "an alias with bytes behind it",
            Message::new("a.b").record(QUESTION, 5, 60, &[1, b'c', 0, 9]).0,
            DnsError::Data { at: 33 },
        ),
        (
            "a hint cut short",
            Message::new("a.b")
                .record(QUESTION, 65, 60, &service(1, "", &[(4, &[1, 2, 3])]))
                .0,
            DnsError::Data { at: 33 },
        ),
    ] {
        assert_eq!(parse(&message), Err(error), "{what}");
    }
    let long: String = (0..128).map(|_| "a.b.").collect();
    assert!(matches!(parse(&Message::new(&long).0), Err(DnsError::Name { .. })));
}

#[test]
fn a_name_of_pointers_alone_is_cut_off() {
    // The pointers lie in the data of a text record, which begins at 33, each to the one before it.
    let chained = |pointers: u16| {
        let data: Vec<u8> = (0..pointers)
            .flat_map(|n| (0xc000 | n.checked_sub(1).map_or(12, |n| 33 + 2 * n)).to_be_bytes())
            .collect();
        let owner = (0xc000 | (33 + 2 * (pointers - 1))).to_be_bytes();
        Message::new("a.b")
            .record(QUESTION, 16, 60, &data)
            .record(&owner, 1, 60, &[192, 0, 2, 1])
            .0
    };
    assert_eq!(parse(&chained(15)).map(|a| a.addresses.len()), Ok(1));
    assert!(matches!(parse(&chained(16)), Err(DnsError::Pointer { .. })));
    assert!(matches!(parse(&chained(40)), Err(DnsError::Pointer { .. })));
}

#[test]
fn a_message_cut_off_gives_what_it_holds() {
    let whole = Message::new("a.b")
        .record(QUESTION, 1, 60, &[192, 0, 2, 1])
        .record(QUESTION, 1, 60, &[192, 0, 2, 2])
        .0;
    for len in 0..whole.len() {
        let got = parse(&whole[..len]).map(|a| a.addresses.len());
        let want = match len {
            0..21 => None,
            21..37 => Some(0),
            _ => Some(1),
        };
        assert_eq!(got.ok(), want, "{len} bytes");
    }
}

#[test]
fn only_so_many_records_are_read() {
    let mut message = Message::new("a.b");
    for last in 0..100 {
        message = message.record(QUESTION, 1, 60, &[192, 0, 2, last]);
    }
    assert_eq!(parse(&message.0).map(|a| a.addresses.len()), Ok(64));
}

fn dns(time: u64, message: Message) -> Act {
    Raw::new(kind::NET_DNS, 0)
        .named(&message.0, b"")
        .with(|e| (e.time, e.port) = (time, 53))
        .act()
}

fn connect(time: u64, ip: &str) -> Act {
    Raw::connect(event::UNDECLARED, ip, 443).with(|e| e.time = time).act()
}

#[test]
fn a_connection_has_the_name_that_was_asked_for_before_it() {
    let mut names = Names::default();
    let ip = [192, 0, 2, 1];
    assert_eq!(
        names.absorb(&dns(
            100 * SECOND,
            Message::new("a.example").record(QUESTION, 1, 5, &ip)
        )),
        1
    );
    assert_eq!(
        names.absorb(&dns(
            110 * SECOND,
            Message::new("b.example").record(QUESTION, 1, 100, &ip)
        )),
        1
    );
    for (seconds, want) in [
        (99, &[][..]),
        (100, &["a.example"]),
        (110, &["b.example", "a.example"]),
        (130, &["b.example", "a.example"]),
        (131, &["b.example"]),
        (211, &[]),
    ] {
        let at = seconds * SECOND;
        let hosts: Vec<&str> = names.hosts(ip.into(), at).collect();
        assert_eq!(hosts, want, "{seconds} s");
        assert_eq!(names.resolve(&connect(at, "192.0.2.1")), want.first().copied());
        assert_eq!(names.resolve(&connect(at, "::ffff:192.0.2.1")), want.first().copied());
    }
    assert_eq!(names.resolve(&connect(110 * SECOND, "192.0.2.2")), None);
    let bound =
        Raw::connect(event::UNDECLARED, "192.0.2.1", 1).with(|e| (e.kind, e.time) = (kind::NET_BIND, 110 * SECOND));
    assert_eq!(names.resolve(&bound.act()), None, "a bound address is our own");
}

#[test]
fn a_name_asked_for_through_an_alias_counts_too() {
    let mut names = Names::default();
    names.absorb(&dns(
        SECOND,
        Message::new("a.example").record(QUESTION, 65, 60, &service(0, "pool.example", &[])),
    ));
    names.absorb(&dns(
        2 * SECOND,
        Message::new("pool.example").record(QUESTION, 1, 60, &[192, 0, 2, 1]),
    ));
    let hosts: Vec<&str> = names.hosts([192, 0, 2, 1].into(), 3 * SECOND).collect();
    assert_eq!(hosts, ["pool.example", "a.example"]);
}

#[test]
fn only_answers_from_port_53_are_believed() {
    let mut names = Names::default();
    let message = Message::new("a.example").record(QUESTION, 1, 60, &[192, 0, 2, 1]);
    let mut act = dns(SECOND, message);
    if let Object::Datagram { port, .. } = &mut act.object {
        *port = 5353;
    }
    assert_eq!((names.absorb(&act), names.answers(), names.refused()), (0, 0, 1));
    assert_eq!(names.absorb(&connect(SECOND, "192.0.2.1")), 0);
}

#[test]
fn a_flood_of_addresses_is_bounded_and_the_newest_stay() {
    let mut names = Names::default();
    for n in 0..40_000u32 {
        let ip = (0x0a00_0000 + n).to_be_bytes();
        names.absorb(&dns(
            u64::from(n),
            Message::new("a.example").record(QUESTION, 1, 60, &ip),
        ));
        assert!(names.addresses.len() <= ADDRESSES);
    }
    assert_eq!(
        names.hosts([10, 0, 0x9c, 0x3f].into(), 40_000).next(),
        Some("a.example")
    );
    assert!(names.forgotten() > 0);
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_change_of_a_sound_answer_is_survived(at in 0usize..120, byte in any::<u8>()) {
        let mut message = Message::new("www.example.com")
            .record(QUESTION, 5, 900, &[3, b'c', b'd', b'n', 0xc0, 16])
            .record(&[3, b'c', b'd', b'n', 0xc0, 16], 1, 40, &[192, 0, 2, 1])
            .record(QUESTION, 65, 9, &service(1, "", &[(4, &[192, 0, 2, 1])])).0;
        let at = at % message.len();
        message[at] = byte;
        if let Ok(answer) = parse(&message) {
            prop_assert!(answer.question.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        }
    }
}
