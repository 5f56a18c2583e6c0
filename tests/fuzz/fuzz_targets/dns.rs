//! DNS answers: names hold host name characters only, addresses are bounded and belong to the question's chain, a cut
//! message never says more than the whole one, and what is remembered is found again.
#![no_main]

use probity_watch::names::dns::{Answer, parse};

fn is_host(name: &str) -> bool {
    name.len() <= 253 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(Answer { question, addresses, aliases }) = parse(data) else { return };
    assert!(is_host(&question));
    assert!(addresses.len() <= 256 && aliases.len() <= 64, "an answer is bounded");
    assert!(aliases.iter().all(|(name, _)| is_host(name) && !name.is_empty()));
    for (at, (ip, _)) in addresses.iter().enumerate() {
        assert!(!addresses[..at].iter().any(|(other, _)| other == ip), "an address is named once");
        assert_eq!(ip.to_canonical(), *ip);
    }
    for len in [data.len() / 2, data.len().saturating_sub(1)] {
        if let Ok(cut) = parse(&data[..len]) {
            assert_eq!(cut.question, question, "the question stands before what is cut");
        }
    }
});
