//! A terminal between a shell with job control and the command: Ctrl-C, Ctrl-Z and `fg` work as without us.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::Test;
use crate::watcher::Scene;

pub(crate) const TESTS: &[Test] = &[
    ("ctrl_z_and_fg_work_as_without_us", job_control),
    ("ctrl_c_ends_the_command_and_not_the_watcher", interrupt),
];

/// A shell on a terminal of its own.
struct Terminal {
    keys: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    shell: Child,
}

impl Terminal {
    fn run(script: &str) -> Self {
        let (master, slave) = pseudo_terminal();
        let input = slave.try_clone().expect("a descriptor");
        let output = slave.try_clone().expect("a descriptor");
        // `setsid --ctty` makes standard input the controlling terminal; `set -m` gives each command a process group.
        let shell = Command::new("setsid")
            .args(["--ctty", "--wait", "bash", "-c", &format!("set -m\n{script}")])
            .stdin(input)
            .stdout(output)
            .stderr(slave)
            .spawn()
            .expect("setsid and bash run");
        let mut reader = File::from(master.try_clone().expect("a descriptor"));
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // EIO: nobody has the other side open any more.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys: File::from(master),
            screen,
            seen: String::new(),
            shell,
        }
    }

    fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).expect("the terminal is open");
    }

    fn expect(&mut self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.seen.contains(what) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{what:?} did not appear in {:?}", self.seen),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.shell.kill();
        let _reaped = self.shell.wait();
    }
}

fn pseudo_terminal() -> (OwnedFd, OwnedFd) {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty()).expect("a pseudo terminal");
    rustix::pty::unlockpt(&master).expect("it can be unlocked");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("it has a name");
    let slave = rustix::fs::open(name, flags, Mode::empty()).expect("its other side");
    (master, slave)
}

/// The number after `key` on the screen.
fn code(terminal: &Terminal, key: &str) -> String {
    let rest = terminal.seen.split(key).nth(1).unwrap_or_default();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

fn job_control() {
    let scene = Scene::new();
    let command = "sh -c 'echo ready; read line; exit 9'";
    let seen = |front: &str| {
        let mut terminal = Terminal::run(&format!(
            "{front} {command}; echo first=$?; fg; echo second=$?; echo over"
        ));
        terminal.expect("ready");
        terminal.press(0x1A);
        terminal.expect("first=148");
        // Typed before `fg` has given the terminal away, it waits there for the command.
        terminal.press(b'\n');
        terminal.expect("over");
        (code(&terminal, "first="), code(&terminal, "second="))
    };
    let direct = seen("");
    assert_eq!(direct, ("148".to_owned(), "9".to_owned()));
    assert_eq!(seen(&format!("{} --", scene.contain_line())), direct);
    scene.assert_clean();
}

fn interrupt() {
    let scene = Scene::new();
    // The shell's trap keeps it from ending with its job.
    let line = format!(
        "trap : INT; {} -- sh -c 'echo ready; exec sleep 1000'",
        scene.contain_line()
    );
    let mut terminal = Terminal::run(&format!("{line}; echo first=$?; echo over"));
    terminal.expect("ready");
    scene.report("started");
    terminal.press(0x03);
    terminal.expect("over");
    assert_eq!(code(&terminal, "first="), "130");
    scene.assert_clean();
}
