//! Programs about to be started.

use probity_abi::{
    access::EXEC,
    event::{DECLARED, INTERPRETER},
    kind,
};

use crate::{
    act::file::{self, Act},
    kernel::{self, field},
    maps::{STATE, config, offset},
    tree,
};

/// A file that execve found: the program, or the script and then its interpreter, each by itself.
#[inline(always)]
pub fn check(bprm: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    // What the watcher was asked to start needs no rule; `sched_process_exec` ends the launch.
    if config!(cgroup) != 0 && STATE.get(3).copied().unwrap_or(0) != 0 {
        return DECLARED;
    }
    let file: u64 = field(bprm, offset!(binprm_file));
    let filename: u64 = field(bprm, offset!(binprm_filename));
    let interp: u64 = field(bprm, offset!(binprm_interp));
    let script = if filename != interp { INTERPRETER } else { 0 };
    let (dentry, mount) = kernel::path_of(file);
    file::judge(&Act {
        dentry,
        mount,
        need: EXEC,
        kind: kind::EXEC,
        backend,
        flags: flags | script,
        ret: 0,
        arg0: 0,
        arg1: 0,
    })
}
