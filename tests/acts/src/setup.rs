//! The fixture tree: the same files under `DIR/allowed` and `DIR/forbidden`, with known contents.
//!
//! It runs outside the watched tree and may be run again on the same folder: acts use fixtures up (they unlink, rename,
//! truncate), so a harness sets up before every act. `secret` keeps its inode, which a listener or a victim may hold.

use std::ffi::{CString, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::context::Form;
use crate::sys::{Acted, Stop, call};
use crate::{command, elf};

/// The content of `DIR/FORM/secret`.
pub(crate) fn content(form: &str) -> String {
    format!("{form}: known contents\n")
}

/// Files that each hold [`content`]; the names say which act uses them up.
const FILES: &[&str] = &[
    "secret",
    "linked",
    "inherited",
    "victim-file",
    "truncate-me",
    "write-me",
    "link-from",
    "rename-from",
    "replace-from",
    "replaced",
    "exchange-a",
    "exchange-b",
    "unlink-me",
    "metadata",
    "new\nline",
    "ghost (deleted)",
    "roam/secret",
    "target",
];

const FOLDERS: &[&str] = &["sub", "rmdir-me", "mount-point", "other-mount", "flood", "roam"];

/// `PATH_MAX` without its NUL: the longest path the kernel takes.
const LONGEST: usize = 4095;

/// Writes the tree, and gives it to `owner` (user and group id) if there is one.
pub(crate) fn setup(dir: &str, owner: Option<(u32, u32)>) -> Acted {
    write_tree(Path::new(dir), owner).map_err(|error| Stop::Wrong(format!("setup of {dir}: {error}")))?;
    command::print(&format!("{}\n", serde_json::json!({ "dir": dir, "done": true })));
    Ok(())
}

fn write_tree(dir: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    for form in Form::BOTH {
        let root = dir.join(form.folder());
        clear(&root)?;
        for folder in FOLDERS {
            fs::create_dir(root.join(folder))?;
        }
        write_files(&root, form)?;
        write_tools(&root, form)?;
        fifo(&root.join("fifo"))?;
        write_deep(&root, form)?;
    }
    fs::create_dir_all(dir.join("sock"))?;
    for form in Form::BOTH {
        let (allowed, target) = (dir.join("allowed"), dir.join(form.folder()));
        symlink(
            target.join("secret"),
            allowed.join(format!("symlink-{}", form.folder())),
        )?;
        fs::hard_link(target.join("linked"), allowed.join(format!("hard-{}", form.folder())))?;
    }
    if let Some(owner) = owner {
        give(dir, owner)?;
    }
    Ok(())
}

/// Removes all but what no act uses up: the deep folders, and the secret, whose inode a listener or a victim may hold.
fn clear(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    let kept = [String::from("secret"), String::from("near"), over().0];
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if kept.iter().any(|name| entry.file_name() == name.as_str()) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn write_files(root: &Path, form: Form) -> io::Result<()> {
    for name in FILES {
        fs::write(root.join(name), content(form.folder()))?;
    }
    // Without extended attributes on this file system, the act that removes this one skips.
    let _ = set_attribute(&root.join("metadata"));
    let not_utf8 = OsString::from_vec(b"not-utf8-\xff\xfe".to_vec());
    fs::write(root.join(not_utf8), content(form.folder()))
}

fn write_tools(root: &Path, form: Form) -> io::Result<()> {
    let tool = root.join("tool");
    let script = format!("#!{}\nanything: the interpreter never reads it\n", tool.display());
    for (name, bytes) in [
        ("tool", elf::exit_42()),
        ("doomed-tool", elf::exit_42()),
        ("script", script.into_bytes()),
        ("not-a-program", content(form.folder()).into_bytes()),
    ] {
        fs::write(root.join(name), bytes)?;
        fs::set_permissions(root.join(name), Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn fifo(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    done(call!(
        libc::SYS_mknodat,
        libc::AT_FDCWD,
        name.as_ptr(),
        libc::S_IFIFO | 0o644,
        0
    ))
}

fn set_attribute(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    done(call!(
        libc::SYS_setxattr,
        name.as_ptr(),
        c"user.acts".as_ptr(),
        c"yes".as_ptr(),
        3,
        0
    ))
}

fn done(called: Acted<i64>) -> io::Result<()> {
    match called {
        Ok(_) => Ok(()),
        Err(Stop::Errno(number)) => Err(io::Error::from_raw_os_error(number)),
        Err(other) => Err(io::Error::other(format!("{other:?}"))),
    }
}

/// What follows `root` in the path of a file whose absolute path has exactly [`LONGEST`] bytes.
pub(crate) fn near(root: &str) -> String {
    let mut path = String::from("/near");
    let room = LONGEST.saturating_sub(root.len());
    while room.saturating_sub(path.len()) > 250 {
        path.push('/');
        path.push_str(&"n".repeat(200));
    }
    let rest = room.saturating_sub(path.len() + 1);
    path.push('/');
    path.push_str(&"f".repeat(rest));
    path
}

/// One step down towards a file that no path reaches in one piece, and the number of steps.
pub(crate) fn over() -> (String, usize) {
    ("o".repeat(250), 20)
}

/// Writes the two deep files, the near one last: where it is, both are.
fn write_deep(root: &Path, form: Form) -> io::Result<()> {
    let root_path = root.to_string_lossy();
    let path = PathBuf::from(format!("{root_path}{}", near(&root_path)));
    if path.exists() {
        return Ok(());
    }
    let (step, steps) = over();
    let home = std::env::current_dir()?;
    std::env::set_current_dir(root)?;
    for _ in 0..steps {
        fs::create_dir_all(&step)?;
        std::env::set_current_dir(&step)?;
    }
    fs::write("secret", content(form.folder()))?;
    std::env::set_current_dir(home)?;
    fs::create_dir_all(path.parent().ok_or_else(|| io::Error::other("no parent"))?)?;
    fs::write(&path, content(form.folder()))
}

/// Gives every file to the owner, by steps: some paths are longer than the kernel takes in one piece.
fn give(path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let home = std::env::current_dir()?;
    chown(path, Some(uid), Some(gid))?;
    std::env::set_current_dir(path)?;
    give_here((uid, gid), 0)?;
    std::env::set_current_dir(home)
}

fn give_here(owner: (u32, u32), depth: usize) -> io::Result<()> {
    if depth > 64 {
        return Err(io::Error::other("the fixture tree is deeper than setup made it"));
    }
    for entry in fs::read_dir(".")? {
        let entry = entry?;
        let name = entry.file_name();
        lchown(&name, Some(owner.0), Some(owner.1))?;
        if entry.file_type()?.is_dir() {
            std::env::set_current_dir(&name)?;
            give_here(owner, depth + 1)?;
            std::env::set_current_dir("..")?;
        }
    }
    Ok(())
}
