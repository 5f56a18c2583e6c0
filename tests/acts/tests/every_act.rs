//! Every act, in both forms, without any watcher: it does what its row says, or says why this host cannot.
//!
//! A watcher's test reads silence as "nothing happened"; this test is what makes that reading sound.

mod run;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use probity_acts::context::Form;
use probity_acts::outside::Outside;
use probity_acts::table;
use run::{Ran, acts, run};

/// No act may take longer than this, floods and races included.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn every_act_is_done_in_both_forms_or_says_why_not() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("probity-skip: half of the acts need root");
        return;
    }
    let outside = Outside::start(acts()).unwrap();
    let mut skipped = BTreeMap::new();
    let mut failures = Vec::new();
    let mut done = 0;
    for act in table::all() {
        outside.setup().unwrap();
        for form in Form::BOTH {
            let started = Instant::now();
            match run(&outside, act, form, &[]) {
                Ran::Done(told) => {
                    done += 1;
                    let object = told["object"].as_str().unwrap();
                    assert!(!object.contains("${"), "{object} of {} is not resolved", act.name);
                }
                Ran::Skipped(reason) => {
                    skipped.insert(format!("{} ({})", act.name, form.word()), reason);
                }
                Ran::Failed(line) => failures.push(line),
            }
            if started.elapsed() > LIMIT {
                failures.push(format!("{} took {:?}", act.name, started.elapsed()));
            }
        }
    }
    for (name, reason) in &skipped {
        eprintln!("probity-skip: {name}: {reason}");
    }
    eprintln!("{done} acts done, {} skipped", skipped.len());
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(
        done >= 100,
        "only {done} acts were done: the host lacks too much for this test to mean anything"
    );
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let left: Vec<&str> = mounts
        .lines()
        .filter(|line| line.contains(outside.dir().to_str().unwrap()))
        .collect();
    assert!(left.is_empty(), "an act left a mount behind: {left:?}");
}

#[test]
fn setup_restores_what_acts_use_up_and_keeps_the_inode_that_others_hold() {
    let outside = Outside::start(acts()).unwrap();
    let forbidden = outside.dir().join("forbidden");
    let inode = |name: &str| std::fs::metadata(forbidden.join(name)).unwrap().ino();
    let secret = inode("secret");
    std::fs::remove_file(forbidden.join("unlink-me")).unwrap();
    std::fs::write(forbidden.join("secret"), "spoilt").unwrap();
    std::fs::write(forbidden.join("new-file"), "left behind").unwrap();
    outside.setup().unwrap();
    assert_eq!(inode("secret"), secret);
    assert_eq!(
        std::fs::read_to_string(forbidden.join("secret")).unwrap(),
        "forbidden: known contents\n"
    );
    assert!(forbidden.join("unlink-me").exists());
    assert!(!forbidden.join("new-file").exists());
}
