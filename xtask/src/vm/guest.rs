//! One boot: starts QEMU, reads the machine's console to its end, and keeps every command's output as a log.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use probity_vm::console::{Line, TIMED_OUT};
use probity_vm::manifest::Command;

/// From QEMU's start to the first command; 4 to 8 seconds where nothing else runs.
const BOOT: Duration = Duration::from_secs(240);

/// What a command may take beyond its own timeout, which the machine itself keeps.
const GRACE: Duration = Duration::from_secs(60);

/// What to boot.
pub(super) struct Machine<'a> {
    /// The emulator.
    pub(super) qemu: &'a Path,
    /// The kernel's image.
    pub(super) kernel: &'a Path,
    /// The root's archive.
    pub(super) initrd: &'a Path,
    /// The security modules to start, in order.
    pub(super) lsm: &'a str,
    /// Where logs go.
    pub(super) logs: &'a Path,
}

/// How one command went.
pub(super) struct Ran {
    /// The command's name.
    pub(super) name: String,
    /// Its exit code; `None` when the machine did not say.
    pub(super) code: Option<i32>,
    /// How long it took inside the machine.
    pub(super) time: Duration,
    /// What it printed.
    pub(super) output: Vec<String>,
}

/// How one boot went.
pub(super) struct Session {
    /// The commands that were begun, in order.
    pub(super) ran: Vec<Ran>,
    /// Why the machine did not reach the end: it hangs or it died.
    pub(super) broken: Option<&'static str>,
}

/// Boots the machine and runs `commands`.
///
/// # Errors
///
/// When the emulator cannot be started or a log cannot be written.
pub(super) fn run(machine: &Machine<'_>, commands: &[Command]) -> Result<Session> {
    if machine.logs.exists() {
        fs::remove_dir_all(machine.logs)?;
    }
    fs::create_dir_all(machine.logs)?;
    let mut console = File::create(machine.logs.join("console.log"))?;
    let mut guest = start(machine)?;
    let lines = lines(&mut guest.child)?;
    let mut transcript = Transcript::default();
    let mut deadline = Instant::now() + BOOT;
    let broken = loop {
        let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => break Some("the machine hangs"),
            Err(RecvTimeoutError::Disconnected) => break Some("the machine died"),
        };
        writeln!(console, "{line}")?;
        match Line::parse(&line) {
            Some(Line::Done) => break None,
            Some(Line::Begin(name)) => {
                let own = commands
                    .iter()
                    .find(|command| command.name == name)
                    .map(|command| command.timeout);
                deadline = Instant::now() + own.unwrap_or_default() + GRACE;
                transcript.see(Line::Begin(name));
            }
            Some(said) => transcript.see(said),
            None => {}
        }
    };
    let ran = transcript.close();
    for one in &ran {
        let name = one
            .name
            .replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "_");
        fs::write(machine.logs.join(format!("{name}.log")), one.output.join("\n") + "\n")?;
    }
    Ok(Session { ran, broken })
}

/// What the protocol's lines amount to.
#[derive(Default)]
struct Transcript {
    ran: Vec<Ran>,
    running: Option<Ran>,
}

impl Transcript {
    fn see(&mut self, line: Line) {
        match (line, &mut self.running) {
            (Line::Begin(name), running) => {
                let next = Ran {
                    name,
                    code: None,
                    time: Duration::ZERO,
                    output: Vec::new(),
                };
                self.ran.extend(running.replace(next));
            }
            (Line::Output(text), Some(running)) => running.output.push(text),
            (Line::End { code, millis }, running) => {
                if let Some(mut ended) = running.take() {
                    ended.code = Some(code);
                    ended.time = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
                    if code == TIMED_OUT {
                        ended.output.push("(killed: its time was up)".to_owned());
                    }
                    self.ran.push(ended);
                }
            }
            (Line::Note(text), _) => eprintln!("  note: {text}"),
            (Line::Ready | Line::Done | Line::Output(_), _) => {}
        }
    }

    fn close(mut self) -> Vec<Ran> {
        self.ran.extend(self.running.take());
        self.ran
    }
}

/// QEMU, ended when this goes out of scope.
struct Guest {
    child: Child,
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(machine: &Machine<'_>) -> Result<Guest> {
    // Plain emulation, since KVM is seldom to be had where CI runs. Without cx16 6.12 panics under QEMU 7.2;
    // unless told otherwise, a kernel that waits too long for a tick on a busy host gives up.
    let child = Process::new(machine.qemu)
        .args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max,-cx16",
            "-smp",
            "2",
            "-m",
            "1024",
        ])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-serial",
            "stdio",
        ])
        .arg("-kernel")
        .arg(machine.kernel)
        .arg("-initrd")
        .arg(machine.initrd)
        .arg("-append")
        .arg(format!(
            "console=ttyS0 quiet panic=-1 no_timer_check lsm={}",
            machine.lsm
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(machine.logs.join("qemu.log"))?)
        .spawn()
        .with_context(|| format!("cannot start {}", machine.qemu.display()))?;
    Ok(Guest { child })
}

fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let out = child.stdout.take().context("QEMU has no console")?;
    let (sender, receiver) = sync_channel(1024);
    thread::spawn(move || {
        for bytes in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_belongs_to_the_command_that_runs() {
        let mut transcript = Transcript::default();
        let said = |text: &str| Line::Output(text.to_owned());
        for line in [
            said("early"),
            Line::Begin("a".to_owned()),
            said("one"),
            Line::End { code: 3, millis: 20 },
            said("between"),
            Line::Begin("b".to_owned()),
            said("two"),
        ] {
            transcript.see(line);
        }
        let ran = transcript.close();
        let seen: Vec<(&str, Option<i32>, &[String])> = ran
            .iter()
            .map(|one| (one.name.as_str(), one.code, one.output.as_slice()))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", Some(3), &["one".to_owned()][..]),
                ("b", None, &["two".to_owned()][..])
            ]
        );
    }
}
