//! Every act of the scenario suite under `probity watch`: the undeclared form is seen, the declared form is silent.
//!
//! An act that a backend cannot see stands in `probity_acts::blind` with the reason, and must then really not be seen: a
//! blind spot that has closed is a failure too, so that the list stays true. One test per group of acts. Set
//! `PROBITY_ACTS_RESULTS` to a file to get one JSON line per act and form.

mod judge;
mod run;

macro_rules! groups {
    ($($test:ident = $group:literal;)*) => {
        $(#[test] fn $test() { run::group($group); })*

        #[test]
        fn every_group_has_a_test() {
            let tested = [$($group),*];
            for act in probity_acts::table::all() {
                assert!(tested.contains(&act.group), "{} is in the group {}", act.name, act.group);
            }
        }
    };
}

groups! {
    open = "open";
    process = "process";
    exec = "exec";
    tcp = "tcp";
    udp = "udp";
    socket = "socket";
    unix = "unix";
    uring = "uring";
    path = "path";
    tree = "tree";
    attribute = "attribute";
    mount = "mount";
    inherited = "inherited";
    outsider = "outsider";
    kernel = "kernel";
    int80 = "int80";
    race = "race";
    flood = "flood";
}
