//! `probity learn`: what it writes allows the next run, and nothing besides.
//!
//! Each command runs once unwatched, so that every run finds what the one before left; then it is learned, and replayed
//! twice. It takes root and eBPF; a tool that is missing skips its own test.

use crate::common::{Run, probity, run};
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home and a place to work.
struct Room {
    root: tempfile::TempDir,
    path: OsString,
}

impl Room {
    /// `None`, said on standard error, where nothing can be watched or a tool is missing.
    fn open(tools: &[&str]) -> Option<Self> {
        let mut directories: Vec<PathBuf> = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from).into();
        // Toolchain managers put a script of their own first: the program behind it is the one to learn.
        directories.splice(0..0, Path::new(env!("CARGO")).parent().map(Path::to_owned));
        if tools.contains(&"python3") {
            let asked = Command::new("python3")
                .args(["-c", "import sys; print(sys.executable)"])
                .output();
            let python = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
            directories.extend(python.and_then(|text| Path::new(text.trim()).parent().map(Path::to_owned)));
        }
        let missing = tools
            .iter()
            .find(|tool| !directories.iter().any(|directory| directory.join(tool).exists()));
        if let Some(tool) = missing {
            eprintln!("probity-skip: no {tool}");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        for name in ["home/.ssh", "work"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("home/.ssh/id_test"), "secret").unwrap();
        let path = std::env::join_paths(directories).unwrap();
        let room = Self { root, path };
        let probe = room.probity(&["watch", "--allow-root", "--quiet", "--"], "true");
        if probe.code != 0 {
            eprintln!("probity-skip: nothing can be watched here: {}", probe.stderr.trim());
            return None;
        }
        Some(room)
    }

    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn set(&self) -> PathBuf {
        self.root.path().join("learned.declared.toml")
    }

    fn command(&self, mut command: Command) -> Command {
        let home = std::env::var("HOME").unwrap_or_default();
        let kept = |name: &str, below: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{below}"));
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.root.path().join("home"))
            .env("CARGO_HOME", self.root.path().join("home/.cargo"))
            .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    fn shell(&self, script: &str) {
        let mut command = self.command(Command::new("/bin/sh"));
        let output = command.args(["-ec", script]).output().unwrap();
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn probity(&self, args: &[&str], script: &str) -> Run {
        let mut command = self.command(probity());
        command.args(args).args(["/bin/sh", "-ec", script]);
        run(command, Stdio::null())
    }

    fn learn(&self, script: &str) -> Run {
        let set = self.set();
        self.probity(&["learn", "--allow-root", "-o", set.to_str().unwrap(), "--"], script)
    }

    /// The exit code, and the report.
    fn replay(&self, script: &str) -> (i32, String) {
        let (set, report) = (self.set(), self.root.path().join("report.json"));
        let args = [
            "watch",
            "--allow-root",
            "--quiet",
            "--declared",
            set.to_str().unwrap(),
            "--report",
            report.to_str().unwrap(),
            "--",
        ];
        let run = self.probity(&args, script);
        (run.code, fs::read_to_string(report).unwrap_or(run.stderr))
    }

    /// Lines of a report that say what was undeclared.
    fn undeclared(report: &str) -> Vec<String> {
        let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
        let objects = report["objects"].as_array().cloned().unwrap_or_default();
        let wrong = objects.iter().filter(|object| object["verdict"] != "declared");
        wrong
            .map(|object| format!("{} {}", object["kind"], object["name"]))
            .collect()
    }

    fn learned_and_held(&self, script: &str) {
        self.shell(script);
        let first = self.learn(script);
        let set = fs::read_to_string(self.set()).unwrap();
        assert_eq!(first.code, 0, "{}{set}", first.stderr);
        for _ in 0..2 {
            let (code, report) = self.replay(script);
            assert_eq!(code, 0, "{:#?}\n{set}", Self::undeclared(&report));
        }
        let again = self.learn(script);
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
        assert_eq!(fs::read_to_string(self.set()).unwrap(), set);
        let mut check = self.command(probity());
        check.args(["declare", "check"]).arg(self.set());
        let check = run(check, Stdio::null());
        assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);

        let (code, report) = self.replay(&format!("{script}\ncat ~/.ssh/id_test"));
        let undeclared = Self::undeclared(&report).join("\n");
        assert!(
            code == 120 && undeclared.contains("/.ssh/id_test"),
            "{code} {undeclared}"
        );
        let closed = (20_000..30_000)
            .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
            .unwrap();
        let port = closed.local_addr().unwrap().port();
        let reach = format!("{script}\nbash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
        let (code, report) = self.replay(&reach);
        let undeclared = Self::undeclared(&report).join("\n");
        assert!(
            code == 120 && undeclared.contains(&format!("127.0.0.1:{port}")),
            "{code} {undeclared}"
        );
    }
}

#[test]
fn pipes_and_temporary_files() {
    if let Some(room) = Room::open(&["bash", "sed", "mktemp"]) {
        room.learned_and_held(
            "T=$(mktemp); D=$(mktemp -d); echo a | tee $T | sort > $D/x; sed -i s/a/b/ $D/x; cat $D/x; rm -r $T $D",
        );
    }
}

#[test]
fn a_clone_of_a_local_repository() {
    if let Some(room) = Room::open(&["bash", "git"]) {
        room.shell(
            "git init -q src; cd src; for i in 1 2 3 4 5 6 7 8 9; do echo $i > f$i; done; git add .; \
             git -c user.name=a -c user.email=a@example.com commit -qm a",
        );
        room.learned_and_held("rm -rf dst; git clone -q src dst");
    }
}

#[test]
fn an_installation_of_a_packed_package() {
    if let Some(room) = Room::open(&["bash", "npm", "node"]) {
        room.shell(
            "mkdir -p pkg/lib app; echo '{\"name\":\"tiny\",\"version\":\"1.0.0\"}' > pkg/package.json; \
             for i in 1 2 3 4 5 6 7 8 9; do echo 1 > pkg/lib/$i.js; done; npm pack --silent ./pkg; \
             echo '{\"name\":\"app\",\"version\":\"1.0.0\"}' > app/package.json",
        );
        room.learned_and_held(
            "cd app; rm -rf node_modules package-lock.json; \
             npm install --offline --no-audit --no-fund --no-update-notifier --silent ../tiny-1.0.0.tgz",
        );
    }
}

#[test]
fn an_interpreter_with_its_modules_and_a_listening_socket() {
    if let Some(room) = Room::open(&["bash", "python3"]) {
        let program = "import json, ssl, socket, tempfile\n\
                       s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen()\n\
                       c = socket.create_connection(s.getsockname()); a, _ = s.accept()\n\
                       ssl.create_default_context(); json.loads(\"1\")\n\
                       tempfile.NamedTemporaryFile().write(b\"x\"); tempfile.TemporaryFile().write(b\"x\")\n";
        fs::write(room.work().join("p.py"), program).unwrap();
        room.learned_and_held("python3 -B p.py");
    }
}

#[test]
fn a_build_of_a_crate() {
    if let Some(room) = Room::open(&["bash", "cargo", "cc"]) {
        room.shell(
            "mkdir -p tiny/src; printf '[package]\\nname = \"tiny\"\\nversion = \"0.1.0\"\\nedition = \"2024\"\\n[workspace]\\n' \
             > tiny/Cargo.toml; echo 'fn main() { println!(\"{}\", 1 + 1) }' > tiny/src/main.rs",
        );
        room.learned_and_held("cd tiny; rm -rf target; cargo build -q --offline");
    }
}

#[test]
fn a_build_with_make() {
    if let Some(room) = Room::open(&["bash", "make", "gcc"]) {
        fs::write(room.work().join("Makefile"), "a: a.c\n\tgcc -o a a.c\n").unwrap();
        fs::write(room.work().join("a.c"), "int main(void) { return 0; }\n").unwrap();
        room.learned_and_held("rm -f a; make -s; ./a");
    }
}

#[test]
fn the_exit_code_is_the_commands_and_what_a_person_wrote_stays() {
    let Some(room) = Room::open(&["bash"]) else { return };
    let mine = "version = 1 # mine\n[[file]]\ndeny = ['read']\npaths = ['/etc/hostname'] # mine\n";
    fs::write(room.set(), mine).unwrap();
    let learned = room.learn("cat /etc/hostname > copy; exit 3");
    let text = fs::read_to_string(room.set()).unwrap();
    assert_eq!(learned.code, 121, "what is denied is not allowed: {}", learned.stderr);
    assert!(text.starts_with(mine) && text.contains("/copy\","), "{text}");
    assert!(
        learned.stderr.contains("`/etc/hostname` is denied at"),
        "{}",
        learned.stderr
    );
    fs::remove_file(room.set()).unwrap();
    assert_eq!(room.learn("exit 3").code, 3);
    fs::write(room.set(), "version = 2\n").unwrap();
    assert_eq!(room.learn("touch never").code, 2);
    assert!(!room.work().join("never").exists());
}
