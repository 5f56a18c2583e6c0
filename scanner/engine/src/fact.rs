//! Facts: what a format parser learned about an artifact, in words every inspector understands.
//!
//! Facts are the second half of the narrow waist (ledger + facts): a parser emits them, an inspector reads them, and
//! neither knows the other. A fact judges nothing.

use crate::span::Span;

/// How a serialised stream refers to a callable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallableUse {
    /// Imported by name and nothing more.
    Named,
    /// A class that is instantiated without its own constructor running on attacker-chosen code paths.
    Constructed,
    /// Called with arguments from the stream.
    Called,
}

/// What loading a serialised stream does, beyond using a callable that it names in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LoadAct {
    /// The strongest use of a [`Fact::Callable`] with the same subject: the term shows its arguments.
    Uses,
    /// What a call returned is called, or an attribute of a value made while loading.
    CallsResult,
    /// The name of a callable is made while loading.
    ComputesName,
    /// An imported object, class or module is changed in place.
    Overwrites,
    /// A code of the `copyreg` extension registry stands for a callable, which only the loader's registry knows.
    Extension,
    /// Something is called that was not followed.
    CallsUnknown,
    /// Bytes that one loader passes over are a program to another.
    HiddenProgram,
    /// Bytes hold compiled code.
    HoldsCode,
}

/// One thing a parser learned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fact {
    /// A callable that loading the artifact would import (and perhaps call).
    Callable {
        /// The module as written.
        module: Box<str>,
        /// The attribute path inside the module, as written.
        name: Box<str>,
        /// The strongest use seen.
        usage: CallableUse,
        /// The bytes that name it.
        span: Span,
    },
    /// Something that loading the artifact would do, with the arguments it has in the stream.
    Act {
        /// What.
        act: LoadAct,
        /// `module.name`, or what stands in its place.
        subject: Box<str>,
        /// The call as it would be written, shortened; artifact text.
        term: Box<str>,
        /// The opcode that does it.
        span: Span,
    },
    /// A library or symbol that an executable asks the loader for (DT_NEEDED, import directory, LC_LOAD_DYLIB).
    Import {
        /// The library as written.
        library: Box<str>,
        /// The bytes that name it.
        span: Span,
    },
    /// A symbol that an executable offers to others.
    Export {
        /// The name, printable.
        name: Box<str>,
        /// The bytes that name it.
        span: Span,
    },
    /// A tensor of a model file.
    Tensor {
        /// The tensor's name.
        name: Box<str>,
        /// The element type as the format spells it, upper case where the format is.
        dtype: Box<str>,
        /// The shape, outermost dimension first.
        shape: Vec<u64>,
        /// The elements' bytes.
        span: Span,
    },
    /// Elements that a pickled model keeps outside of its stream, under a key.
    Storage(Box<Storage>),
    /// A member of an archive or container, as its directory names it.
    Entry(Entry),
    /// A loadable segment or section of an executable.
    Segment {
        /// `PT_LOAD 2`, `.text`, `__TEXT` ...
        name: Box<str>,
        /// What is mapped.
        span: Span,
        /// Whether it is mapped writable.
        write: bool,
        /// Whether it is mapped executable.
        execute: bool,
        /// The case of `writable-executable` when it is both: `segment`, `section` or `stack`.
        kind: &'static str,
    },
    /// Where execution starts.
    EntryPoint {
        /// The file offset of the first instruction, when it maps to one.
        offset: Option<u64>,
        /// Whether it lies in a region that is mapped executable and named by a section.
        inside_code: bool,
    },
    /// A place from which an executable asks its loader to take a library, or to start another loader.
    LibraryPath {
        /// In whose words.
        asked: LibraryAsk,
        /// The path, as written; one entry of a list.
        path: Box<[u8]>,
        /// The bytes that name it.
        span: Span,
    },
    /// How a program was built.
    Build(Box<Build>),
    /// What a program that carries another one says of itself.
    Bundle(Box<Bundle>),
    /// A SHA-256 that the artifact states for bytes that are a nested artifact. The sweep computes it; a difference is a
    /// `header-mismatch`.
    Digest {
        /// The bytes.
        span: Span,
        /// Their SHA-256, as stated.
        sha256: [u8; 32],
    },
    /// A checksum that the artifact states for bytes of its own. The sweep computes it; a difference is a
    /// `header-mismatch`.
    Checksum {
        /// The bytes.
        span: Span,
        /// Their CRC-32 (IEEE 802.3), as stated.
        crc32: u32,
    },
    /// A member that runs with the rights of its owner or group rather than of who runs it.
    Privileged {
        /// The member's raw name.
        name: Box<[u8]>,
        /// Its permission bits.
        mode: u32,
        /// Where they stand.
        span: Span,
    },
    /// A callable that a configuration names, and that its loader imports and calls.
    Configured {
        /// The dotted name as written.
        name: Box<str>,
        /// The bytes that name it.
        span: Span,
    },
    /// A template that an engine renders with what users say (a chat template), held as a string.
    Template {
        /// What the artifact calls it: `chat_template`, `chat_template tool_use`.
        name: Box<str>,
        /// Its text, unescaped.
        text: Box<str>,
        /// The bytes of the string.
        span: Span,
    },
    /// An operation of a computation graph.
    Operator {
        /// Whose registry resolves it: `onnx`, `tensorflow`, `tflite` ...
        framework: &'static str,
        /// The namespace, as written; empty for the framework's own operators.
        domain: Box<str>,
        /// The operator, as written.
        name: Box<str>,
        /// The node that uses it; empty where nodes have no names.
        node: Box<str>,
        /// The node's bytes.
        span: Span,
    },
    /// Another file, or a library, that loading the artifact opens.
    Reference {
        /// What it is, for people: `external data`, `asset`.
        what: &'static str,
        /// The path or URL as written.
        path: Box<[u8]>,
        /// Where it stands.
        span: Span,
        /// Known vulnerabilities of loaders that follow such a path outside; empty when there are none to name.
        advisories: &'static str,
    },
    /// A place outside the artifact that using it reads from.
    Outside {
        /// How it is named.
        how: Outside,
        /// What names it: an object's path.
        by: Box<str>,
        /// The file, as written.
        target: Box<[u8]>,
        /// The bytes that name it.
        span: Span,
    },
    /// An object that a model's configuration names: loading looks its class up and builds it.
    ConfigObject(Box<ConfigObject>),
    /// A layer of a model's configuration that calls a function of its own when the model is used.
    ConfigLambda {
        /// The layer's name; empty when it has none.
        layer: Box<str>,
        /// Where it stands.
        span: Span,
    },
    /// Marshalled code in a model's configuration.
    ConfigCode {
        /// The layer's name; empty when it has none.
        layer: Box<str>,
        /// The encoded bytes.
        span: Span,
    },
    /// A file or address that an object of a configuration reads.
    Resource(Box<Resource>),
    /// Compiled Python code.
    PythonCode(Box<PythonCode>),
    /// A PE image: what of it no signature is over, and where its signatures stand.
    PeImage(Box<PeImage>),
    /// The code signature of a Mach-O image.
    CodeSignature(Box<CodeSignature>),
    /// A string key or name held by the artifact that people will read (tensor, member, section, metadata key).
    Name {
        /// What it names: `tensor`, `section`, `key`.
        what: &'static str,
        /// The raw bytes of the name, cut at 4096.
        raw: Box<[u8]>,
        /// Its length in bytes before any cut.
        length: u64,
        /// Where it stands.
        span: Span,
    },
}

/// What of a PE image matters to its signatures. Places are those that the headers state, cut to nothing.
#[derive(Clone, Debug)]
pub struct PeImage {
    /// The field `CheckSum`.
    pub checksum: Span,
    /// What it says.
    pub stated_checksum: u32,
    /// The certificate table's entry of the data directories; empty where there is none.
    pub directory: Span,
    /// The certificate table; empty where there is none.
    pub table: Span,
    /// Its entries.
    pub certificates: Vec<WinCertificate>,
    /// `SizeOfHeaders`.
    pub size_of_headers: u64,
    /// `SectionAlignment`: the bytes of a page.
    pub section_alignment: u64,
    /// The bytes of each section, in the order of the section table.
    pub sections: Vec<Span>,
}

/// Where the code signature of a Mach-O image stands, and what its digests call by other names than offsets.
#[derive(Clone, Debug)]
pub struct CodeSignature {
    /// The data that `LC_CODE_SIGNATURE` names, as far as the file has it.
    pub data: Span,
    /// Bytes behind the SuperBlob that are slots of an earlier CodeDirectory, each proved by the page it is of; mostly empty.
    pub leftover: Span,
    /// Bytes behind the SuperBlob that look like the end of an earlier signature; mostly empty.
    pub earlier: Span,
    /// The section `__TEXT,__info_plist`.
    pub info_plist: Option<Span>,
    /// The leaves of the image, to say what a page holds; the first of them where there are very many.
    pub parts: Vec<(Span, Box<str>)>,
    /// The load commands behind `LC_CODE_SIGNATURE`, which most linkers write last.
    pub after: Vec<Box<str>>,
}

/// One entry of a certificate table.
#[derive(Clone, Debug)]
pub struct WinCertificate {
    /// `dwLength`, `wRevision`, `wCertificateType`.
    pub header: Span,
    /// The DER value; `None` when there is none.
    pub value: Option<Span>,
    /// What can only be the fill after it: seven bytes at most, not looked at.
    pub pad: Span,
}

/// Elements that a pickled model keeps outside of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Under which key its loader looks for them.
    pub key: Box<str>,
    /// The name of the first tensor that uses them, where the stream shows one.
    pub name: Option<Box<str>>,
    /// The element type, as the format spells it.
    pub dtype: Box<str>,
    /// How many elements there are.
    pub elements: u64,
    /// The shape of that tensor, when it has all of the elements.
    pub shape: Vec<u64>,
}

/// Who asks for a library, and so what its path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LibraryAsk {
    /// `PT_INTERP`, `LC_LOAD_DYLINKER`: the loader itself.
    Loader,
    /// `DT_NEEDED` and its like, `LC_LOAD_DYLIB`: one library.
    Library,
    /// `DT_RPATH`, `DT_RUNPATH`, `LC_RPATH`: a directory that is searched.
    Directory,
}

/// How a program was built.
#[derive(Clone, Debug)]
pub struct Build {
    /// `go`, `rust`, or `c` for what cannot be told from C and C++.
    pub toolchain: &'static str,
    /// Its version, as written, printable; empty when nothing says it.
    pub version: Box<str>,
    /// The modules or crates it is made of, `name version`, printable, sorted.
    pub modules: Vec<Box<str>>,
    /// Protections that a program of this kind has, and this one has not.
    pub missing: Vec<&'static str>,
    /// Where it says so.
    pub span: Span,
}

/// A program carried by another one.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Who wrote it, a case of `bundle-inventory`: `node-sea`, `pyinstaller` ...
    pub kind: &'static str,
    /// What is run first, printable.
    pub entry: Vec<Box<str>>,
    /// Members that hold bytes.
    pub members: u64,
    /// Switches that are set, printable.
    pub flags: Vec<Box<str>>,
    /// Where it says so.
    pub span: Span,
}

/// An object of a model's configuration.
#[derive(Clone, Debug)]
pub struct ConfigObject {
    /// The module in which its class is looked up, when the configuration says one.
    pub module: Option<Box<str>>,
    /// The class or function, as written; `*` when only a module is named.
    pub name: Box<str>,
    /// Whether it is a function.
    pub is_function: bool,
    /// The name under which a package registered it, as written.
    pub registered: Option<Box<str>>,
    /// The layer's name; empty when it has none.
    pub layer: Box<str>,
    /// The bytes that name it.
    pub span: Span,
}

/// A file or address that an object of a configuration reads.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The case of `config-resource`: what the object does with it.
    pub case: &'static str,
    /// The class.
    pub owner: Box<str>,
    /// The key.
    pub key: Box<str>,
    /// The file or address, as written.
    pub value: Box<str>,
    /// The bytes that name it.
    pub span: Span,
}

/// Compiled Python code: what it names.
#[derive(Clone, Debug)]
pub struct PythonCode {
    /// The versions of Python whose code is laid out so.
    pub python: &'static str,
    /// The names of all its code objects (globals, attributes, modules), sorted.
    pub names: Vec<Box<str>>,
    /// Texts among the constants and names, each cut short, sorted.
    pub texts: Vec<Box<str>>,
    /// Code objects.
    pub objects: u64,
    /// The code.
    pub span: Span,
}

/// How an artifact names a file that is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outside {
    /// Elements of a dataset are bytes of that file.
    Storage,
    /// An object of that file appears as one of this.
    Link,
    /// Elements come from a dataset of that file.
    Virtual,
}

/// What an archive says about one member.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name's raw bytes, as the directory that decides extraction spells it.
    pub name: Box<[u8]>,
    /// Where the name stands.
    pub span: Span,
    /// What kind of member it is.
    pub kind: EntryKind,
    /// A digest or checksum of the content that tells identical duplicates from different ones, when known.
    pub content: Option<u64>,
}

/// The kind of an archive member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link with its target.
    Symlink(Box<[u8]>),
    /// A hard link with its target.
    HardLink(Box<[u8]>),
    /// A device, a FIFO, a socket: what it is.
    Special(&'static str),
}
