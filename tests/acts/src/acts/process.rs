//! Opening one file from every kind of process that the tree can hold.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use crate::acts::allowed;
use crate::acts::open::open_and_read;
use crate::child::{self, Outcome, told};
use crate::context::Context;
use crate::sys::{self, Acted, Stop, call};
use crate::table::Act;

const READ: Act = Act {
    group: "process",
    kind: "file.open",
    object: "${DIR}/${FORM}/secret",
    access: &["read"],
    core: true,
    set: allowed!("read"),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "open-thread",
        does: "opened by a second thread",
        run: by_thread,
        ..READ
    },
    Act {
        name: "open-grandchild",
        does: "opened by a grandchild after fork, setsid, fork",
        run: by_grandchild,
        ..READ
    },
    Act {
        name: "open-after-leader",
        does: "opened by a thread whose group leader has exited",
        run: after_leader,
        ..READ
    },
    Act {
        name: "open-vfork",
        does: "opened by a child that shares memory (CLONE_VM|CLONE_VFORK)",
        run: by_vfork,
        ..READ
    },
    Act {
        name: "open-clone-files",
        does: "opened by a child that shares the descriptor table",
        core: false,
        run: by_sharer,
        ..READ
    },
];

fn secret(context: &Context) -> Acted {
    open_and_read(context, &context.own("secret")?)
}

fn by_thread(context: &Context) -> Acted {
    thread::scope(|scope| scope.spawn(|| secret(context)).join())
        .unwrap_or_else(|_| Err(Stop::Wrong(String::from("the thread panicked"))))
}

fn by_grandchild(context: &Context) -> Acted {
    told(|outcome| {
        let child = child::fork(|| {
            let left = call!(libc::SYS_setsid).and_then(|_| {
                child::fork(|| {
                    outcome.tell(&secret(context));
                    0
                })
            });
            i32::from(left.is_err())
        })?;
        child::wait(child).map(|_| ())
    })
}

/// The kernel writes 0 here when the leader has gone (`set_tid_address`).
static LEADER: AtomicI32 = AtomicI32::new(1);

fn after_leader(context: &Context) -> Acted {
    told(|outcome| {
        let context = context.clone();
        let pid = child::fork(move || lose_leader(outcome, context))?;
        child::wait(pid).map(|_| ())
    })
}

fn lose_leader(outcome: Outcome, context: Context) -> i32 {
    let started = thread::Builder::new().spawn(move || {
        while LEADER.load(Ordering::SeqCst) != 0 {
            thread::yield_now();
        }
        outcome.tell(&secret(&context));
        sys::exit(0)
    });
    if started.is_err() {
        return 1;
    }
    let _ = call!(libc::SYS_set_tid_address, LEADER.as_ptr());
    let _ = call!(libc::SYS_exit, 0);
    1
}

/// What the child of [`cloned`] finds behind its argument.
struct Inside<'a> {
    context: &'a Context,
    acted: Acted,
}

extern "C" fn inside(argument: *mut c_void) -> i32 {
    // SAFETY: `cloned` passes a pointer to an `Inside` that it keeps on its frame until the child has ended.
    let inside = unsafe { &mut *argument.cast::<Inside<'_>>() };
    inside.acted = secret(inside.context);
    0
}

/// Does the act in a child that shares this process's memory.
fn cloned(context: &Context, flags: i32) -> Acted {
    let mut stack = vec![0_u128; 16 * 1024];
    let mut shared = Inside {
        context,
        acted: Err(Stop::Wrong(String::from("the child did not run"))),
    };
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    // SAFETY: the stack's end is aligned to 16 bytes, and both it and `shared` outlive the child: CLONE_VFORK holds
    // this thread until the child has exited.
    let pid = unsafe {
        libc::clone(
            inside,
            top,
            libc::CLONE_VM | libc::CLONE_VFORK | flags | libc::SIGCHLD,
            (&raw mut shared).cast::<c_void>(),
        )
    };
    if pid == -1 {
        return Err(Stop::Errno(sys::errno()));
    }
    child::wait(pid)?;
    shared.acted
}

fn by_vfork(context: &Context) -> Acted {
    cloned(context, 0)
}

fn by_sharer(context: &Context) -> Acted {
    cloned(context, libc::CLONE_FILES)
}
