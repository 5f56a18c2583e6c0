//! What stands behind an executable (pkg, .NET, nexe, PyInstaller): any bytes are accounted for, and children lie inside.
#![no_main]

use probity_tests::build::{bundle::dotnet, elf};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // The header of a bundle of .NET may stand anywhere behind the host.
    let mut marked = (u64::from(data.first().copied().unwrap_or(0)) + 1024).to_le_bytes().to_vec();
    marked.extend_from_slice(&dotnet::MARKER);
    let file = elf::Elf {
        data: marked,
        appended: data.to_vec(),
        ..elf::Elf::new(true, false)
    };
    probity_engine::format::fuzz("elf", &file.build());
});
