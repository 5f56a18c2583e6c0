//! The automaton against a matcher that is written to be read.

use super::builder::{Builder, Line};
use super::files::{Entry, FileRule};
use super::*;
use probity_abi::access::{CREATE, DELETE, EXEC, MAP, READ, WRITE};
use probity_abi::policy::{self, Grant};
use proptest::prelude::*;

fn lines(rules: &[FileRule]) -> Vec<Line> {
    rules
        .iter()
        .map(|rule| Line {
            rule: rule.rule,
            allow: rule.allow,
            deny: rule.deny,
            components: pattern::parse(&rule.pattern).unwrap(),
            written: String::from_utf8_lossy(&rule.pattern).into_owned(),
        })
        .collect()
}

fn rule(number: u16, allow: u8, deny: u8, pattern: &str) -> FileRule {
    FileRule {
        rule: number,
        allow,
        deny,
        pattern: pattern.into(),
    }
}

fn build(rules: &[FileRule], smallest: bool) -> (Automaton, u32) {
    let builder = Builder::new(&lines(rules), Limits::default()).unwrap();
    let (automaton, root, _) = builder.finish(&[], smallest).unwrap();
    (automaton, root)
}

/// The components of a pattern, split where no set or backslash hides the slash (a set never holds one).
fn components(text: &[u8]) -> Vec<&[u8]> {
    text[1..]
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect()
}

/// Whether one name fits one component.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            name_fits(rest, name) || name.split_first().is_some_and(|(_, after)| name_fits(pattern, after))
        }
        (_, []) | ([], _) => false,
        ([b'?', rest @ ..], [_, after @ ..]) => name_fits(rest, after),
        ([b'\\', escaped, rest @ ..], [byte, after @ ..]) => escaped == byte && name_fits(rest, after),
        ([b'[', set @ ..], [byte, after @ ..]) => {
            let (negated, set) = match set {
                [b'!' | b'^', set @ ..] => (true, set),
                _ => (false, set),
            };
            let close = 1 + set[1..].iter().position(|byte| *byte == b']').unwrap();
            let (mut members, rest) = (&set[..close], &set[close + 1..]);
            let mut held = false;
            while let Some(low) = members.first() {
                match members {
                    [_, b'-', high, others @ ..] => {
                        held |= low <= byte && byte <= high;
                        members = others;
                    }
                    [_, others @ ..] => {
                        held |= low == byte;
                        members = others;
                    }
                    [] => {}
                }
            }
            held != negated && name_fits(rest, after)
        }
        ([expected, rest @ ..], [byte, after @ ..]) => expected == byte && name_fits(rest, after),
    }
}

/// Which bits of a rule a path is about.
fn covered(pattern: &[&[u8]], path: &[&[u8]]) -> u8 {
    match (pattern, path) {
        ([], []) => 0xff,
        ([b"**", b"**", ..], _) => covered(&pattern[1..], path),
        ([b"**"], []) => READ,
        ([b"**"], _) => 0xff,
        ([b"**", rest @ ..], _) => {
            let deeper = path.split_first().map_or(0, |(_, below)| covered(pattern, below));
            covered(rest, path) | deeper
        }
        ([first, rest @ ..], [name, below @ ..]) if name_fits(first, name) => covered(rest, below),
        _ => 0,
    }
}

/// Grants by the rules themselves.
fn expected(rules: &[FileRule], path: &[u8]) -> Grant {
    let mut sum = Grant::default();
    for rule in rules {
        let about = covered(&components(&rule.pattern), &components(path));
        let (allow, deny) = (rule.allow & about, rule.deny & about);
        sum.allow |= allow;
        sum.deny |= deny;
        let plain = rule.pattern.split(|byte| b"*?[".contains(byte)).count() == 1 || {
            let text = String::from_utf8_lossy(&rule.pattern)
                .replace("\\*", "")
                .replace("\\[", "")
                .replace("\\?", "");
            !text.contains(['*', '[', '?'])
        };
        if plain {
            sum.exact |= allow;
        }
        for bit in 0..8 {
            for (bits, rules) in [(allow, &mut sum.allow_rule), (deny, &mut sum.deny_rule)] {
                if bits >> bit & 1 == 1 && (rules[bit] == 0 || rule.rule < rules[bit]) {
                    rules[bit] = rule.rule;
                }
            }
        }
    }
    sum
}

fn check(rules: &[FileRule], path: &[u8]) {
    let want = expected(rules, path);
    for smallest in [true, false] {
        let (automaton, root) = build(rules, smallest);
        let got = automaton.grant(automaton.run(root, files::below_root(path)));
        assert_eq!(
            got,
            &want,
            "{} under {rules:?} (minimised: {smallest})",
            path.escape_ascii()
        );
    }
}

#[test]
fn each_wildcard_means_what_the_declared_set_says() {
    let fits = |pattern: &str, path: &str, bits: u8| {
        let rules = [rule(1, 0xff, 0, pattern)];
        let (automaton, root) = build(&rules, true);
        let found = automaton
            .grant(automaton.run(root, files::below_root(path.as_bytes())))
            .allow;
        assert_eq!(found, bits, "{pattern} on {path}");
        check(&rules, path.as_bytes());
    };
    fits("/a/b", "/a/b", 0xff);
    fits("/a/b", "/a/bc", 0);
    fits("/a/b", "/a", 0);
    fits("/a/*", "/a/b", 0xff);
    fits("/a/*", "/a/b/c", 0);
    fits("/a/*", "/a", 0);
    fits("/a/**", "/a/b/c/d", 0xff);
    fits("/a/**", "/a", READ);
    fits("/a/**", "/ab", 0);
    fits("/**", "/", READ);
    fits("/**", "/x", 0xff);
    fits("/", "/", 0xff);
    fits("/", "/x", 0);
    fits("/**/x", "/x", 0xff);
    fits("/**/x", "/a/b/x", 0xff);
    fits("/**/x", "/a/b/x/y", 0);
    fits("/a/**/b/*.c", "/a/b/.c", 0xff);
    fits("/a/**/b/*.c", "/a/x/b/b/y.c", 0xff);
    fits("/a/**/b/*.c", "/a/x/b/b/y.d", 0);
    fits("/a/*.x", "/a/x", 0);
    fits("/a/*.x", "/a/.x", 0xff);
    fits("/tmp/cc*.[os]", "/tmp/ccABC.o", 0xff);
    fits("/tmp/cc*.[!os]", "/tmp/ccABC.o", 0);
    fits("/a/?", "/a/\u{e9}", 0);
    fits("/a/??", "/a/\u{e9}", 0xff);
    fits("/a/[!a-z][!a-z]", "/a/\u{e9}", 0xff);
    fits(r"/a/\*", "/a/*", 0xff);
    fits(r"/a/\*", "/a/b", 0);
    fits("/a/**/**/b/**", "/a/b", READ);
}

#[test]
fn deny_beats_allow_and_the_first_rule_is_named() {
    let rules = [
        rule(1, READ | MAP, 0, "/usr/**"),
        rule(2, READ | WRITE, 0, "/usr/local/**"),
        rule(3, 0, WRITE | CREATE, "/usr/local/lib/**"),
        rule(4, EXEC, 0, "/usr/bin/git"),
    ];
    let (automaton, root) = build(&rules, true);
    let held = |path: &str, needed: u8| decide(automaton.grant(automaton.run(root, path.as_bytes())), needed);
    assert_eq!(held("/usr/local/x", READ), Decision::Declared(1));
    assert_eq!(held("/usr/local/x", WRITE), Decision::Declared(2));
    assert_eq!(held("/usr/local/lib/x", WRITE), Decision::Denied(3, WRITE));
    assert_eq!(
        held("/usr/local/lib/x", READ | CREATE | DELETE),
        Decision::Denied(3, CREATE)
    );
    assert_eq!(held("/usr/local/x", READ | DELETE), Decision::Undeclared(DELETE));
    assert_eq!(held("/usr/bin/git", EXEC), Decision::Declared(4));
    assert_eq!(held("/usr/bin/gi", EXEC), Decision::Undeclared(EXEC));
    assert_eq!(held("/etc/passwd", READ), Decision::Undeclared(READ));
    let git = automaton.grant(automaton.run(root, b"/usr/bin/git"));
    assert_eq!((git.allow, git.exact), (READ | MAP | EXEC, EXEC));
    let pins = [
        (root, &b"/usr/bin/git"[..]),
        (automaton.run(root, b"/usr/local/lib"), &b"/x"[..]),
    ];
    assert_eq!(decide(&automaton.united(pins), READ), Decision::Declared(1));
    assert_eq!(decide(&automaton.united(pins), WRITE), Decision::Denied(3, WRITE));
}

#[test]
fn a_state_that_nothing_leaves_is_universal() {
    let (automaton, root) = build(&[rule(1, READ, 0, "/usr/**")], true);
    let below = automaton.run(root, b"/usr/");
    assert_eq!(automaton.run(root, b"/usr/lib/x"), below);
    assert_ne!(automaton.accepts[below as usize] & policy::UNIVERSAL, 0);
    assert_eq!(automaton.accepts[policy::DEAD as usize], policy::UNIVERSAL);
    assert_eq!(automaton.accepts[root as usize] & policy::UNIVERSAL, 0);
    assert_eq!(automaton.run(root, b"/etc"), policy::DEAD);
}

#[test]
fn no_rules_grant_nothing() {
    let (automaton, root) = build(&[], true);
    assert_eq!((automaton.states(), root), (1, policy::DEAD));
    assert_eq!(*automaton.grant(automaton.run(root, b"/x")), Grant::default());
}

#[test]
fn an_object_with_several_names_is_entered_with_all_their_rules() {
    let rules = [
        rule(1, READ, 0, "/a/**"),
        rule(2, 0, READ, "/b/secret"),
        rule(3, WRITE, 0, "/b/**"),
    ];
    let mut builder = Builder::new(&lines(&rules), Limits::default()).unwrap();
    let both = builder
        .joint(&[(Entry::Whole, b"/a".to_vec()), (Entry::Whole, b"/b".to_vec())])
        .unwrap();
    let denied = builder.joint(&[(Entry::Denied, b"/b/secret".to_vec())]).unwrap();
    let (automaton, root, starts) = builder.finish(&[both, denied], true).unwrap();
    let [both, denied] = starts[..] else {
        panic!("two starts")
    };
    let secret = automaton.grant(automaton.run(both, b"/secret"));
    assert_eq!((secret.allow, secret.deny), (READ | WRITE, READ));
    let leaf = automaton.grant(denied);
    assert_eq!((leaf.allow, leaf.deny, leaf.deny_rule[0]), (0, READ, 2));
    assert_eq!(automaton.run(denied, b"/x"), policy::DEAD);
    assert_eq!(automaton.grant(automaton.run(root, b"/b/secret")).allow, WRITE);
}

#[test]
fn patterns_that_multiply_are_refused_by_name() {
    let mut rules = vec![rule(1, READ, 0, "/usr/**"), rule(2, READ, 0, "/etc/passwd")];
    rules.push(rule(3, READ, 0, &format!("/srv/*a{}", "?".repeat(24))));
    let error = Builder::new(&lines(&rules), Limits::default()).err().unwrap();
    let CompileError::TooLarge { patterns, .. } = &error else {
        panic!("{error}")
    };
    assert!(patterns[0].starts_with("/srv/*a?"), "{error}");
    let small = Limits {
        states: 8,
        ..Limits::default()
    };
    let builder = Builder::new(&lines(&rules[..2]), small).unwrap();
    assert!(matches!(builder.finish(&[], true), Err(CompileError::TooLarge { .. })));
}

/// A set as an agent on a developer's machine needs it: 300 files by name, 66 patterns.
fn realistic() -> Vec<FileRule> {
    let mut rules = Vec::new();
    let mut add =
        |allow: u8, deny: u8, pattern: String| rules.push(rule(rules.len() as u16 + 1, allow, deny, &pattern));
    for number in 0..100 {
        add(
            READ,
            0,
            format!("/etc/service-{}/conf.d/{number:03}-settings.conf", number % 7),
        );
        add(READ | EXEC, 0, format!("/opt/tools/v{}/bin/tool{number}", number % 10));
        add(
            READ | WRITE,
            0,
            format!("/home/someone/work/project{}/src/module_{number}/mod.rs", number % 5),
        );
    }
    for suffix in ["o", "s", "res", "ld", "le"] {
        add(READ | WRITE | CREATE | DELETE, 0, format!("/tmp/cc*.{suffix}"));
    }
    for name in ["environ", "mem", "maps", "auxv", "syscall", "stack"] {
        add(0, READ | WRITE, format!("/proc/*/{name}"));
        add(0, READ | WRITE, format!("/proc/*/task/*/{name}"));
    }
    for directory in [
        "/usr",
        "/lib",
        "/lib64",
        "/etc/ssl/certs",
        "/home/someone/work",
        "/home/someone/.config/tool",
    ] {
        add(READ | MAP, 0, format!("{directory}/**"));
    }
    for suffix in ["tmp", "log", "lock", "json", "sqlite"] {
        add(
            READ | WRITE | CREATE | DELETE,
            0,
            format!("/home/someone/.cache/**/*.{suffix}"),
        );
        add(READ | WRITE, 0, format!("/home/someone/work/**/target/**/*.{suffix}"));
    }
    for secret in [
        ".ssh",
        ".gnupg",
        ".aws",
        ".kube",
        ".docker",
        ".config/gcloud",
        ".azure",
        ".mozilla",
    ] {
        add(0, READ | WRITE, format!("/home/*/{secret}/**"));
    }
    for name in [
        ".env",
        ".env.*",
        "*.pem",
        "*.key",
        "id_[re][sd]*",
        "credentials*.json",
        "*.kdbx",
        ".netrc",
    ] {
        add(0, READ, format!("/home/someone/**/{name}"));
        add(0, READ, format!("/srv/**/{name}"));
    }
    for number in 0..9 {
        add(
            READ,
            0,
            format!("/sys/devices/system/cpu/cpu[0-9]*/topology/*{number}_list"),
        );
    }
    rules
}

#[test]
fn a_realistic_set_stays_small() {
    let rules = realistic();
    assert_eq!(rules.len(), 366);
    let start = std::time::Instant::now();
    let builder = Builder::new(&lines(&rules), Limits::default()).unwrap();
    let (raw, _, _) = Builder::new(&lines(&rules), Limits::default())
        .unwrap()
        .finish(&[], false)
        .unwrap();
    let built = start.elapsed() / 2;
    let start = std::time::Instant::now();
    let (automaton, _, _) = builder.finish(&[], true).unwrap();
    println!(
        "{} rules: {} states ({} before), {} classes, {} transitions, {} grants; built in {built:?}, minimised in {:?}",
        rules.len(),
        automaton.states(),
        raw.states(),
        automaton.class_count,
        automaton.transitions.len(),
        automaton.grants.len(),
        start.elapsed(),
    );
    assert!(automaton.states() < 1 << 15 && automaton.transitions.len() < policy::MAX_TRANSITIONS / 2);
}

fn a_name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'a'),
        Just(b'b'),
        Just(b'z'),
        Just(b'.'),
        Just(b'*'),
        Just(b'['),
        Just(b']')
    ];
    let piece = prop_oneof![
        6 => byte.prop_map(|byte| vec![byte]),
        1 => Just("\u{e9}".as_bytes().to_vec()),
        1 => Just("\u{1f980}".as_bytes().to_vec()),
        1 => Just(vec![0xff]),
    ];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn a_component() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "z", ".", "\u{e9}", "*", "*", "?", "[!a-z]", "[a-b]", "[]z]", "[^a]", "\\*", "\\[", "\\a",
    ]);
    prop_oneof![
        1 => Just("**".to_owned()),
        3 => prop::collection::vec(piece, 1..4)
            .prop_map(|pieces| pieces.concat())
            .prop_filter("a name", |name| !["**", "***", ".", ".."].contains(&name.as_str())),
    ]
}

fn a_rule() -> impl Strategy<Value = FileRule> {
    let parts = prop::collection::vec(a_component(), 0..5);
    (1..5u16, any::<u8>(), prop_oneof![Just(0u8), any::<u8>()], parts)
        .prop_map(|(number, allow, deny, parts)| rule(number, allow, deny, &format!("/{}", parts.join("/"))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_automaton_says_what_the_rules_say(
        rules in prop::collection::vec(a_rule(), 0..5),
        paths in prop::collection::vec(prop::collection::vec(a_name(), 0..5), 1..12),
    ) {
        let built = [build(&rules, true), build(&rules, false)];
        prop_assert!(built[0].0.states() <= built[1].0.states());
        for names in paths {
            let mut path = b"/".to_vec();
            path.extend(names.join(&b'/'));
            let want = expected(&rules, &path);
            for (automaton, root) in &built {
                let got = automaton.grant(automaton.run(*root, files::below_root(&path)));
                prop_assert_eq!(got, &want, "{}", path.escape_ascii());
            }
        }
    }

    #[test]
    fn no_two_states_of_the_smallest_automaton_decide_alike(rules in prop::collection::vec(a_rule(), 1..4)) {
        let (automaton, _) = build(&rules, true);
        let width = automaton.class_count as usize;
        let grant = |state: usize| automaton.accepts[state] & !policy::UNIVERSAL;
        // Moore's refinement, the slow and plain way.
        let mut parts: Vec<usize> = (0..automaton.states()).map(|state| grant(state) as usize).collect();
        loop {
            let mut names = std::collections::BTreeMap::new();
            let next: Vec<usize> = (0..automaton.states())
                .map(|state| {
                    let row = &automaton.transitions[state * width..][..width];
                    let key = (parts[state], row.iter().map(|to| parts[*to as usize]).collect::<Vec<_>>());
                    let fresh = names.len();
                    *names.entry(key).or_insert(fresh)
                })
                .collect();
            if next == parts {
                prop_assert_eq!(names.len(), automaton.states());
                break;
            }
            parts = next;
        }
    }

    #[test]
    fn the_automaton_agrees_with_the_declared_set(
        parts in prop::collection::vec(a_component(), 0..5),
        paths in prop::collection::vec(prop::collection::vec(a_name(), 0..5), 1..12),
    ) {
        // It refuses some texts that are read here, such as `a**`; what is a pattern in both must mean the same.
        let Ok(patterns) = probity_signatures::declared::Pattern::parse(&format!("/{}", parts.join("/"))) else {
            return Ok(());
        };
        let [pattern] = patterns.as_slice() else { panic!("no braces, one pattern") };
        let (automaton, root) = build(&[rule(1, 0x7f, 0, pattern.as_str())], true);
        // The kernel's paths hold no `.` and `..`.
        let named = |names: &Vec<Vec<u8>>| !names.iter().any(|name| name == b"." || name == b"..");
        for names in paths.into_iter().filter(named) {
            let mut path = b"/".to_vec();
            path.extend(names.join(&b'/'));
            let found = automaton.grant(automaton.run(root, files::below_root(&path))).allow;
            prop_assert_eq!(found, pattern.grants(&path).bits(), "{} on {}", pattern, path.escape_ascii());
        }
    }
}
