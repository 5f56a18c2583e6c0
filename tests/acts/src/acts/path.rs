//! Names that a watcher may print, cut or compare wrongly, and names that change while they are used.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::acts::open::open_and_read;
use crate::acts::{allowed, files};
use crate::context::Context;
use crate::setup::over;
use crate::sys::{self, Acted, Stop, call, sure};
use crate::table::Act;

const ROW: Act = Act {
    group: "path",
    kind: "file.open",
    access: &["read"],
    set: allowed!("read"),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "path-deep-near",
        does: "an absolute path of 4095 bytes, the longest that the kernel takes",
        object: "${DIR}/${FORM}${NEAR}",
        run: deep_near,
        ..ROW
    },
    Act {
        name: "path-deep-over",
        does: "a file 20 folders of 250 bytes down, reached by chdir(2) steps: no path names it",
        object: "${DIR}/${FORM}${OVER}",
        run: deep_over,
        ..ROW
    },
    Act {
        name: "name-not-utf8",
        does: "a name that ends in the bytes FF FE",
        object: "${DIR}/${FORM}/not-utf8-%FF%FE",
        run: not_utf8,
        ..ROW
    },
    Act {
        name: "name-newline",
        does: "a name with a newline in it",
        object: "${DIR}/${FORM}/new\nline",
        run: newline,
        ..ROW
    },
    Act {
        name: "name-deleted",
        does: "a file that is called `ghost (deleted)` and is not deleted",
        object: "${DIR}/${FORM}/ghost (deleted)",
        run: deleted,
        ..ROW
    },
    Act {
        name: "rename-under",
        does: "opens below a folder --count times while it is renamed out of allowed and back",
        object: "${DIR}/${FORM}/roaming/secret",
        noise: &[files!(["create", "delete"], r#""${DIR}/*/roam", "${DIR}/*/roaming""#)],
        run: rename_under,
        ..ROW
    },
];

fn deep_near(context: &Context) -> Acted {
    open_and_read(context, &context.path("${DIR}/${FORM}${NEAR}")?)
}

fn deep_over(context: &Context) -> Acted {
    let root = context.own("")?;
    call!(libc::SYS_chdir, root.as_ptr())?;
    let (step, steps) = over();
    let step = CString::new(step).map_err(|_| Stop::Wrong(String::from("a NUL in a name")))?;
    for _ in 0..steps {
        call!(libc::SYS_chdir, step.as_ptr())?;
    }
    open_and_read(context, &CString::from(c"secret"))
}

fn not_utf8(context: &Context) -> Acted {
    let mut path = context.own("not-utf8-")?.into_bytes();
    path.extend(b"\xff\xfe");
    open_and_read(
        context,
        &CString::new(path).map_err(|_| Stop::Wrong(String::from("a NUL in a path")))?,
    )
}

fn newline(context: &Context) -> Acted {
    open_and_read(context, &context.own("new\nline")?)
}

fn deleted(context: &Context) -> Acted {
    open_and_read(context, &context.own("ghost (deleted)")?)
}

/// The folder's home is in allowed; every round moves it to `DIR/FORM/roaming`, opens below it, and brings it back.
/// A second thread opens by the changing names all the while.
fn rename_under(context: &Context) -> Acted {
    let (home, away) = (context.path("${DIR}/allowed/roam")?, context.own("roaming")?);
    let (at_home, below) = (
        context.path("${DIR}/allowed/roam/secret")?,
        context.own("roaming/secret")?,
    );
    let over = AtomicBool::new(false);
    let go = |from: &CString, to: &CString| {
        call!(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            0
        )
    };
    let read = |path: &CString| sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0).map(drop);
    let rounds = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = read(&at_home);
            }
        });
        let rounds = (0..context.count).try_fold(0_u64, |rounds, _| {
            go(&home, &away)?;
            let opened = read(&below);
            go(&away, &home)?;
            opened.map(|()| rounds + 1)
        });
        over.store(true, Ordering::Relaxed);
        rounds
    });
    sure(rounds? == context.count, "not every round was done")
}
