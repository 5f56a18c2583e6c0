use super::*;
use proptest::prelude::*;

fn one(text: &str) -> Pattern {
    let mut read = Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(read.len(), 1, "{text}");
    read.remove(0)
}

fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let read = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let any = |path: &str| read.iter().any(|p| p.matches(path.as_bytes()));
    for path in matching {
        assert!(any(path), "{pattern} should match {path}");
    }
    for path in others {
        assert!(!any(path), "{pattern} should not match {path}");
    }
}

#[test]
fn wildcards_stay_within_a_name_and_double_stars_cross() {
    check("/", &["/"], &["", "a", "/a", "//"]);
    check("/a", &["/a"], &["/", "/ab", "/a/", "/a/b", "a", "//a"]);
    check("/a*", &["/a", "/ab", "/a.b"], &["/a/b", "/b"]);
    check("/a/*", &["/a/b", "/a/.b"], &["/a", "/a/", "/a/b/c"]);
    check("/a?c", &["/abc", "/a\u{7f}c"], &["/ac", "/a/c", "/abbc"]);
    check("/**", &["/a", "/a/b"], &["/", "a"]);
    check("/a/**", &["/a/b", "/a/b/c/d"], &["/a", "/ab", "/b/a/c"]);
    check(
        "/a/**/b",
        &["/a/b", "/a/x/b", "/a/x/y/b", "/a/b/b"],
        &["/a", "/b", "/a/bc", "/a/b/c"],
    );
    check(
        "/**/.git/**",
        &["/.git/x", "/r/.git/x/y"],
        &["/.git", "/r/.git", "/r/git/x"],
    );
    check("/a/**/**", &["/a/b"], &["/a"]);
    check("/a/**/*/**", &["/a/b/c", "/a/b/c/d"], &["/a/b", "/a"]);
    check(
        "/proc/*/{environ,mem}",
        &["/proc/1/mem", "/proc/self/environ"],
        &["/proc/mem", "/proc/1/2/mem"],
    );
}

#[test]
fn sets_escapes_and_braces_mean_what_they_say() {
    check("/[a-c]x", &["/ax", "/cx"], &["/dx", "/x", "/-x"]);
    check("/[!a-c]x", &["/dx", "/-x", "/\u{7f}x"], &["/ax", "//x", "/x"]);
    check("/[]a]", &["/]", "/a"], &["/b"]);
    check("/[a-]", &["/a", "/-"], &["/b"]);
    check("/[+-9]x", &["/.x", "/5x"], &["//x"]);
    check("/[{,}]", &["/{", "/,", "/}"], &["/a"]);
    check("/\\*\\{a\\,b\\}\\\\", &["/*{a,b}\\"], &["/x"]);
    check("/a{,.bak,{1,2}}", &["/a", "/a.bak", "/a1", "/a2"], &["/a3", "/a.ba"]);
    check("/{a,b}/{c,d}", &["/a/c", "/a/d", "/b/c", "/b/d"], &["/a/b"]);
    check("/{a/b,c}/d", &["/a/b/d", "/c/d"], &["/a/d"]);
    check("/{x,**}/y", &["/x/y", "/y", "/a/b/y"], &["/x"]);
    check("/\u{e4}", &["/\u{e4}"], &["/a"]);
    check(
        "@/tmp/.X11-unix/X?",
        &["@/tmp/.X11-unix/X0"],
        &["/tmp/.X11-unix/X0", "@/tmp/.X11-unix/X10"],
    );
    check("@*", &["@", "@abc"], &["@a/b", "/a"]);
}

#[test]
fn bytes_that_are_no_text_are_matched() {
    assert!(one("/a/*").matches(b"/a/\xff\xfe"));
    assert!(one("/a/?").matches(b"/a/\xff"));
    assert!(one("/a/[!x]").matches(b"/a/\x80"));
    assert!(!one("/a/\u{fffd}").matches(b"/a/\xff"));
}

#[test]
fn a_directory_is_covered_for_reading_alone() {
    let below = one("/a/b/**");
    assert_eq!(below.grants(b"/a/b"), Access::READ);
    assert_eq!(below.grants(b"/a/b/c"), Access::ALL);
    assert_eq!(below.grants(b"/a"), Access::NONE);
    assert_eq!(one("/**").grants(b"/"), Access::READ);
    assert_eq!(one("/a/**/b").grants(b"/a"), Access::NONE);
    assert_eq!(one("/a/*").grants(b"/a"), Access::NONE);
    assert_eq!(one("/*/x/**").grants(b"/p/x"), Access::READ);
    assert!(!one("@a/**").covers_directory_itself(b"@a"));
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    use PatternError as E;
    let cases: &[(&str, E, &str)] = &[
        ("", E::Empty, "write a path"),
        ("src/**", E::Relative("src/**".into()), "\"/src/**\""),
        ("~/x", E::Relative("~/x".into()), "${HOME}"),
        ("/a//b", E::Component("/a//b".into(), ""), "one `/`"),
        ("/a/../b", E::Component("/a/../b".into(), ".."), "without it"),
        ("/a/./b", E::Component("/a/./b".into(), "."), "without it"),
        ("/a/", E::Trailing("/a/".into()), "\"/a/**\""),
        ("/a**", E::DoubleStar("a**".into()), "`/**/`"),
        ("/***", E::DoubleStar("***".into()), "`/**/`"),
        ("/[a", E::UnclosedSet, "\\["),
        ("/[a/b]", E::UnclosedSet, "\\["),
        ("/[z-a]", E::Range('z', 'a'), "[a-z]"),
        ("/[\u{e4}]", E::WideSet, "{"),
        ("/{a", E::UnclosedBrace, "\\{"),
        ("/a}", E::StrayBrace, "\\}"),
        ("/a\\", E::Escape, "two backslashes"),
        ("/a\0", E::Nul, "take it out"),
        (
            "/${X}",
            E::Variable(crate::declared::VarError::Unset("X".into())),
            "--var X=VALUE",
        ),
    ];
    for (text, expected, help) in cases {
        let error = Pattern::parse(text).expect_err(text);
        assert_eq!(error, *expected, "{text}");
        assert!(error.help().contains(help), "{text}: {}", error.help());
    }
    let long = format!("/{}", "a".repeat(LONGEST));
    assert_eq!(Pattern::parse(&long), Err(E::Long));
}

#[test]
fn braces_are_bounded_and_keep_their_order() {
    let texts = |text: &str| -> Vec<String> {
        Pattern::parse(text)
            .unwrap()
            .iter()
            .map(|p| p.as_str().to_owned())
            .collect()
    };
    assert_eq!(texts("/{b,a}{1,2}"), ["/b1", "/b2", "/a1", "/a2"]);
    assert_eq!(texts("/{a,a}"), ["/a"]);
    assert_eq!(texts("/{a}"), ["/a"]);
    assert_eq!(Pattern::parse(&"/{a,b}".repeat(8)).unwrap().len(), 256);
    assert_eq!(Pattern::parse(&"/{a,b}".repeat(9)), Err(PatternError::Many));
    assert_eq!(Pattern::parse(&"/{a,b}".repeat(600)), Err(PatternError::Many));
    assert_eq!(
        Pattern::parse(&format!("/{}a{}", "{".repeat(1000), "}".repeat(1000))).map(|p| p.len()),
        Ok(1)
    );
    for pattern in Pattern::parse("/{b,a}").unwrap() {
        assert_eq!(pattern.original(), "/{b,a}");
    }
}

#[test]
fn stars_do_not_take_exponential_time() {
    let name = one(&format!("/{}b", "a*".repeat(500)));
    assert!(!name.matches(format!("/{}", "a".repeat(4000)).as_bytes()));
    let deep = one(&format!("/{}b", "**/a/".repeat(200)));
    assert!(!deep.matches("/a".repeat(2000).as_bytes()));
}

#[test]
fn prefixes_and_literals() {
    let prefix = |text: &str| {
        let pattern = one(text);
        let (bytes, rest) = pattern.literal_prefix();
        (String::from_utf8(bytes).unwrap(), rest.len())
    };
    assert_eq!(prefix("/usr/lib/**"), ("/usr/lib".to_owned(), 1));
    assert_eq!(prefix("/usr/*/x"), ("/usr".to_owned(), 2));
    assert_eq!(prefix("/*"), ("/".to_owned(), 1));
    assert_eq!(prefix("/"), ("/".to_owned(), 0));
    assert_eq!(prefix("@a/b"), ("@a/b".to_owned(), 0));
    assert_eq!(one("/a/\\*").literal().as_deref(), Some(&b"/a/*"[..]));
    assert_eq!(one("/a/*").literal(), None);
}

#[test]
fn inclusion_is_never_claimed_in_vain() {
    for (outer, inner, expected) in [
        ("/a/**", "/a/b", true),
        ("/a/**", "/a/b/**", true),
        ("/a/**", "/a/**/c", true),
        ("/*/b/**", "/x/b/*", true),
        ("/a/**", "/a", false),
        ("/a/**", "/**", false),
        ("/a/**", "/ab/**", false),
        ("/a/**", "/*/b", false),
        ("/a/*", "/a/*", true),
        ("/a/*", "/a/x", true),
        ("/a/*", "/a/**", false),
        ("@a*", "/a", false),
    ] {
        assert_eq!(one(outer).includes(&one(inner)), expected, "{outer} {inner}");
    }
}

/// A second matcher, written from the definition by recursion: slow, and only for short texts.
fn defined(components: &[Component], parts: &[&[u8]]) -> bool {
    fn fits(tokens: &[Token], bytes: &[u8]) -> bool {
        match (tokens.split_first(), bytes.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Token::AnyRun, tail)), rest) => fits(tail, bytes) || rest.is_some_and(|(_, b)| fits(tokens, b)),
            (Some((Token::Byte(x), tail)), Some((y, b))) => x == y && fits(tail, b),
            (Some((Token::AnyByte, tail)), Some((_, b))) => fits(tail, b),
            (Some((Token::OneOf(set), tail)), Some((y, b))) => set.contains(*y) && fits(tail, b),
            (Some(_), None) => false,
        }
    }
    match components.split_first() {
        None => parts.is_empty(),
        Some((Component::AnyDepth, [])) => !parts.is_empty(),
        Some((Component::AnyDepth, tail)) => (0..=parts.len()).any(|n| defined(tail, &parts[n..])),
        Some((Component::Name(tokens), tail)) => parts
            .split_first()
            .is_some_and(|(first, rest)| fits(tokens, first) && defined(tail, rest)),
    }
}

fn pattern_text() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        Just("**".to_owned()),
        Just("*".to_owned()),
        "[ab]{1,3}",
        "[ab?]{1,3}",
        "\\*[ab]\\*?b?",
        Just("[ab]".to_owned()),
        Just("[!a]".to_owned()),
        Just("{a,b}".to_owned()),
        Just("a{,b,*}".to_owned()),
        Just("\\*".to_owned()),
    ];
    proptest::collection::vec(component, 0..5).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc*]{1,3}", 0..6).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    #[test]
    fn the_matcher_does_what_the_definition_says(text in pattern_text(), path in path()) {
        let parts = split(Space::Path, path.as_bytes()).unwrap();
        for pattern in Pattern::parse(&text).unwrap() {
            prop_assert_eq!(pattern.matches(path.as_bytes()), defined(pattern.components(), &parts), "{} {}", pattern, path);
        }
    }

    #[test]
    fn a_pattern_reads_back_from_its_own_text(text in pattern_text()) {
        for pattern in Pattern::parse(&text).unwrap() {
            let again = Pattern::parse(pattern.as_str()).unwrap();
            prop_assert_eq!(again.len(), 1);
            prop_assert_eq!(again[0].components(), pattern.components());
            prop_assert_eq!(again[0].as_str(), pattern.as_str());
        }
    }

    #[test]
    fn what_includes_another_matches_all_that_it_matches(a in pattern_text(), b in pattern_text(), path in path()) {
        for outer in Pattern::parse(&a).unwrap() {
            for inner in Pattern::parse(&b).unwrap() {
                if outer.includes(&inner) && inner.matches(path.as_bytes()) {
                    prop_assert!(outer.matches(path.as_bytes()), "{} {} {}", outer, inner, path);
                }
            }
        }
    }

    #[test]
    fn a_literal_is_matched_by_itself_and_nothing_else(path in path(), other in path()) {
        let quoted: String = path.chars().flat_map(|c| if c == '/' { vec![c] } else { vec!['\\', c] }).collect();
        let pattern = one(&quoted);
        prop_assert_eq!(pattern.matches(other.as_bytes()), path == other);
        prop_assert_eq!(pattern.literal(), Some(path.into_bytes()));
    }

    #[test]
    fn reading_and_matching_never_fail(text in "[/@a*?\\[\\]{},\\\\!$-]{0,24}", path in "[/@a*]{0,12}") {
        if let Ok(patterns) = Pattern::parse(&text) {
            for pattern in patterns {
                let _ = pattern.matches(path.as_bytes());
                prop_assert!(pattern.matches(path.as_bytes()) || !pattern.grants(path.as_bytes()).contains(Access::WRITE));
            }
        }
    }
}
