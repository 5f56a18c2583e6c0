//! CPython's own disassembler as a second opinion on where opcodes begin.

use super::super::opcodes::opcode;
use super::super::operand::{Buffer, read};
use super::build;
use crate::format::{Cursor, Input};
use probity_tests::build::pickle::{QUIET, TECHNIQUES};
use std::io::Write;
use std::process::{Command, Stdio};

/// Reads lines of hexadecimal pickles and prints the offsets of each one's opcodes.
const SCRIPT: &str = "
import pickletools, sys
for line in sys.stdin:
    try:
        print(*[at for _, _, at in pickletools.genops(bytes.fromhex(line.strip()))])
    except Exception as error:
        print('error', error)
";

/// The offsets of the opcodes of the first stream.
fn offsets(bytes: &[u8]) -> String {
    Input::with_bytes(bytes, |input| {
        let mut cursor = Cursor::new(input, input.whole());
        let mut buffer = Buffer::default();
        let mut out = Vec::new();
        while let Ok(Some(byte)) = cursor.peek() {
            out.push(cursor.position().to_string());
            let op = opcode(byte).unwrap();
            read(op, &mut cursor, &mut buffer).unwrap().unwrap();
            if byte == b'.' {
                break;
            }
        }
        out.join(" ")
    })
}

#[test]
fn opcodes_begin_where_cpython_says() {
    let mut all: Vec<Vec<u8>> = TECHNIQUES.iter().map(|t| t.bytes()).collect();
    all.extend(QUIET.iter().map(|q| q.bytes()));
    all.extend((0..=5).map(build::benign));
    all.push(build::torch_state_dict());
    all.push(build::every_opcode());
    let long = "x".repeat(500);
    all.push(build::Asm::new().global(&long, &long).unicode(&long).stop().done());
    let spawned = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = spawned else {
        eprintln!("probity-skip: no python3 to compare with");
        return;
    };
    let lines: String = all
        .iter()
        .map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n")
        .collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), all.len());
    for (bytes, line) in all.iter().zip(text.lines()) {
        assert_eq!(offsets(bytes), line, "{}", bytes.escape_ascii());
    }
}
