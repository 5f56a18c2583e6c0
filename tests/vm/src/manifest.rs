//! The list of commands to run: blocks of `key value` lines, parted by empty lines.
//!
//! A value is the rest of its line, so that nothing needs quoting; a line break in a value cannot be written.

use std::time::Duration;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it is called in the report and in its log's file name.
    pub name: String,
    /// How long it may take before it is killed, in whole seconds.
    pub timeout: Duration,
    /// Its working directory.
    pub dir: String,
    /// Its environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// The program and its arguments.
    pub argv: Vec<String>,
}

/// The manifest's text.
///
/// # Errors
///
/// With the value that holds a line break.
pub fn write(commands: &[Command]) -> Result<String, String> {
    let mut out = String::new();
    let mut line = |key: &str, value: &str| {
        if value.contains('\n') {
            return Err(value.to_owned());
        }
        out.push_str(key);
        if !key.is_empty() {
            out.push(' ');
        }
        out.push_str(value);
        out.push('\n');
        Ok(())
    };
    for command in commands {
        line("name", &command.name)?;
        line("timeout", &command.timeout.as_secs().to_string())?;
        line("dir", &command.dir)?;
        for (key, value) in &command.env {
            line("env", &format!("{key}={value}"))?;
        }
        for word in &command.argv {
            line("arg", word)?;
        }
        line("", "")?;
    }
    Ok(out)
}

/// The commands of a manifest.
///
/// # Errors
///
/// With the line that is not understood, or the name of a command that lacks something.
pub fn read(text: &str) -> Result<Vec<Command>, String> {
    text.split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(block)
        .collect()
}

fn block(text: &str) -> Result<Command, String> {
    let mut command = Command {
        name: String::new(),
        timeout: Duration::ZERO,
        dir: String::new(),
        env: Vec::new(),
        argv: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (key, value) = line.split_once(' ').ok_or(line)?;
        match key {
            "name" => command.name = value.to_owned(),
            "timeout" => command.timeout = Duration::from_secs(value.parse().map_err(|_| line)?),
            "dir" => command.dir = value.to_owned(),
            "env" => {
                let (key, value) = value.split_once('=').ok_or(line)?;
                command.env.push((key.to_owned(), value.to_owned()));
            }
            "arg" => command.argv.push(value.to_owned()),
            _ => return Err(line.to_owned()),
        }
    }
    if command.argv.is_empty() || command.dir.is_empty() || command.timeout.is_zero() {
        return Err(command.name);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Command {
        Command {
            name: "one two".to_owned(),
            timeout: Duration::from_secs(7),
            dir: "/tmp".to_owned(),
            env: vec![("A".to_owned(), "b=c d".to_owned()), ("E".to_owned(), String::new())],
            argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), String::new(), " x ".to_owned()],
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let commands = [sample(), sample()];
        assert_eq!(read(&write(&commands).unwrap()).unwrap(), commands);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_cannot_be_written_or_read_is_an_error() {
        let mut broken = sample();
        broken.argv.push("a\nb".to_owned());
        assert_eq!(write(&[broken]), Err("a\nb".to_owned()));
        for text in [
            "nonsense",
            "name x\ncolour red",
            "name x\narg y\ntimeout soon",
            "name x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
