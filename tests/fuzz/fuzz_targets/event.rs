//! Events from the kernel side: any bytes are an act or an error, and whatever order they come in, a run's counts add up,
//! every line is JSON, and the table shows no control character.
#![no_main]

use probity_watch::act::{Act, Verdict};
use probity_watch::report::{Clock, EventWriter, Facts, Journal, Rules, table};
use probity_watch::subject::NoDigests;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = Text::default();
    let clock = Clock::booted_at(0);
    let rules = Rules::new(["a:1".to_owned(), "a:2".to_owned()]);
    let mut journal = Journal::new(rules, clock, Some(EventWriter::new(Box::new(text.clone()), clock, true)));
    let (mut acts, mut refused) = (0u64, 0u64);
    // Records are a length of two bytes and that many bytes, as many as there are.
    let mut rest = data;
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let (record, behind) = behind.split_at(usize::from(u16::from_le_bytes(*len)).min(behind.len()));
        rest = behind;
        let decoded = Act::decode(record);
        let taken = journal.absorb(record, &mut NoDigests, &mut |_, host| host.map(|_| 1));
        assert_eq!(taken.is_ok(), decoded.is_ok());
        match taken {
            Ok(act) if act.only_tells() => {}
            Ok(_) => acts += 1,
            Err(_) => refused += 1,
        }
    }
    let verdicts = [Verdict::Blocked, Verdict::Denied, Verdict::Undeclared, Verdict::Ambiguous, Verdict::Declared];
    assert_eq!(verdicts.map(|v| journal.tally.total(v)).iter().sum::<u64>(), acts);
    let grouped: u64 = journal.tally.groups().iter().map(|group| group.count).sum();
    assert!(grouped <= acts);
    let report = journal.finish(Facts { declared_set: data.len() % 2 == 0, contained: true, ..Facts::default() });
    assert_eq!(report.lost.get("decoding").copied().unwrap_or(0), refused);
    assert!(report.objects.iter().map(|entry| entry.count).sum::<u64>() <= grouped);
    for line in text.0.lock().expect("one thread").split(|byte| *byte == b'\n') {
        assert!(line.iter().all(|byte| *byte >= 0x20), "what JSON calls a control character is escaped");
        assert!(line.is_empty() || (line.starts_with(b"{") && line.ends_with(b"}")));
    }
    let shown = table::render(&report, table::View { columns: Some(100), colour: false });
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "control characters are escaped");
});
