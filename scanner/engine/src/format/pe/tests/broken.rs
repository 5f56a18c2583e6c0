//! Each rule of the format, broken by one change, and what is unusual without breaking one.

use super::*;

/// Each broken rule with the change that breaks it.
const BROKEN: &[(&str, Change)] = &[
    ("e_lfanew points into the DOS header", |b| set32(b, 0x3c, 4)),
    ("e_lfanew is not a multiple of 8", |b| set32(b, 0x3c, 0x84)),
    ("there is no PE signature at e_lfanew", |b| b[PE] = b'X'),
    ("IMAGE_FILE_EXECUTABLE_IMAGE is not set", |b| set16(b, PE + 22, 0x20)),
    ("Magic of the optional header", |b| set16(b, OPTIONAL, 0x107)),
    ("NumberOfRvaAndSizes is greater than 16", |b| {
        set32(b, OPTIONAL + 108, 17)
    }),
    ("SizeOfOptionalHeader is too small", |b| set16(b, PE + 20, 200)),
    ("are not powers of two", |b| set32(b, OPTIONAL + 32, 3000)),
    ("SectionAlignment is smaller than FileAlignment", |b| {
        set32(b, OPTIONAL + 32, 0x100)
    }),
    ("FileAlignment is not between 512 and 64 KiB", |b| {
        set32(b, OPTIONAL + 36, 0x100)
    }),
    ("NumberOfSections entries do not fit", |b| set16(b, PE + 6, 9000)),
    ("SizeOfHeaders is smaller than the headers", |b| {
        set32(b, OPTIONAL + 60, 0x10)
    }),
    ("SizeOfHeaders reaches into the first section", |b| {
        set32(b, OPTIONAL + 60, 0x600)
    }),
    ("PointerToRawData of .rdata is not a multiple", |b| {
        set32(b, section(1, 20), 0x610)
    }),
    (".data overlaps the addresses", |b| set32(b, section(2, 12), 0x2000)),
    ("VirtualAddress of .reloc is not a multiple", |b| {
        set32(b, section(4, 12), 0x5010)
    }),
    ("SizeOfImage is smaller than the sections", |b| {
        set32(b, OPTIONAL + 56, 0x1000)
    }),
    ("AddressOfEntryPoint lies outside the sections", |b| {
        set32(b, OPTIONAL + 16, 0x00de_ad00)
    }),
    ("the TLS directory lies outside the sections", |b| {
        data_directory(b, 9, 0x00de_ad00, 40)
    }),
    ("the TLS directory is not in the file", |b| {
        data_directory(b, 9, 0x3050, 40)
    }),
    ("AddressOfCallBacks lies below the image base", |b| {
        data_directory(b, 9, 0x3000, 40);
        b[DATA + 24..DATA + 32].copy_from_slice(&8u64.to_le_bytes());
    }),
    ("the name of an import is not a string", |b| {
        set32(b, 0x600 + 12, 0x00de_ad00)
    }),
    ("the name of a delay import is not a string", |b| {
        data_directory(b, 13, 0x3000, 32);
        set32(b, DATA, 1);
    }),
    ("more than 256 debug entries", |b| {
        data_directory(b, 6, 0x3000, 28 * 300)
    }),
    ("CLR metadata lies outside the sections", |b| {
        data_directory(b, 14, 0x3000, 72)
    }),
    ("the size of the COFF string table is smaller than 4", |b| {
        let end = b.len() as u32;
        set32(b, PE + 12, end);
        b.extend([0; 4]);
    }),
    ("a resource directory is referred to twice", |b| {
        set32(b, RSRC + 20, 0x8000_0000)
    }),
    ("a resource directory lies outside its section", |b| {
        set32(b, RSRC + 20, 0x8000_7000)
    }),
    ("the entries of a resource directory lie outside", |b| {
        set16(b, RSRC + 14, 0xffff)
    }),
    ("the resource tree is deeper", |b| set32(b, RSRC + 68, 0x8000_0018)),
    ("a resource name lies outside its section", |b| {
        set32(b, RSRC + 16, 0x8000_7000)
    }),
    ("a resource data entry lies outside its section", |b| {
        set32(b, RSRC + 68, 0x7000)
    }),
    ("the data of resource RT_VERSION/1/1033 lies outside", |b| {
        set32(b, RSRC + 0x48, 0x00de_ad00)
    }),
    ("the data of resource RT_VERSION/1/1033 runs past", |b| {
        set32(b, RSRC + 0x4c, 0x1_0000)
    }),
    ("the certificate table is not aligned to 8 bytes", |b| {
        let (at, size) = security_directory(b);
        data_directory(b, 4, at + 4, size - 4);
    }),
    ("the certificate table does not end the file", |b| b.extend([0; 8])),
    ("the certificate table is smaller than one entry", |b| {
        data_directory(b, 4, 0xe00, 4)
    }),
    ("dwLength of a certificate does not fit", |b| {
        set32(b, certificate(0), 4)
    }),
    ("dwLength of a certificate does not fit", |b| {
        set32(b, certificate(0), 0x4000)
    }),
    ("wRevision of a certificate is not 0x0200", |b| {
        set16(b, certificate(4), 0x0100)
    }),
    ("wCertificateType is not PKCS #7", |b| set16(b, certificate(6), 1)),
    ("bCertificate is not DER: indefinite length", |b| {
        b[certificate(9)] = 0x80
    }),
    ("bCertificate is not a DER sequence", |b| b[certificate(8)] = 0x31),
    ("the certificate table ends inside an entry", |b| {
        let size = b.len() as u32 - 0xe00;
        b.extend([0; 4]);
        data_directory(b, 4, 0xe00, size + 4);
    }),
];

#[test]
fn every_broken_rule_is_named() {
    for (rule, change) in BROKEN {
        let mut file = Builder::signed(true).build();
        assert_eq!(rules(&file), [""; 0]);
        change(&mut file);
        let found = rules(&file);
        assert!(
            found.iter().any(|f| f.starts_with("pe: ") && f.contains(rule)),
            "{rule}: {found:?}"
        );
    }
}

#[test]
fn what_is_unusual_but_sound_breaks_no_rule() {
    let quiet: &[(&str, Change)] = &[
        ("firmware has its own alignments", |b| {
            set16(b, OPTIONAL + 68, 10);
            set32(b, OPTIONAL + 36, 0x20);
        }),
        ("fewer directories", |b| {
            set32(b, OPTIONAL + 108, 10);
        }),
        ("a library without an entry point", |b| {
            set16(b, PE + 22, 0x2022);
            set32(b, OPTIONAL + 16, 0);
        }),
        ("an import without a size", |b| set32(b, directory(1) + 4, 0)),
        ("a section without bytes", |b| {
            set32(b, section(4, 16), 0);
            set32(b, section(4, 20), 0);
        }),
    ];
    for (what, change) in quiet {
        let mut file = Builder::new(true).build();
        change(&mut file);
        assert!(parse(&file).findings.is_empty(), "{what}: {:?}", parse(&file).findings);
        let wrong = |f: &&Fact| matches!(f, Fact::EntryPoint { inside_code: false, .. });
        assert_eq!(parse(&file).facts.iter().filter(wrong).count(), 0, "{what}");
    }
}
