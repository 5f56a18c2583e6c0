use super::super::tests::{exec, facts, read, report};
use super::super::{Ended, Facts};
use super::*;
use crate::act::tests::Raw;
use probity_abi::{access, event, kind};

const WIDE: View = View {
    columns: None,
    colour: false,
};

#[test]
fn a_violation() {
    let acts = [
        exec("/usr/bin/node"),
        read(event::DENIED, "/home/u/.ssh/id_ed25519").with(|e| e.rule = 3),
        read(event::DENIED, "/home/u/.ssh/id_ed25519").with(|e| (e.rule, e.tgid, e.start) = (3, 7, 9)),
        Raw::connect(event::UNDECLARED, "192.0.2.7", 443),
        Raw::file(kind::FILE_OPEN, event::UNDECLARED, access::WRITE, "/tmp/a\x1b[2Jb"),
        read(event::AMBIGUOUS, "/etc/hosts"),
    ];
    let want = "\
probity watch: violation: 2 denied, 2 undeclared, 1 ambiguous, 18,204 acts declared; node exited 0 after 3.2 s

  verdict     what     object                   who                count  rule
  denied      read     /home/u/.ssh/id_ed25519  (unknown program)      1  a.declared.toml:12
  denied      read     /home/u/.ssh/id_ed25519  /usr/bin/node          1  a.declared.toml:12
  undeclared  write    /tmp/a\\x1b[2Jb           /usr/bin/node          1  none
  undeclared  connect  192.0.2.7:443/tcp        /usr/bin/node          1  none
  ambiguous   read     /etc/hosts               /usr/bin/node          1  none

not everything was seen: 1 act could not be told with certainty
what to do: if an act above was meant, change the rule that denies it (a.declared.toml:12)
";
    assert_eq!(render(&report(&acts, facts(true)), WIDE), want);
}

#[test]
fn a_clean_run() {
    let mut document = report(&[exec("/usr/bin/node"), read(event::DECLARED, "/x")], facts(true));
    let want = "\
probity watch: clean: 18,204 acts declared; node exited 0 after 3.2 s
";
    assert_eq!(render(&document, WIDE), want);
    document.unused_rules = Some(vec!["a.declared.toml:9".into(), "a.declared.toml:12".into()]);
    let want = "\
probity watch: clean: 18,204 acts declared; node exited 0 after 3.2 s
what to do: 2 rules allowed nothing and could go: a.declared.toml:9, a.declared.toml:12
";
    assert_eq!(render(&document, WIDE), want);
}

#[test]
fn an_inventory() {
    let undeclared = |kind, access, path: &str| Raw::file(kind, event::UNDECLARED, access, path);
    let mut acts = vec![
        exec("/usr/bin/node"),
        undeclared(kind::EXEC, access::EXEC, "/usr/bin/git"),
    ];
    acts.extend((0..300).map(|n| read(event::UNDECLARED, &format!("/usr/lib/node/{}/{n}.js", n % 9))));
    acts.extend(["hosts", "resolv.conf"].map(|n| read(event::UNDECLARED, &format!("/etc/{n}"))));
    acts.push(undeclared(kind::FILE_OPEN, access::WRITE, "/data/out.txt"));
    acts.push(undeclared(kind::FILE_RENAME, access::CREATE, "").named(b"/data/a.tmp", b"/data/a"));
    acts.push(Raw::connect(event::UNDECLARED, "192.0.2.7", 443));
    acts.push(Raw::connect(event::UNDECLARED, "127.0.0.1", 8080).with(|e| e.kind = kind::NET_LISTEN));
    acts.push(undeclared(kind::UNIX_CONNECT, access::UNIX, "/run/nscd/socket"));
    acts.push(Raw::new(kind::IO_URING, event::UNDECLARED).with(|e| e.arg1 = u64::MAX));
    let want = "\
probity watch: inventory: no declared set, so that nothing is a violation; node exited 0 after 3.2 s

  programs started  /usr/bin/git              1
                    /usr/bin/node             1
  connections       192.0.2.7:443/tcp         1
  listens           127.0.0.1:8080/tcp        1
  unix sockets      /run/nscd/socket          1
  files written     /data/out.txt             1
  files created     /data/a.tmp -> /data/a    1
  files read        /usr/lib/node/**        300  300 objects
                    /etc/hosts                1
                    /etc/resolv.conf          1
  kernel            io_uring: set up          1

what to do: probity learn -o FILE -- /usr/bin/node 'my app.js' writes a declared set of this
";
    assert_eq!(render(&report(&acts, facts(false)), WIDE), want);
}

#[test]
fn many_files_are_shown_by_directory() {
    let mut acts = vec![exec("/usr/bin/node")];
    acts.extend((0..40).map(|n| read(event::UNDECLARED, &format!("/opt/x/{n}"))));
    acts.push(read(event::UNDECLARED, "/srv/y"));
    acts.extend((0..30).map(|n| Raw::connect(event::UNDECLARED, &format!("192.0.2.{n}"), 443)));
    let text = render(&report(&acts, facts(true)), WIDE);
    assert!(
        text.contains("  undeclared  read     /opt/x/**           /usr/bin/node     40  none\n"),
        "{text}"
    );
    assert!(text.contains("/srv/y"), "{text}");
    assert!(
        text.contains("  and 12 more (--report FILE holds them all)\n"),
        "{text}"
    );
    assert!(
        text.contains("what to do: probity learn -o FILE -- /usr/bin/node 'my app.js' writes the declared set"),
        "{text}"
    );
}

#[test]
fn one_undeclared_act_suggests_its_rule() {
    let named = |raw: Raw| report(&[exec("/usr/bin/node"), raw], facts(true));
    for (raw, want) in [
        (
            read(event::UNDECLARED, "/a \"b\""),
            r#"[[file]] access = ["read"] paths = ["/a \"b\""]"#,
        ),
        (
            read(event::UNDECLARED, "/a\x7f\n\u{202e}"),
            r#"[[file]] access = ["read"] paths = ["/a\U0000007f\n\U0000202e"]"#,
        ),
        (
            Raw::connect(event::UNDECLARED, "192.0.2.7", 443),
            r#"[[net]] cidr = ["192.0.2.7/32"] ports = [443]"#,
        ),
        (
            Raw::connect(event::UNDECLARED, "2001:db8::1", 53).with(|e| (e.kind, e.protocol) = (kind::NET_SEND, 17)),
            r#"[[net]] cidr = ["2001:db8::1/128"] ports = [53] proto = ["udp"]"#,
        ),
        (
            Raw::connect(event::UNDECLARED, "::1", 80).with(|e| e.kind = kind::NET_LISTEN),
            r#"[net.policy] listen = ["[::1]:80"]"#,
        ),
        (
            Raw::file(kind::UNIX_CONNECT, event::UNDECLARED, access::UNIX, "/run/bus"),
            r#"[[unix]] paths = ["/run/bus"]"#,
        ),
        (
            Raw::file(kind::EXEC, event::UNDECLARED, access::EXEC, "/bin/sh"),
            r#"[[exec]] paths = ["/bin/sh"]"#,
        ),
    ] {
        let text = render(&named(raw), WIDE);
        assert!(
            text.ends_with(&format!("what to do: if that was meant, declare it: {want}\n")),
            "{text}"
        );
    }
    let text = render(&named(Raw::new(kind::BPF, event::UNDECLARED)), WIDE);
    assert!(text.contains("what to do: probity learn"), "{text}");
}

#[test]
fn a_narrow_terminal_shortens_the_object_and_colours_keep_the_columns() {
    let long = format!("/srv/{}/end-of-it", "deep/".repeat(20));
    let document = report(&[exec("/usr/bin/node"), read(event::UNDECLARED, &long)], facts(true));
    let narrow = render(
        &document,
        View {
            columns: Some(80),
            colour: false,
        },
    );
    let rows: Vec<&str> = narrow.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(rows.iter().all(|line| line.chars().count() <= 80), "{narrow}");
    assert!(rows[1].contains("...") && rows[1].contains("end-of-it"), "{narrow}");
    let coloured = render(
        &document,
        View {
            columns: Some(80),
            colour: true,
        },
    );
    assert!(coloured.contains("\x1b["));
    let plain = without_colours(&coloured);
    assert_eq!(plain, narrow);
}

/// The text without its SGR sequences.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        out + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

#[test]
fn what_hides_something_is_said() {
    let change = Facts {
        ended: Ended::Signalled(9),
        contained: false,
        blind: vec![super::super::Blind {
            act: "int80".into(),
            reason: "no hook".into(),
            matters: false,
        }],
        inherited: vec![super::super::Inherited {
            fd: 5,
            target: "pipe".into(),
        }],
        lingering: vec![super::super::Lingering {
            pid: 9,
            exe: None,
            done: "killed".into(),
        }],
        uncovered: vec![super::super::Uncovered {
            pid: 1,
            what: "/x".into(),
        }],
        incomplete: vec!["the tree outlived the watch".into()],
        notes: vec!["a note\x1b[2J".into()],
        ..facts(true)
    };
    let want = "\
probity watch: incomplete: 18,204 acts declared; node was ended by signal 9 after 3.2 s
not everything was seen: the tree outlived the watch
not observable here: int80 (probity doctor says why)
not contained: CMD ran with the watcher's own rights and could have ended it
1 descriptor inherited; 1 object already open and not covered; 1 process lived on: killed
a note\\x1b[2J
what to do: run it again; probity doctor shows what this host can observe
";
    assert_eq!(render(&report(&[], change), WIDE), want);
    let failed = Facts {
        failed: Some("no BTF".into()),
        ..facts(true)
    };
    assert!(
        render(&report(&[], failed), WIDE)
            .starts_with("probity watch: the watcher failed: no BTF, 18,204 acts declared")
    );
}

#[test]
fn words_are_quoted_as_a_shell_reads_them() {
    for (word, want) in [
        ("plain-word_1./x", "plain-word_1./x"),
        ("", "''"),
        ("a b", "'a b'"),
        ("it's", "'it'\\''s'"),
        ("$(x)", "'$(x)'"),
        ("a\nb", "'a\\x0ab'"),
    ] {
        assert_eq!(quote(word), want);
    }
}
