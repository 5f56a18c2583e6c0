//! Takes the DWARF out of a linked eBPF object and leaves its BTF.
//!
//! The linker makes BTF out of debug information and keeps both. DWARF is of no use to the kernel, is most of the
//! object, and holds the build's directories.

use anyhow::{Context, Result};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

/// `object` without its `.debug_*` sections and what points into them.
pub(super) fn debug_sections(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("the linked object is not ELF")?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        let name = name.strip_prefix(".rel").unwrap_or(&name);
        section.delete |= name.starts_with(".debug_");
    }
    // LLVM keeps the names of sections and of symbols in one table; the builder wants one for each.
    let names_sections = |data: &SectionData<'_>| matches!(data, SectionData::SectionString);
    if !builder.sections.iter().any(|section| names_sections(&section.data)) {
        let section = builder.sections.add();
        section.name = ".shstrtab".into();
        section.sh_type = SHT_STRTAB;
        section.sh_addralign = 1;
        section.data = SectionData::SectionString;
    }
    let mut out = Vec::new();
    builder
        .write(&mut out)
        .context("cannot write the object without debug sections")?;
    Ok(out)
}
