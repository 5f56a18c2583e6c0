//! A machine's root, in memory: its programs with their libraries, busybox, the kernel's modules, a few files of `/etc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use probity_vm::manifest::{self, Command};
use probity_vm::{MANIFEST, MODULES};

use super::apt::{Release, home};
use super::cpio::Archive;
use super::kernel::Kernel;
use super::suite::Suite;
use super::{libraries, modules};
use crate::run::{Cmd, root};
use crate::tools;

/// Where the object under test lies, when it is not the committed one.
pub(super) const OBJECT: &str = "/probity.bpf.o";

const FILES: [(&str, &str); 5] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nprobity:x:1000:1000::/home/probity:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nprobity:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
];

/// The user `probity` of [`FILES`].
const USER: u32 = 1000;

/// Brought along where this machine has them: what busybox lacks, or does otherwise, and what is copied and renamed,
/// which a program that goes by its own name does not bear. busybox stands in for the rest.
const TOOLS: [&str; 38] = [
    "bash",
    "cat",
    "chmod",
    "cp",
    "dash",
    "dd",
    "echo",
    "env",
    "false",
    "head",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfs.btrfs",
    "mkfs.ext4",
    "mkfs.xfs",
    "mknod",
    "mount",
    "mv",
    "nsenter",
    "ps",
    "readlink",
    "rm",
    "rmdir",
    "setpriv",
    "setsid",
    "sleep",
    "stat",
    "stty",
    "touch",
    "true",
    "truncate",
    "umount",
    "uname",
    "unshare",
    "wc",
];

/// The part of a root that is the same for every kernel and backend.
pub(super) struct Base {
    files: Vec<(String, u32, Vec<u8>)>,
}

impl Base {
    /// Gathers programs, libraries and files.
    ///
    /// # Errors
    ///
    /// When a library is missing or busybox cannot be fetched.
    pub(super) fn new(suite: &Suite) -> Result<Self> {
        let mut files = vec![("/bin/busybox".to_owned(), 0o755, fs::read(busybox()?)?)];
        let mut needed = BTreeSet::new();
        for program in &suite.programs {
            let bytes = stripped(&program.built)?;
            libraries::collect(&bytes, &mut needed).with_context(|| format!("in {}", program.built.display()))?;
            files.push((program.place.clone(), 0o755, bytes));
        }
        let tools = TOOLS.iter().filter_map(|name| Some((name, on_system_path(name)?)));
        for (name, path) in tools {
            let bytes = fs::read(&path)?;
            libraries::collect(&bytes, &mut needed).with_context(|| format!("in {}", path.display()))?;
            files.push((format!("/bin/{name}"), 0o755, bytes));
        }
        for path in needed {
            let bytes = fs::read(&path)?;
            files.push((path.display().to_string(), 0o755, bytes));
        }
        for (place, text) in FILES {
            files.push((place.to_owned(), 0o644, text.as_bytes().to_vec()));
        }
        files.extend(sources()?);
        if let Some(object) = std::env::var_os("PROBITY_BPF_OBJECT") {
            let bytes = fs::read(root().join(object)).context("cannot read PROBITY_BPF_OBJECT")?;
            files.push((OBJECT.to_owned(), 0o644, bytes));
        }
        Ok(Self { files })
    }

    /// The root for one boot, as the kernel unpacks it.
    pub(super) fn archive(&self, kernel: &Kernel, commands: &[Command]) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        for folder in ["/proc", "/sys", "/dev", "/run", "/home", "/mnt"] {
            archive.folder(folder)?;
        }
        archive.folder_of("/root", 0o700, 0)?;
        for folder in ["/tmp", "/var/tmp"] {
            archive.folder_of(folder, 0o1777, 0)?;
        }
        archive.folder_of("/home/probity", 0o755, USER)?;
        for link in ["/usr/bin", "/sbin", "/usr/sbin"] {
            archive.link(link, "/bin")?;
        }
        if self.files.iter().any(|(place, ..)| place == "/bin/dash") {
            archive.link("/bin/sh", "dash")?;
        }
        for (place, permissions, bytes) in &self.files {
            archive.file(place, *permissions, bytes)?;
        }
        for (number, module) in modules::closure(&kernel.modules)?.iter().enumerate() {
            archive.file(
                &format!("{MODULES}/{number:02}-{}.ko", module.name),
                0o644,
                &module.bytes,
            )?;
        }
        let text =
            manifest::write(commands).map_err(|value| anyhow::anyhow!("a command holds a line break: {value:?}"))?;
        archive.file(MANIFEST, 0o644, text.as_bytes())?;
        archive.finish()
    }
}

/// The watcher's sources and data, at the paths they have here: tests look for files beside themselves.
fn sources() -> Result<Vec<(String, u32, Vec<u8>)>> {
    let listed = Cmd::new("git")
        .quiet()
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "ebpf"])
        .read()?;
    let names = listed.split('\0').filter(|name| !name.is_empty());
    // A file deleted but not yet committed is still listed.
    let present = names.map(|name| root().join(name)).filter(|path| path.is_file());
    present
        .map(|path| Ok((path.display().to_string(), 0o644, fs::read(&path)?)))
        .collect()
}

/// A program without its debug information, which the machine's memory has no room for.
fn stripped(program: &PathBuf) -> Result<Vec<u8>> {
    let Some(strip) = tools::find("strip") else {
        return Ok(fs::read(program)?);
    };
    let folder = home().join("stripped");
    fs::create_dir_all(&folder)?;
    let out = folder.join(program.file_name().context("a program without a name")?);
    Cmd::new(strip)
        .quiet()
        .args(["--strip-debug", "-o"])
        .arg(&out)
        .arg(program)
        .read()?;
    Ok(fs::read(&out)?)
}

/// Where the distribution's own program is; the folders for administrators are not always on `PATH`.
fn on_system_path(program: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(program));
    places.into_iter().find(|path| path.is_file())
}

/// A static busybox: the shell and the small programs that tests start.
pub(super) fn busybox() -> Result<PathBuf> {
    let folder = home().join("busybox");
    let places = ["usr/bin/busybox", "bin/busybox"].map(|path| folder.join(path));
    let find = || places.iter().find(|path| path.is_file()).cloned();
    if let Some(found) = find() {
        return Ok(found);
    }
    Release::open("bookworm")?.unpack("busybox-static", &folder)?;
    find().context("the package busybox-static has no busybox")
}
