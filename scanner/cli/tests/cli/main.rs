//! The command line as scripts and people see it: the binary is run, CONTRACT is the law.
//!
//! One file holds one idea; [`common`] runs the binary with a time bound. What a host cannot do (no root to drop, no
//! mounts) is said on standard error as `probity-skip: reason`.

mod common;

mod baseline;
mod changing;
mod declare;
mod declared;
mod determinism;
mod diff;
mod doctor;
mod exit_codes;
mod explain;
mod json;
mod junit;
mod learn;
mod limits;
mod links;
mod manifest;
mod map;
mod markdown;
mod models;
mod names;
mod output;
mod packages;
mod policy;
mod rules;
mod sarif;
mod shell;
mod special;
mod stdin;
mod terminal;
mod verify;
mod walk;
