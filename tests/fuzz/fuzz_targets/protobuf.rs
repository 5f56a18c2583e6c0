//! The protobuf walker: it ends, fields lie inside their message, and what is lost is told.
#![no_main]

use probity_engine::span::Span;
use probity_engine::walk::protobuf::{Event, Memory, Stop, Walker, Wire};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let whole = Span::new(0, data.len() as u64);
    let mut walker = Walker::new(Memory { bytes: data, base: 0 }, whole, 64);
    let mut steps = 0usize;
    loop {
        match walker.step() {
            Ok(Some(Event::Field(field))) => {
                assert!(whole.encloses(field.span));
                if let Wire::Bytes(span) = field.wire {
                    assert!(field.span.encloses(span));
                    if walker.can_enter() {
                        walker.enter();
                    }
                }
            }
            Ok(Some(Event::End)) => {}
            Ok(None) => break,
            Err(Stop::Wire(fault)) => assert!(whole.encloses(fault.lost)),
            Err(Stop::Source(_)) => panic!("all bytes are in memory"),
        }
        steps += 1;
        assert!(steps <= data.len() * 4 + 64);
    }
});
