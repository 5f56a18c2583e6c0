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

#[cfg(test)]
mod tests {
    use object::read::elf::ElfFile64;
    use object::write::Object as Writer;
    use object::{Architecture, BinaryFormat, Endianness, Object, ObjectSection, SectionKind};

    use super::*;

    #[test]
    fn dwarf_goes_and_the_rest_stays() {
        let mut linked = Writer::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        for (name, kind) in [
            (".text", SectionKind::Text),
            (".BTF", SectionKind::Other),
            (".debug_info", SectionKind::Debug),
            (".debug_str", SectionKind::DebugString),
        ] {
            let section = linked.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
            linked.append_section_data(section, name.as_bytes(), 8);
        }
        let stripped = debug_sections(&linked.write().unwrap()).unwrap();
        let file = ElfFile64::<Endianness>::parse(stripped.as_slice()).unwrap();
        let names: Vec<&str> = file.sections().filter_map(|section| section.name().ok()).collect();
        assert!(!names.iter().any(|name| name.contains("debug")), "{names:?}");
        for name in [".text", ".BTF"] {
            let section = file.section_by_name(name).unwrap();
            assert_eq!(section.data().unwrap(), name.as_bytes());
        }
        assert!(debug_sections(b"not an object").is_err());
    }
}
