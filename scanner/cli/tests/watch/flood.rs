//! More than fits: what is not told one by one is counted, memory stays bounded, nothing hangs.

use std::net::TcpListener;
use std::process::Command;

use super::place::Place;
use super::watched::{Seen, acts};

/// The most memory that the watcher may have had, in kB.
const MOST: u64 = 200 << 10;

/// A count: the whole of it where time is given, else a part.
fn count(whole: u64, part: u64) -> String {
    let full = std::env::var_os("PROBITY_WATCH_FULL").is_some();
    (if full { whole } else { part }).to_string()
}

fn ready(place: &Place) -> String {
    let dir = place.directory("a").into_os_string().into_string().unwrap();
    let mut setup = Command::new(acts());
    setup.args(["setup", "--dir", &dir]);
    assert!(setup.status().unwrap().success());
    dir
}

fn allowed(dir: &str) -> String {
    format!(
        "[[file]]\naccess = [\"read\", \"write\", \"create\", \"delete\"]\npaths = [\"{dir}/allowed\", \"{dir}/allowed/**\"]\n"
    )
}

/// All that was done is told one by one, counted, or counted as lost.
#[track_caller]
fn accounted(seen: &Seen, at_least: u64, kind: &str) {
    assert!([120, 121].contains(&seen.code()), "{}", seen.code());
    assert!(seen.peak < MOST, "{} kB", seen.peak);
    let told: u64 = seen
        .events
        .iter()
        .filter(|event| event["kind"] == kind && event["verdict"] == "undeclared")
        .filter_map(|event| event["count"].as_u64())
        .sum();
    let lost = seen.report["lost"].to_string();
    eprintln!("{kind}: {told} of {at_least} told, lost {lost}, {} kB", seen.peak);
    let lost: u64 = seen.report["lost"]
        .as_object()
        .map_or(0, |lost| lost.values().filter_map(serde_json::Value::as_u64).sum());
    assert!(told + lost >= at_least, "{told} told, {lost} lost");
}

#[test]
fn many_opens_of_one_file_are_counted() {
    let Some(place) = Place::new() else { return };
    let dir = ready(&place);
    let count = count(1_000_000, 100_000);
    let words = [
        "flood",
        "open",
        "--dir",
        &dir,
        "--form",
        "undeclared",
        "--count",
        &count,
    ];
    let seen = place.watch(&allowed(&dir)).act(&words);
    accounted(&seen, count.parse().unwrap(), "file.open");
}

#[test]
fn many_undeclared_files_are_told_or_counted() {
    let Some(place) = Place::new() else { return };
    let dir = ready(&place);
    let count = count(1_000_000, 30_000);
    let words = [
        "flood",
        "open",
        "--distinct",
        "--dir",
        &dir,
        "--form",
        "undeclared",
        "--count",
        &count,
    ];
    let seen = place.watch(&allowed(&dir)).act(&words);
    accounted(&seen, count.parse().unwrap(), "file.create");
}

#[test]
fn many_declared_files_are_no_event() {
    let Some(place) = Place::new() else { return };
    let dir = ready(&place);
    let count = count(1_000_000, 30_000);
    let words = [
        "flood",
        "open",
        "--distinct",
        "--dir",
        &dir,
        "--form",
        "declared",
        "--count",
        &count,
    ];
    let seen = place.watch(&allowed(&dir)).act(&words);
    seen.declared();
    assert!(seen.peak < MOST, "{} kB", seen.peak);
}

#[test]
fn many_processes_are_followed_to_the_last() {
    let Some(place) = Place::new() else { return };
    let dir = ready(&place);
    let count = count(10_000, 2_000);
    for (form, code) in [("declared", 0), ("undeclared", 120)] {
        let words = ["flood", "fork", "--dir", &dir, "--form", form, "--count", &count];
        let seen = place.watch(&allowed(&dir)).act(&words);
        assert_eq!(seen.code(), code, "{:?} {}", seen.acts(), seen.report);
        assert!(seen.peak < MOST, "{} kB", seen.peak);
    }
}

#[test]
fn many_connections_are_counted() {
    let Some(place) = Place::new() else { return };
    let dir = ready(&place);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let count = count(100_000, 5_000);
    let rules = |port: u16| {
        format!(
            "{}[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [{port}]\nproto = [\"tcp\"]\n",
            allowed(&dir)
        )
    };
    let port_word = port.to_string();
    let words = [
        "flood", "connect", "--dir", &dir, "--port", &port_word, "--count", &count,
    ];
    place.watch(&rules(port)).act(&words).declared();
    let seen = place.watch(&rules(port ^ 1)).act(&words);
    accounted(&seen, count.parse().unwrap(), "net.connect");
}

#[test]
fn children_that_nobody_waits_for_are_no_trouble() {
    let Some(place) = Place::new() else { return };
    let count = count(5_000, 500);
    let script = format!("i=0; while [ $i -lt {count} ]; do (exit 0) & i=$((i+1)); done; exec cat /dev/null");
    let seen = place.watch("").sh(&script);
    seen.declared();
    assert!(seen.peak < MOST, "{} kB", seen.peak);
}

#[test]
fn a_directory_that_is_renamed_under_its_own_feet_hides_nothing() {
    let Some(place) = Place::new() else { return };
    let dir = ready(&place);
    let rules = format!(
        "{}[[file]]\naccess = [\"create\", \"delete\"]\npaths = [\"{dir}/*/roam\", \"{dir}/*/roaming\"]\n",
        allowed(&dir)
    );
    let count = count(20_000, 1_000);
    let words = ["rename-under", "--dir", &dir, "--form", "undeclared", "--count", &count];
    let seen = place.watch(&rules).act(&words);
    assert_eq!(seen.code(), 120, "{}", seen.said());
    let object = format!("undeclared file.open {dir}/forbidden/roaming/secret");
    assert!(seen.acts().contains(&object), "{}", seen.said());
    ready(&place);
    let words = ["rename-under", "--dir", &dir, "--form", "declared", "--count", &count];
    let seen = place.watch(&rules).act(&words);
    assert!([0, 121].contains(&seen.code()), "{}", seen.said());
    assert!(
        seen.acts().iter().all(|act| act.starts_with("ambiguous")),
        "{}",
        seen.said()
    );
}
