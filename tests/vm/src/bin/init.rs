//! The first process of a test machine: mounts, loads modules, runs the manifest's commands, turns the machine off.
//!
//! It never fails: what cannot be set up is a note on the console, and the commands show whether it mattered.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use probity_vm::console::{Line, TIMED_OUT};
use probity_vm::manifest::{self, Command};
use probity_vm::{MANIFEST, MODULES};
use rustix::mount::{MountFlags, mount, mount_move};
use rustix::process::{Pid, Signal, WaitOptions, chdir, chroot, kill_process, wait};
use rustix::system::{RebootCommand, finit_module, reboot};

/// Where the root that stays is made.
const NEW_ROOT: &str = "/new-root";

/// What is mounted where: type, place, options.
const MOUNTS: [(&str, &str, &CStr); 11] = [
    ("proc", "/proc", c""),
    ("sysfs", "/sys", c""),
    ("devtmpfs", "/dev", c""),
    ("devpts", "/dev/pts", c"ptmxmode=0666"),
    ("tmpfs", "/dev/shm", c"mode=1777"),
    ("tmpfs", "/tmp", c"mode=1777"),
    ("tmpfs", "/run", c"mode=0755"),
    ("cgroup2", "/sys/fs/cgroup", c""),
    ("bpf", "/sys/fs/bpf", c""),
    ("securityfs", "/sys/kernel/security", c""),
    ("tracefs", "/sys/kernel/tracing", c""),
];

/// How long output may still come once a command has ended and what it left behind was killed.
const DRAIN: Duration = Duration::from_secs(5);

fn main() {
    if let Err(error) = leave_archive() {
        note(format!("still in the first root: {error}"));
    }
    for (kind, place, options) in MOUNTS {
        let mounted = fs::create_dir_all(place)
            .map_err(|error| error.to_string())
            .and_then(|()| mount(kind, place, kind, MountFlags::empty(), options).map_err(|error| error.to_string()));
        if let Err(error) = mounted {
            note(format!("{place}: {error}"));
        }
    }
    install_busybox();
    busybox(&["ip", "link", "set", "lo", "up"]);
    busybox(&["hostname", "probity"]);
    load_modules();
    say(&Line::Ready);
    match fs::read_to_string(MANIFEST)
        .map_err(|error| error.to_string())
        .and_then(|text| manifest::read(&text))
    {
        Ok(commands) => commands.iter().for_each(run),
        Err(error) => note(format!("{MANIFEST}: {error}")),
    }
    say(&Line::Done);
    rustix::fs::sync();
    // The kernel panics when its first process ends, so this one waits for the power to go.
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        note(format!("power off: {error}"));
    }
    loop {
        thread::park();
    }
}

/// Moves everything into a file system of its own and makes that the root: `pivot_root` is refused in the first one.
fn leave_archive() -> io::Result<()> {
    fs::create_dir(NEW_ROOT)?;
    mount("tmpfs", NEW_ROOT, "tmpfs", MountFlags::empty(), c"mode=0755,size=90%")?;
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.path() == Path::new(NEW_ROOT) {
            continue;
        }
        relocate(&entry.path(), &Path::new(NEW_ROOT).join(name))?;
    }
    chdir(NEW_ROOT)?;
    mount_move(".", "/")?;
    chroot(".")?;
    chdir("/")?;
    Ok(())
}

/// Copies a file, a link or a folder and removes it, so that nothing is in memory twice. Devices are left behind.
fn relocate(from: &Path, to: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(from)?;
    let kind = data.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            relocate(&entry.path(), &to.join(entry.file_name()))?;
        }
        fs::set_permissions(to, data.permissions())?;
        chown(to, Some(data.uid()), Some(data.gid()))
    } else if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        fs::remove_file(from)
    } else if kind.is_file() {
        fs::copy(from, to)?;
        fs::remove_file(from)
    } else {
        Ok(())
    }
}

fn say(line: &Line) {
    println!("{line}");
}

fn note(text: String) {
    say(&Line::Note(text));
}

/// Links busybox to the names that are not taken; it complains about each that is.
fn install_busybox() {
    let install = ["--install", "-s", "/bin"];
    let run = process::Command::new("/bin/busybox")
        .args(install)
        .stderr(process::Stdio::null())
        .status();
    if let Err(error) = run {
        note(format!("busybox: {error}"));
    }
}

fn busybox(words: &[&str]) {
    match process::Command::new("/bin/busybox").args(words).status() {
        Ok(status) if status.success() => {}
        Ok(status) => note(format!("busybox {}: {status}", words.join(" "))),
        Err(error) => note(format!("busybox {}: {error}", words.join(" "))),
    }
}

fn load_modules() {
    let mut paths: Vec<_> = match fs::read_dir(MODULES) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => return note(format!("{MODULES}: {error}")),
    };
    paths.sort();
    for path in paths {
        let loaded = File::open(&path)
            .map_err(|error| error.to_string())
            .and_then(|file| finit_module(file, c"", 0).map_err(|error| error.to_string()));
        if let Err(error) = loaded {
            note(format!("{}: {error}", path.display()));
        }
    }
}

/// Runs one command to its end or its timeout, then ends whatever it left behind.
fn run(command: &Command) {
    say(&Line::Begin(command.name.clone()));
    let start = Instant::now();
    let code = match spawn(command) {
        Ok((pid, output)) => {
            let code = ended(pid, start + command.timeout, &output);
            end_all_others();
            print(&output, Instant::now() + DRAIN);
            code
        }
        Err(error) => {
            say(&Line::Output(format!("cannot start: {error}")));
            127
        }
    };
    let millis = start.elapsed().as_millis();
    say(&Line::End { code, millis });
}

/// Starts a command in a process group of its own; both its outputs arrive as lines.
fn spawn(command: &Command) -> io::Result<(Pid, Receiver<String>)> {
    let (reader, writer) = io::pipe()?;
    let (program, rest) = command.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let child = process::Command::new(program)
        .args(rest)
        .current_dir(Path::new(&command.dir))
        .env_clear()
        .envs(command.env.iter().map(|(key, value)| (key, value)))
        .stdin(process::Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    // A bound, so that a command that floods its output waits for the slow console instead of filling the memory.
    let (sender, receiver) = sync_channel(256);
    thread::spawn(move || {
        for line in lines(reader) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok((pid, receiver))
}

fn lines(reader: PipeReader) -> impl Iterator<Item = String> {
    let pieces = BufReader::new(reader).split(b'\n');
    pieces
        .map_while(Result::ok)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits for `pid` while orphans end too, printing output as it comes; returns its exit code.
fn ended(pid: Pid, deadline: Instant, output: &Receiver<String>) -> i32 {
    loop {
        print(output, Instant::now() + Duration::from_millis(50));
        while let Ok(Some((ended, status))) = wait(WaitOptions::NOHANG) {
            if ended == pid {
                let signal = status.terminating_signal().map(|signal| signal.saturating_add(128));
                return status.exit_status().or(signal).unwrap_or(255);
            }
        }
        if Instant::now() >= deadline {
            return TIMED_OUT;
        }
    }
}

/// Prints output until none is left or `deadline` is reached.
fn print(output: &Receiver<String>, deadline: Instant) {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match output.recv_timeout(left) {
            Ok(line) => say(&Line::Output(line)),
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => return thread::sleep(left.min(Duration::from_millis(10))),
        }
    }
}

/// Kills every process but this one, and reaps them; again, while there are some that were born meanwhile.
fn end_all_others() {
    for _ in 0..20 {
        let others = others();
        for pid in &others {
            // It may have ended meanwhile, which is as well.
            let _ = kill_process(*pid, Signal::KILL);
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        if others.is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    note("processes that cannot be killed are left".to_owned());
}

/// All processes but this one and the kernel's threads, which have no executable to point to; nor has what has ended.
fn others() -> Vec<Pid> {
    let own = rustix::process::getpid();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let running = entries.filter(|entry| fs::read_link(entry.path().join("exe")).is_ok());
    let numbers = running.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).filter(|pid| *pid != own).collect()
}
