//! Loading and attaching every program that the kernel can take.

use probity_abi::config::{ADOPT_BY_EXE, Config, DECLARED_SET, EXIT_TELLS_GROUP, FAMILIES_LIMITED, HOOKED, LINEAGE};
use probity_watch::kernel::btf::Types;
use probity_watch::kernel::load::Object;
use probity_watch::kernel::programs::{Backend, Hook, Row, of};

#[test]
fn every_program_of_the_tracepoint_backend_loads() {
    check(Backend::Trace);
}

#[test]
fn every_program_of_the_lsm_backend_loads() {
    check(Backend::Lsm);
}

#[test]
fn every_program_of_the_hook_backend_loads() {
    check(Backend::Hook);
}

/// Loads and attaches each row that fits this kernel. Where nobody asked for the backend, a host that refuses all of its
/// own programs before it verifies them is a skip.
fn check(backend: Backend) {
    let types = match Types::running() {
        Ok(types) => types,
        Err(error) => {
            eprintln!("probity-skip: {error}");
            return;
        }
    };
    let mut object = Object::new(&config(backend, &types)).expect("the object");
    let (mut loaded, mut forbidden, mut refused) = (0, 0, Vec::new());
    for row in of(backend) {
        if let Some(why) = row.unfit(&types) {
            println!("{:32} -       {why}", row.name);
            continue;
        }
        match object.load(row).and_then(|count| object.attach(row).map(|()| count)) {
            Ok(count) => {
                loaded += 1;
                println!("{:32} {}", row.name, count.unwrap_or_default());
            }
            Err(why) if own(row) && why.contains("(os error 1)") => {
                forbidden += 1;
                println!("{:32} -       {why}", row.name);
            }
            Err(why) => refused.push(format!("{}: {why}", row.name)),
        }
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
    assert_ne!(loaded, 0);
    if forbidden != 0 {
        assert_ne!(super::asked(), Some(backend), "{forbidden} programs are refused");
        eprintln!(
            "probity-skip: this host refuses {forbidden} {} programs",
            backend.word()
        );
    }
}

/// A run in a cgroup that nobody is in: what is attached sees no one. Constants that are zero would have the verifier skip
/// code.
fn config(backend: Backend, types: &Types) -> Config {
    let group = types.tracepoint_arguments("sched_process_exit") >= Some(2);
    let trace = if backend == Backend::Trace { u32::MAX } else { !HOOKED };
    Config {
        cgroup: u64::MAX,
        classes: 8,
        flags: DECLARED_SET | LINEAGE | FAMILIES_LIMITED | ADOPT_BY_EXE,
        trace: if group { trace } else { trace & !EXIT_TELLS_GROUP },
        root_state: 1,
        ..Config::default()
    }
}

/// Whether a program belongs to one backend alone.
fn own(row: &Row) -> bool {
    matches!(row.hook, Hook::Lsm | Hook::Fentry)
}
