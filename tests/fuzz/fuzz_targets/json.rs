//! The JSON walker: it always advances, its spans ascend and re-parse, and skipping agrees with walking.
#![no_main]

use probity_engine::walk::json::{JsonWalker, TokenKind, duplicate_keys};

const BASE: u64 = 1 << 40;
const MAX_DEPTH: usize = 64;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let end = BASE + data.len() as u64;
    let mut walker = JsonWalker::new(data, BASE, MAX_DEPTH);
    let (mut tokens, mut previous, mut depth, mut fault) = (0, BASE, 0, None);
    while let Some(step) = walker.next() {
        let token = match step {
            Ok(token) => token,
            Err(found) => {
                assert!((BASE..=end).contains(&found.offset), "a fault lies in the input");
                assert_eq!(fault.replace(found), None, "a walk has one fault");
                continue;
            }
        };
        assert!(fault.is_none(), "nothing follows a fault");
        tokens += 1;
        assert!(
            !token.span.is_empty() && token.span.start() >= previous,
            "tokens ascend"
        );
        previous = token.span.end();
        assert!(previous <= walker.position() && walker.position() <= end);
        match token.kind {
            TokenKind::ObjectStart | TokenKind::ArrayStart => depth += 1,
            TokenKind::ObjectEnd | TokenKind::ArrayEnd => depth -= 1,
            TokenKind::Key(key) | TokenKind::String(key) => {
                let at = (token.span.start() - BASE) as usize;
                let again = JsonWalker::new(&data[at..at + token.span.len() as usize], 0, 0).next();
                assert!(matches!(again, Some(Ok(again)) if again.kind == TokenKind::String(key)));
            }
            TokenKind::Number(_) | TokenKind::Bool(_) | TokenKind::Null => {}
        }
        assert_eq!(walker.depth(), depth);
        assert!(depth <= MAX_DEPTH);
    }
    assert!(tokens <= data.len(), "a token takes a byte");
    assert!(fault.is_some() || depth == 0, "a sound text closes what it opens");

    let mut skipper = JsonWalker::new(data, BASE, MAX_DEPTH);
    let skipped = skipper
        .skip_value()
        .err()
        .or_else(|| skipper.next().and_then(Result::err));
    assert_eq!(skipped, fault, "skipping finds what walking finds");
    assert_eq!(duplicate_keys(data, BASE, MAX_DEPTH, 4).err(), fault);
});
