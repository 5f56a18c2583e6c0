//! `probity declare`: check, explain, diff, schema.

use crate::common::{put, run_in, temp};
use serde_json::Value;

const SET: &str = r#"version = 1
name = "agent"

[[file]]
access = ["read"]
paths  = [
    "/usr/**",
    "${home}/src/**",
]
[[file]]
deny  = ["read", "write"]
paths = ["${home}/.ssh/**"]
mode  = "block"

[[exec]]
paths = ["/usr/bin/{git,rg}"]

[[net]]
hosts = ["*.example.com"]
ports = [443]
[[net]]
cidr  = ["127.0.0.0/8"]
ports = ["*"]
[net.policy]
listen = ["127.0.0.1:*"]

[[unix]]
paths = ["/run/nscd/socket", "@db"]

[kernel]
ptrace = "tree-only"
"#;

#[test]
fn check_says_good_to_be_read_and_refused_apart() {
    let dir = temp();
    put(dir.path(), "a.declared.toml", SET.as_bytes());
    let run = run_in(
        dir.path(),
        &["declare", "check", "a.declared.toml", "--var", "home=/home/u"],
    );
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    assert_eq!(
        run.stdout,
        "agent: loads; rules: 2 file, 1 exec, 2 net, 1 unix; 0 warnings\n"
    );

    let run = run_in(dir.path(), &["declare", "check", "a.declared.toml"]);
    assert_eq!(run.code, 2);
    for part in [
        "error: the variable `home` is not set",
        " --> a.declared.toml:8:5",
        "8 |     \"${home}/src/**\",",
        "help: set it in the environment, or give --var home=VALUE",
        " --> a.declared.toml:12:10",
        "does not load: 2 errors",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }

    let warned = "version = 1\n[[net]]\nhosts = ['a.example']\n";
    put(dir.path(), "w.toml", warned.as_bytes());
    let run = run_in(dir.path(), &["declare", "check", "w.toml", "--format", "json"]);
    assert_eq!(run.code, 1);
    let report = run.json();
    assert_eq!(report["schema"], "probity.declare/1");
    assert_eq!(report["loads"], true);
    assert_eq!(report["diagnostics"][0]["level"], "warning");
    assert_eq!(report["diagnostics"][0]["line"], 2);
}

#[test]
fn check_refuses_what_is_no_text_and_what_is_not_there() {
    let dir = temp();
    put(dir.path(), "bytes.toml", b"version = 1\n\xff");
    for (name, reason) in [
        ("bytes.toml", "not UTF-8 at byte 12"),
        ("none.toml", "none.toml"),
        ("/dev/zero", "larger than 1 MiB"),
    ] {
        let run = run_in(dir.path(), &["declare", "check", name]);
        assert_eq!(run.code, 2, "{name}");
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
    let run = run_in(dir.path(), &["declare", "check"]);
    assert_eq!(run.code, 2);
}

#[test]
fn control_characters_of_a_set_reach_no_terminal() {
    let dir = temp();
    put(
        dir.path(),
        "a.toml",
        "version = 1\n\"\\u001b]0;x\\u0007\" = 1 # \u{9b}2J\u{202e}\n".as_bytes(),
    );
    let run = run_in(dir.path(), &["declare", "check", "a.toml"]);
    assert_eq!(run.code, 2);
    assert!(
        !run.stdout.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
        "{:?}",
        run.stdout
    );
}

#[track_caller]
fn explain(target: &str, more: &[&str]) -> Value {
    let dir = temp();
    put(dir.path(), "a.declared.toml", SET.as_bytes());
    let mut args = vec![
        "declare",
        "explain",
        "a.declared.toml",
        target,
        "--var",
        "home=/home/u",
        "--format",
        "json",
    ];
    args.extend(more);
    let run = run_in(dir.path(), &args);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    run.json()
}

#[test]
fn explain_names_the_rule_that_decides() {
    for (target, more, decision, line, quoted) in [
        ("/usr/lib/x", &["--access", "read"][..], "declared", 7, "\"/usr/**\","),
        ("/usr/lib/x", &["--access", "write"], "undeclared", 0, ""),
        (
            "/home/u/.ssh/id",
            &["--access", "read"],
            "denied",
            12,
            "paths = [\"${home}/.ssh/**\"]",
        ),
        (
            "/usr/bin/git",
            &["--access", "exec"],
            "declared",
            16,
            "paths = [\"/usr/bin/{git,rg}\"]",
        ),
        ("127.0.0.1:80", &[], "declared", 22, "cidr  = [\"127.0.0.0/8\"]"),
        ("127.0.0.1:80", &["--proto", "udp"], "undeclared", 0, ""),
        ("[::1]:80", &[], "undeclared", 0, ""),
        (
            "unix:@db",
            &[],
            "declared",
            28,
            "paths = [\"/run/nscd/socket\", \"@db\"]",
        ),
        ("unix:/run/docker.sock", &[], "undeclared", 0, ""),
        ("listen:127.0.0.1:0", &[], "declared", 25, "listen = [\"127.0.0.1:*\"]"),
        ("family:packet", &[], "undeclared", 0, ""),
        ("kernel:ptrace", &[], "declared", 31, "ptrace = \"tree-only\""),
    ] {
        let report = explain(target, more);
        let first = &report["answers"][0];
        assert_eq!(first["decision"], decision, "{target}: {report:#}");
        if line > 0 {
            assert_eq!(first["rules"][0]["line"], line, "{target}: {report:#}");
            assert_eq!(first["rules"][0]["quoted"], quoted, "{target}");
        } else {
            assert_eq!(first["rules"].as_array().unwrap().len(), 0, "{target}");
        }
    }
    let named = explain("api.example.com:443", &[]);
    let decisions: Vec<&str> = named["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["decision"].as_str().unwrap())
        .collect();
    assert_eq!(decisions, ["undeclared", "declared", "declared"]);
    assert_eq!(explain("/home/u/.ssh/id", &[])["answers"].as_array().unwrap().len(), 7);
    assert_eq!(
        explain("/home/u/.ssh/id", &["--access", "read"])["answers"][0]["mode"],
        "block"
    );
}

#[test]
fn explain_shows_people_every_access_and_refuses_what_it_cannot_place() {
    let dir = temp();
    put(dir.path(), "a.declared.toml", SET.as_bytes());
    let ask = |target: &str| {
        run_in(
            dir.path(),
            &["declare", "explain", "a.declared.toml", target, "--var", "home=/h"],
        )
    };
    let run = ask("/h/.ssh");
    assert_eq!(run.code, 0);
    assert!(
        run.stdout
            .starts_with("read                  denied      mode block\n    a.declared.toml:10\n       12 | paths"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("create                undeclared  no rule allows it; mode report\n"),
        "{}",
        run.stdout
    );
    for target in [
        "relative",
        "/a/../b",
        "unix:x",
        "a.example",
        "a.example:99999",
        "kernel:x",
        "listen:x:1",
        "family:x",
    ] {
        assert_eq!(ask(target).code, 2, "{target}");
    }
}

#[test]
fn diff_says_what_may_be_done_more() {
    let dir = temp();
    put(dir.path(), "old.toml", SET.as_bytes());
    put(
        dir.path(),
        "new.toml",
        SET.replace("access = [\"read\"]", "access = [\"read\", \"write\"]")
            .as_bytes(),
    );
    let run = run_in(
        dir.path(),
        &["declare", "diff", "old.toml", "new.toml", "--var", "home=/h"],
    );
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(
        run.stdout,
        "widened   file `/h/src/**`: write now also allowed  (old.toml:4 -> new.toml:4)\n\
         widened   file `/usr/**`: write now also allowed  (old.toml:4 -> new.toml:4)\n"
    );
    let run = run_in(
        dir.path(),
        &["declare", "diff", "old.toml", "old.toml", "--var", "home=/h"],
    );
    assert_eq!((run.code, run.stdout.as_str()), (0, "no change\n"));
    let run = run_in(dir.path(), &["declare", "diff", "old.toml", "new.toml"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("new.toml:8:5"), "{}", run.stderr);
}

#[test]
fn the_schema_is_json() {
    let dir = temp();
    let run = run_in(dir.path(), &["declare", "schema"]);
    assert_eq!(run.code, 0);
    assert_eq!(run.json()["title"], "Probity declared set");
}
