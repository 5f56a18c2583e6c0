//! A terminal between a shell with job control and the command: Ctrl-C, Ctrl-Z and `fg` work as without us.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::Test;
use crate::watcher::{Scene, until};

pub(crate) const TESTS: &[Test] = &[("ctrl_c_ctrl_z_and_fg_work_as_without_us", job_control)];

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

fn job_control() {
    let scene = Scene::new();
    // The shell shows this line too: what the command writes must not be in it as such.
    let command =
        "bash -c 'trap \"echo ag\"\"ain\" CONT; trap \"exit 9\" INT; echo ready; while :; do sleep 0.02; done'";
    let seen = |front: &str| {
        let script = format!("{front} {command}; echo first=$?; fg; echo second=$?");
        let mut terminal = Terminal::run(&script);
        terminal.expect("ready");
        terminal.press(0x1A);
        terminal.expect("first=");
        terminal.expect("again");
        terminal.press(0x03);
        terminal.expect("second=");
        until("the shell to end", || {
            terminal.shell.try_wait().expect("our child").is_some()
        });
        let code = |key: &str| {
            let rest = terminal.seen.split(key).nth(1).unwrap_or_default();
            rest.chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        (code("first="), code("second="))
    };
    let direct = seen("");
    assert_eq!(direct, ("148".to_owned(), "9".to_owned()));
    assert_eq!(seen(&format!("{} --", scene.contain_line())), direct);
    scene.assert_clean();
}
