//! The same bytes give the same report, whatever the number of threads; the order is that of the arguments, then of
//! the sorted walk.

use crate::common::{artifacts, bytes_of, files, plain, probity, put, run, run_fed, scan, scrubbed, temp};
use probity_tests::matrix::SECTIONS;
use std::path::Path;
use std::process::Stdio;

fn tree(dir: &Path) {
    for sample in probity_tests::samples::all() {
        put(dir, format!("samples/{}", sample.name), &sample.bytes);
    }
    for case in probity_tests::samples::hostile() {
        put(dir, format!("hostile/{}", case.name), &case.bytes);
    }
    put(dir, "large", &vec![0x5a; 20 << 20]);
    put(dir, "large.safetensors", &large_model());
    for n in 0..50 {
        put(
            dir,
            format!("many/{n}"),
            &bytes_of(["info", "low", "medium", "high"].get(n % 5).copied()),
        );
    }
    std::os::unix::fs::symlink("/etc/hostname", dir.join("out")).unwrap();
}

/// Forty tensors of 512 KiB, each with a value that is no number: large enough for a thread that only hashes.
fn large_model() -> Vec<u8> {
    const BYTES: usize = 512 << 10;
    let entries: Vec<String> = (0..40)
        .map(|n| {
            let (start, end) = (n * BYTES, (n + 1) * BYTES);
            format!("\"layers.{n}.weight\":{{\"dtype\":\"F32\",\"shape\":[1024,128],\"data_offsets\":[{start},{end}]}}")
        })
        .collect();
    let mut header = format!("{{{}}}", entries.join(","));
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    for n in 0..40u32 {
        let mut state = n;
        out.extend((0..BYTES / 4).flat_map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let weight = (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32;
            let value = if at == 1000 + n as usize { f32::NAN } else { weight };
            value.to_le_bytes()
        }));
    }
    out
}

#[test]
fn one_thread_and_eight_and_a_second_run_say_the_same() {
    let dir = temp();
    tree(dir.path());
    let report = |jobs| scrubbed(scan(dir.path(), &["--all-artifacts", "--jobs", jobs, "."]).json());
    let one = report("1");
    assert_eq!(one, report("8"));
    assert_eq!(one, report("8"));
    assert_eq!(one, report("0"));
    let model = one["artifacts"].as_array().unwrap().iter();
    let model = model.clone().find(|a| a["path"] == "./large.safetensors").unwrap();
    let told = model["findings"].as_array().unwrap().iter();
    assert_eq!(told.filter(|f| f["code"] == "tensor-nonfinite").count(), 40);
}

#[test]
fn a_report_owes_nothing_to_the_environment() {
    let dir = temp();
    tree(dir.path());
    for (number, row) in SECTIONS.iter().flat_map(|s| s.rows).enumerate() {
        put(dir.path(), format!("matrix/{number}-fires"), &row.fires.bytes());
        put(dir.path(), format!("matrix/{number}-quiet"), &row.quiet.bytes());
    }
    let report = |bare: bool| {
        let mut command = probity();
        command
            .current_dir(dir.path())
            .args(["scan", "--format", "json", "--all-artifacts", "."]);
        if bare {
            command.env_clear();
        } else {
            // What a host may have set, to mislead or by accident.
            for (name, value) in [
                ("HOME", "/data/home"),
                ("PATH", "/data/bin"),
                ("LANG", "tr_TR.UTF-8"),
                ("LC_ALL", "C"),
                ("TZ", "Pacific/Kiritimati"),
                ("PYTHONPATH", "/data/python"),
                ("TERM", "xterm"),
                ("RAYON_NUM_THREADS", "3"),
            ] {
                command.env(name, value);
            }
        }
        scrubbed(run(command, Stdio::null()).json())
    };
    assert_eq!(report(true), report(false));
}

#[test]
fn limits_strike_at_the_same_place_whatever_the_number_of_threads() {
    let dir = temp();
    tree(dir.path());
    let report = |jobs| {
        scrubbed(
            scan(
                dir.path(),
                &[
                    "--all-artifacts",
                    "--max-decoded",
                    "1K",
                    "--max-members",
                    "2",
                    "--jobs",
                    jobs,
                    ".",
                ],
            )
            .json(),
        )
    };
    assert_eq!(report("1"), report("8"));
}

#[test]
fn the_walk_is_sorted_component_by_component() {
    let dir = temp();
    let expected = [
        "t/A",
        "t/a/b",
        "t/a/b-c",
        "t/a/b.d/x",
        "t/a/b0",
        "t/a-b",
        "t/a.b",
        "t/a0",
        "t/ab",
        "t/\u{e9}",
    ];
    for name in expected.iter().rev() {
        put(dir.path(), name, &plain());
    }
    let report = scan(dir.path(), &["t", "--jobs", "4"]).json();
    assert_eq!(artifacts(&report)[0]["path"], "t");
    assert_eq!(files(&report), expected);
}

#[test]
fn arguments_keep_their_order_and_their_spelling() {
    let dir = temp();
    for name in ["z", "d/a", "m"] {
        put(dir.path(), name, &plain());
    }
    let absolute = dir.path().join("m").display().to_string();
    let report = scan(dir.path(), &["z", "./d/", "m", &absolute, "z", "d/../m"]).json();
    let paths: Vec<&str> = artifacts(&report).iter().filter_map(|a| a["path"].as_str()).collect();
    assert_eq!(paths, ["z", "./d/", "./d/a", "m", &absolute, "z", "d/../m"]);
}

#[test]
fn standard_input_stands_where_it_was_given() {
    let dir = temp();
    put(dir.path(), "a", &plain());
    put(dir.path(), "b/c", &plain());
    for (args, expected) in [
        (["-", "a", "b"], &["-", "a", "b", "b/c"]),
        (["a", "-", "b"], &["a", "-", "b", "b/c"]),
        (["b", "a", "-"], &["b", "b/c", "a", "-"]),
    ] {
        let run = run_fed(
            dir.path(),
            &[&["scan", "--format", "json"], &args[..]].concat(),
            &plain(),
        );
        let report = run.expect(0, "clean", true);
        let paths: Vec<&str> = artifacts(&report).iter().filter_map(|a| a["path"].as_str()).collect();
        assert_eq!(paths, expected);
    }
}
