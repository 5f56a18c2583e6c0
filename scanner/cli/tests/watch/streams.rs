//! Standard output and standard error are the command's; events and the report go where they are told to, or say so.

use std::fs;
use std::process::Stdio;

use super::place::Place;

#[test]
fn what_the_command_prints_passes_unchanged() {
    let Some(place) = Place::new() else { return };
    let bytes: Vec<u8> = (0..1_000_003_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let file = place.path("bytes");
    fs::write(&file, &bytes).unwrap();
    let script = format!("cat {0}; cat {0} >&2", file.display());
    let place_out = (place.path("out"), place.path("err"));
    let mut watch = place.inventory().options(&["--quiet"]);
    watch.command.stdout(fs::File::create(&place_out.0).unwrap());
    watch.command.stderr(fs::File::create(&place_out.1).unwrap());
    let seen = watch.start(&["/bin/sh", "-c", &script]).end();
    assert_eq!(seen.code(), 0, "{}", seen.said());
    assert!(fs::read(&place_out.0).unwrap() == bytes, "standard output changed");
    assert!(fs::read(&place_out.1).unwrap() == bytes, "standard error changed");
}

#[test]
fn what_the_command_reads_passes_unchanged() {
    let Some(place) = Place::new() else { return };
    let file = place.file("input");
    let mut watch = place.inventory().options(&["--quiet"]);
    watch.command.stdin(Stdio::from(fs::File::open(file).unwrap()));
    let seen = watch.start(&["/bin/cat"]).end();
    assert_eq!(
        (seen.code(), seen.stdout.as_slice()),
        (0, b"input\n".as_slice()),
        "{}",
        seen.said()
    );
}

#[test]
fn events_on_a_full_disk_do_not_hide_a_violation() {
    let Some(place) = Place::new() else { return };
    let secret = place.file("secret").into_os_string().into_string().unwrap();
    let seen = place
        .watch("")
        .options(&["--events", "/dev/full"])
        .sh(&format!("read x < {secret}"));
    assert_eq!(seen.code(), 120, "{}", seen.said());
    assert!(seen.report["events"]["error"].is_string(), "{:#}", seen.report);
    let seen = place.watch("").options(&["--events", "/dev/full"]).sh("exit 0");
    assert_eq!(seen.code(), 121, "{}", seen.said());
}

#[test]
fn a_reader_of_events_that_goes_away_does_not_hide_a_violation() {
    let Some(place) = Place::new() else { return };
    let secret = place.file("secret").into_os_string().into_string().unwrap();
    // Standard output is the pipe; the command's own is elsewhere.
    let script = format!(
        "exec > /dev/null; i=0; while [ $i -lt 300 ]; do (read x < {secret}.$i); i=$((i+1)); done; read x < {secret}"
    );
    let mut watch = place.watch("").options(&["--events", "fd:1", "--events-all"]);
    let (read, write) = std::io::pipe().unwrap();
    watch.command.stdout(write);
    let run = watch.start(&["/bin/sh", "-c", &script]);
    drop(read);
    let seen = run.end();
    assert_eq!(seen.code(), 120, "{}", seen.said());
    assert!(seen.report["events"]["error"].is_string(), "{:#}", seen.report);
}

#[test]
fn events_or_a_report_that_cannot_be_opened_start_nothing() {
    let Some(place) = Place::new() else { return };
    for option in ["--events", "--report"] {
        for target in ["/no/such/folder/file", "/", "fd:77"] {
            let seen = place
                .inventory()
                .options(&[option, target])
                .sh(&format!(": > {}", place.text("trace")));
            assert!([2, 125].contains(&seen.code()), "{option} {target}: {}", seen.said());
            assert!(seen.stderr.contains(target), "{}", seen.stderr);
            assert!(!place.path("trace").exists(), "{option} {target}: the command was run");
        }
    }
}

#[test]
fn a_report_on_a_full_disk_is_a_failure() {
    let Some(place) = Place::new() else { return };
    let seen = place.inventory().options(&["--report", "/dev/full"]).sh("exit 0");
    assert_eq!(seen.code(), 125, "{}", seen.said());
    assert!(seen.stderr.contains("/dev/full"), "{}", seen.stderr);
}
