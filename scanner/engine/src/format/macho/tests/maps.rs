//! What every byte of the fixtures is, line by line.

pub(super) const ARM64: &str = "\
0x0 32 header mach_header\n\
0x20 72 table LC_SEGMENT_64 __PAGEZERO\n\
0x68 152 table LC_SEGMENT_64 __TEXT\n\
0x100 72 table LC_SEGMENT_64 __LINKEDIT\n\
0x148 24 table LC_SYMTAB\n\
0x160 24 table LC_UUID\n\
0x178 24 table LC_MAIN\n\
0x190 16 table LC_CODE_SIGNATURE\n\
0x1a0 96 padding load command padding\n\
0x200 8 code __TEXT,__text\n\
0x208 15864 padding zero fill\n\
0x4000 32 table symbol table\n\
0x4020 28 strings string table\n\
0x403c 4 padding zero fill\n\
0x4040 36 signature SuperBlob index\n\
0x4064 224 signature CodeDirectory\n\
0x4144 12 signature requirements\n\
0x4150 8 signature CMS signature\n\
0x4158 40 padding code signature slack\n\
";
pub(super) const I386: &str = "\
0x0 28 header mach_header\n\
0x1c 56 table LC_SEGMENT __PAGEZERO\n\
0x54 124 table LC_SEGMENT __TEXT\n\
0xd0 124 table LC_SEGMENT __BUN\n\
0x14c 56 table LC_SEGMENT __LINKEDIT\n\
0x184 24 table LC_SYMTAB\n\
0x19c 24 table LC_UUID\n\
0x1b4 24 table LC_MAIN\n\
0x1cc 116 padding load command padding\n\
0x240 3 code __TEXT,__text\n\
0x243 3517 padding zero fill\n\
0x1000 12 payload __bun\n\
0x100c 4084 padding zero fill\n\
0x2000 24 table symbol table\n\
0x2018 28 strings string table\n\
0x2034 12 padding zero fill\n\
";
pub(super) const FAT: &str = "\
0x0 8 header fat_header\n\
0x8 20 table fat_arch x86_64\n\
0x1c 20 table fat_arch arm64\n\
0x30 4048 padding padding before x86_64\n\
0x1000 4480 payload x86_64\n\
0x2180 7808 padding padding before arm64\n\
0x4000 16768 payload arm64\n\
";
pub(super) const FAT_64: &str = "\
0x0 8 header fat_header\n\
0x8 32 table fat_arch x86_64\n\
0x28 32 table fat_arch arm64\n\
0x48 4024 padding padding before x86_64\n\
0x1000 4480 payload x86_64\n\
0x2180 7808 padding padding before arm64\n\
0x4000 16768 payload arm64\n\
";
