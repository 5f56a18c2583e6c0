//! What a person sees: colours and a bar on a terminal, plain text everywhere else, and lines that fit.

use crate::common::{bytes_of, plain, probity, put, run, skip, temp};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command with a terminal of `columns` as its standard output and error; returns what the terminal got.
fn on_terminal(command: &mut Command, columns: u16) -> Option<String> {
    let leader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).ok()?;
    grantpt(&leader).ok()?;
    unlockpt(&leader).ok()?;
    tcsetwinsize(
        &leader,
        Winsize {
            ws_row: 40,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        },
    )
    .ok()?;
    let name = ptsname(&leader, Vec::new()).ok()?.into_string().ok()?;
    let follower = File::options().read(true).write(true).open(name).ok()?;
    command
        .stdin(Stdio::null())
        .stdout(follower.try_clone().ok()?)
        .stderr(follower);
    let mut child = command.spawn().unwrap();
    // The command holds the follower open: without it the leader reports the end as an error.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut leader, mut out, mut chunk) = (File::from(leader), Vec::new(), [0u8; 4096]);
    while let Ok(n @ 1..) = leader.read(&mut chunk) {
        out.extend_from_slice(&chunk[..n]);
    }
    child.wait().unwrap();
    String::from_utf8(out).ok()
}

fn scan(dir: &Path, args: &[&str]) -> Command {
    let mut command = probity();
    command
        .current_dir(dir)
        .env("TERM", "xterm-256color")
        .arg("scan")
        .args(args);
    command
}

fn without_sgr(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn tree(dir: &Path) {
    put(dir, "t/high", &bytes_of(Some("high")));
    put(dir, "t/medium", &bytes_of(Some("medium")));
    put(dir, "t/fine", &plain());
    std::os::unix::fs::symlink("/etc/hostname", dir.join("t/out")).unwrap();
}

#[test]
fn lines_fit_the_terminal_and_hide_nothing() {
    let dir = temp();
    tree(dir.path());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let piped = run(scan(dir.path(), &["-v", "t"]), Stdio::null()).stdout;
    // How long it took differs from run to run, and with it the rate.
    let timeless = |words: Vec<String>| {
        let number = |w: &String| w.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().is_ok();
        words.into_iter().filter(|w| !number(w)).collect::<Vec<_>>()
    };
    for columns in [60, 80, 120] {
        let Some(seen) = on_terminal(&mut scan(dir.path(), &["--no-progress", "-v", "t"]), columns) else {
            return skip("no pty");
        };
        let seen = without_sgr(&seen);
        // The hex view is as wide as it is; text is not.
        let width = usize::from(columns).max(80);
        let wide = seen.lines().find(|l| l.chars().count() > width);
        assert_eq!(wide, None, "{columns} columns");
        assert_eq!(timeless(words(&seen)), timeless(words(&piped)), "{columns} columns");
    }
}

#[test]
fn a_pipe_gets_one_line_for_one_thing() {
    let dir = temp();
    tree(dir.path());
    let piped = run(scan(dir.path(), &["t"]), Stdio::null()).stdout;
    assert!(
        piped
            .lines()
            .any(|l| l.contains("what to do: extract what follows") && l.contains("publisher announces")),
        "{piped}"
    );
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let dir = temp();
    tree(dir.path());
    let coloured = |command: &mut Command| on_terminal(command, 80).map(|seen| seen.contains("\x1b["));
    let scan = |args: &[&str]| scan(dir.path(), &[&["--no-progress", "t"], args].concat());
    let Some(plainly) = coloured(&mut scan(&[])) else {
        return skip("no pty");
    };
    assert!(plainly, "on a terminal");
    assert_eq!(coloured(scan(&[]).env("NO_COLOR", "1")), Some(false), "NO_COLOR");
    assert_eq!(coloured(scan(&[]).env("TERM", "dumb")), Some(false), "TERM=dumb");
    assert_eq!(coloured(&mut scan(&["--color", "never"])), Some(false), "--color never");
    assert_eq!(
        coloured(scan(&["--color", "always"]).env("NO_COLOR", "1")),
        Some(true),
        "--color always"
    );
    let piped = |args: &[&str]| run(scan(args), Stdio::null()).stdout.contains("\x1b[");
    assert!(!piped(&[]), "a pipe");
    assert!(piped(&["--color", "always"]), "a pipe that wants it");
    assert!(
        !piped(&["--format", "json", "--color", "always"]),
        "json has no colours"
    );
}

#[test]
fn a_report_in_a_file_has_colours_only_when_told_so() {
    let dir = temp();
    tree(dir.path());
    for (color, expected) in [("auto", false), ("never", false), ("always", true)] {
        run(
            scan(dir.path(), &["t", "--color", color, "--output", "report"]),
            Stdio::null(),
        );
        let report = std::fs::read_to_string(dir.path().join("report")).unwrap();
        assert_eq!(report.contains("\x1b["), expected, "{color}");
    }
}

#[test]
fn the_bar_is_for_a_terminal_and_leaves_nothing_behind() {
    let dir = temp();
    File::create(dir.path().join("large"))
        .unwrap()
        .set_len(10 << 30)
        .unwrap();
    let limited = ["--timeout", "1", "large"];
    let Some(seen) = on_terminal(&mut scan(dir.path(), &limited), 100) else {
        return skip("no pty");
    };
    assert!(
        seen.contains("GB") && seen.contains("/s") && seen.contains("large"),
        "{seen:?}"
    );
    for args in [&["--no-progress"][..], &["--no-progress", "--format", "json"]] {
        let quiet = on_terminal(&mut scan(dir.path(), &[args, &limited].concat()), 100).unwrap();
        assert!(
            !quiet.contains('\r') || !quiet.replace("\r\n", "\n").contains('\r'),
            "{quiet:?}"
        );
    }
    let dumb = on_terminal(scan(dir.path(), &limited).env("TERM", "dumb"), 100).unwrap();
    assert!(!dumb.contains('\x1b'), "{dumb:?}");
    assert_eq!(
        run(scan(dir.path(), &limited), Stdio::null()).stderr,
        "",
        "a pipe gets no bar"
    );
}
