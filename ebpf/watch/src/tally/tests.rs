use super::*;
use crate::act::tests::Raw;
use probity_abi::{event, kind};

fn program(path: &str) -> Arc<Program> {
    Arc::new(Program {
        path: path.into(),
        sha256: None,
    })
}

fn read(time: u64, path: &str) -> Act {
    Raw::file(kind::FILE_OPEN, event::UNDECLARED, 1, path)
        .with(|e| e.time = time)
        .act()
}

#[test]
fn acts_that_agree_in_everything_are_one_group() {
    let mut tally = Tally::default();
    let (a, b) = (program("/bin/a"), program("/bin/b"));
    let mut absorb = |raw: Raw, program| tally.absorb(&raw.act(), Some(program), None);
    let raw = || Raw::file(kind::FILE_OPEN, event::UNDECLARED, 1, "/x");
    absorb(raw(), &a);
    absorb(raw().with(|e| (e.time, e.tgid) = (2_000, 7)), &a);
    absorb(raw().with(|e| e.access = 2), &a);
    absorb(raw().with(|e| e.verdict = event::DENIED), &a);
    absorb(raw().with(|e| e.rule = 3), &a);
    absorb(raw(), &b);
    absorb(raw().named(b"/y", b""), &a);
    absorb(Raw::new(kind::FORK, 0), &a);
    let counts: Vec<u64> = tally.groups().iter().map(|g| g.count).collect();
    assert_eq!(counts, [2, 1, 1, 1, 1, 1]);
    let first = &tally.groups()[0];
    assert_eq!((first.first, first.last, first.processes()), (1_000, 2_000, (2, false)));
    assert_eq!(tally.counts()[&(Kind::FILE_OPEN, Verdict::Undeclared)], 6);
    assert_eq!(tally.counts()[&(Kind::FORK, Verdict::Declared)], 1);
    assert_eq!((tally.rule_uses(3), tally.rule_uses(4)), (1, 0));
}

fn seen(object: u64, count: u64, time: u64) -> (SeenKey, Seen) {
    (
        SeenKey {
            object,
            object2: 0,
            exe: 0,
            act: 0,
        },
        Seen { count, time },
    )
}

#[test]
fn counts_of_the_kernel_find_their_act_and_are_added_once() {
    let mut tally = Tally::default();
    let denied = Raw::file(kind::FILE_OPEN, event::DENIED, 1, "/y")
        .with(|e| (e.time, e.rule) = (20, 5))
        .act();
    tally.absorb(&read(10, "/x"), None, None);
    tally.absorb(&denied, None, None);
    for (counts, want, unattributed) in [
        (vec![seen(1, 1, 10), seen(2, 1, 20)], [1, 1], 0),
        (vec![seen(1, 5, 10), seen(2, 3, 20)], [5, 3], 0),
        (vec![seen(1, 5, 10), seen(2, 4, 20), seen(3, 8, 99)], [5, 4], 7),
        (vec![seen(1, 5, 10), seen(2, 4, 20), seen(3, 8, 99)], [5, 4], 7),
    ] {
        tally.absorb_counts(counts);
        let got: Vec<u64> = tally.groups().iter().map(|g| g.count).collect();
        assert_eq!((got.as_slice(), tally.unattributed()), (want.as_slice(), unattributed));
    }
    assert_eq!(
        (
            tally.total(Verdict::Undeclared),
            tally.total(Verdict::Denied),
            tally.rule_uses(5)
        ),
        (5, 4, 4)
    );
}

#[test]
fn losses_and_rule_uses_only_grow() {
    let mut tally = Tally::default();
    let mut counters = [0; COUNTERS];
    counters[counter::DECLARED as usize] = 90;
    counters[counter::LOST_EVENTS as usize] = 3;
    counters[counter::AMBIGUOUS as usize] = 2;
    assert_eq!(tally.absorb_counters(&counters), [("events ring", 3)]);
    assert_eq!(tally.absorb_counters(&counters), []);
    counters[counter::LOST_EVENTS as usize] = 4;
    assert_eq!(tally.absorb_counters(&counters), [("events ring", 1)]);
    tally.lose("decoding", 2);
    let lost: Vec<_> = tally.lost().iter().map(|(place, n)| (place.as_str(), *n)).collect();
    assert_eq!(lost, [("decoding", 2), ("events ring", 4)]);
    assert_eq!((tally.counter(counter::DECLARED), tally.ambiguous()), (90, 2));
    assert!(!tally.knows_rule_uses());
    tally.absorb_rule_uses([(1, 7), (2, 0)]);
    tally.absorb_rule_uses([(1, 9)]);
    assert_eq!(
        (tally.rule_uses(1), tally.rule_uses(2), tally.knows_rule_uses()),
        (9, 0, true)
    );
}

#[test]
fn beyond_the_bound_files_are_counted_by_directory() {
    let mut tally = Tally::default();
    for n in 0..OBJECTS as u64 {
        tally.absorb(&read(n, &format!("/many/{n}")), None, None);
    }
    assert_eq!((tally.groups().len(), tally.coarse()), (OBJECTS, 0));
    tally.absorb(&read(1 << 40, "/many/7"), None, None);
    assert_eq!(
        (tally.groups()[7].count, tally.coarse()),
        (2, 0),
        "a known file is still told apart"
    );
    for n in 0..50_000u64 {
        tally.absorb(&read((1 << 41) + n, &format!("/more/{}/x{n}", n % 20_000)), None, None);
    }
    tally.absorb(&Raw::connect(event::UNDECLARED, "192.0.2.1", 443).act(), None, None);
    assert_eq!(tally.coarse(), 50_001);
    assert!(tally.groups().len() <= OBJECTS + COARSE + 2);
    let below = |directory: &str| {
        let item = Item::Below {
            directory: directory.into(),
        };
        tally
            .groups()
            .iter()
            .filter(|g| g.key.item == item)
            .map(|g| g.count)
            .sum::<u64>()
    };
    assert_eq!(below("/more/7"), 3);
    assert_eq!(below("/"), 20_000);
    assert_eq!(tally.total(Verdict::Undeclared), OBJECTS as u64 + 50_002);
}

#[test]
fn a_group_tells_only_so_many_processes_apart() {
    let mut tally = Tally::default();
    for tgid in 0..100 {
        tally.absorb(
            &Raw::file(kind::FILE_OPEN, event::UNDECLARED, 1, "/x")
                .with(|e| e.tgid = tgid)
                .act(),
            None,
            None,
        );
    }
    assert_eq!(tally.groups()[0].processes(), (64, true));
    assert_eq!(tally.groups()[0].process_keys().count(), 64);
}

#[test]
fn the_directory_of_a_path() {
    for (path, want) in [
        ("/a/b", "/a"),
        ("/a", "/"),
        ("/", "/"),
        ("", "/"),
        ("b", "/"),
        ("x/b", "x"),
    ] {
        assert_eq!(item::parent(path.as_bytes()), want.as_bytes(), "{path}");
    }
}
