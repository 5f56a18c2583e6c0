//! The opcode assembler.

macro_rules! plain_opcodes {
    ($($name:ident = $code:expr, $doc:literal;)*) => {
        impl Asm {
            $(#[doc = $doc] #[must_use] pub fn $name(self) -> Self { self.raw(&[$code]) })*
        }
    };
}

/// A pickle being written: every method appends one opcode and hands the assembler on.
#[derive(Clone, Debug, Default)]
pub struct Asm {
    bytes: Vec<u8>,
    boundaries: Vec<u64>,
}

plain_opcodes! {
    mark = b'(', "MARK";
    stop = b'.', "STOP";
    pop = b'0', "POP";
    pop_mark = b'1', "POP_MARK";
    dup = b'2', "DUP";
    none = b'N', "NONE";
    binpersid = b'Q', "BINPERSID";
    reduce = b'R', "REDUCE";
    append = b'a', "APPEND";
    build = b'b', "BUILD";
    dict = b'd', "DICT";
    empty_dict = b'}', "EMPTY_DICT";
    appends = b'e', "APPENDS";
    list = b'l', "LIST";
    empty_list = b']', "EMPTY_LIST";
    obj = b'o', "OBJ";
    setitem = b's', "SETITEM";
    tuple = b't', "TUPLE";
    empty_tuple = b')', "EMPTY_TUPLE";
    setitems = b'u', "SETITEMS";
    newobj = 0x81, "NEWOBJ";
    tuple1 = 0x85, "TUPLE1";
    tuple2 = 0x86, "TUPLE2";
    tuple3 = 0x87, "TUPLE3";
    newtrue = 0x88, "NEWTRUE";
    newfalse = 0x89, "NEWFALSE";
    empty_set = 0x8f, "EMPTY_SET";
    additems = 0x90, "ADDITEMS";
    frozenset = 0x91, "FROZENSET";
    newobj_ex = 0x92, "NEWOBJ_EX";
    stack_global = 0x93, "STACK_GLOBAL";
    memoize = 0x94, "MEMOIZE";
    next_buffer = 0x97, "NEXT_BUFFER";
    readonly_buffer = 0x98, "READONLY_BUFFER";
}

impl Asm {
    /// An empty assembler: no PROTO, as protocols 0 and 1 begin.
    pub fn new() -> Self {
        Self::default()
    }

    /// An assembler that begins as protocol `proto` does: PROTO from 2 on.
    pub fn proto(proto: u8) -> Self {
        if proto < 2 {
            Self::new()
        } else {
            Self::new().raw(&[0x80, proto])
        }
    }

    /// The bytes.
    pub fn done(self) -> Vec<u8> {
        self.bytes
    }

    /// The offsets between opcodes.
    pub fn boundaries(&self) -> Vec<u64> {
        let end = self.bytes.len() as u64;
        self.boundaries.iter().copied().filter(|&b| b < end).collect()
    }

    /// Appends bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.boundaries.push(self.bytes.len() as u64);
        self
    }

    /// Appends one byte `n` times, without a boundary between them.
    #[must_use]
    pub fn repeat(mut self, byte: u8, n: usize) -> Self {
        self.bytes.resize(self.bytes.len() + n, byte);
        self
    }

    fn line(self, code: u8, text: &str) -> Self {
        let bytes = [&[code], text.as_bytes(), "\n".as_bytes()].concat();
        self.raw(&bytes)
    }

    fn counted(self, code: u8, width: usize, data: &[u8]) -> Self {
        let length = (data.len() as u64).to_le_bytes();
        let bytes = [&[code], &length[..width], data].concat();
        self.raw(&bytes)
    }

    fn number(self, code: u8, width: usize, value: u64) -> Self {
        let bytes = [&[code], &value.to_le_bytes()[..width]].concat();
        self.raw(&bytes)
    }

    /// FLOAT, as text.
    #[must_use]
    pub fn float(self, text: &str) -> Self {
        self.line(b'F', text)
    }

    /// INT, as text (`01` and `00` are the booleans).
    #[must_use]
    pub fn int(self, text: &str) -> Self {
        self.line(b'I', text)
    }

    /// LONG, as text.
    #[must_use]
    pub fn long(self, text: &str) -> Self {
        self.line(b'L', text)
    }

    /// STRING, quotes included in `text`.
    #[must_use]
    pub fn string(self, text: &str) -> Self {
        self.line(b'S', text)
    }

    /// UNICODE.
    #[must_use]
    pub fn unicode(self, text: &str) -> Self {
        self.line(b'V', text)
    }

    /// PERSID.
    #[must_use]
    pub fn persid(self, text: &str) -> Self {
        self.line(b'P', text)
    }

    /// GET.
    #[must_use]
    pub fn get(self, index: u32) -> Self {
        self.line(b'g', &index.to_string())
    }

    /// PUT.
    #[must_use]
    pub fn put(self, index: u32) -> Self {
        self.line(b'p', &index.to_string())
    }

    /// GLOBAL.
    #[must_use]
    pub fn global(self, module: &str, name: &str) -> Self {
        self.line(b'c', &format!("{module}\n{name}"))
    }

    /// INST.
    #[must_use]
    pub fn inst(self, module: &str, name: &str) -> Self {
        self.line(b'i', &format!("{module}\n{name}"))
    }

    /// BININT.
    #[must_use]
    pub fn binint(self, v: i32) -> Self {
        self.number(b'J', 4, v as u32 as u64)
    }

    /// BININT1.
    #[must_use]
    pub fn binint1(self, v: u8) -> Self {
        self.number(b'K', 1, v.into())
    }

    /// BININT2.
    #[must_use]
    pub fn binint2(self, v: u16) -> Self {
        self.number(b'M', 2, v.into())
    }

    /// BINFLOAT (big-endian).
    #[must_use]
    pub fn binfloat(self, v: f64) -> Self {
        let mut bytes = vec![b'G'];
        bytes.extend_from_slice(&v.to_be_bytes());
        self.raw(&bytes)
    }

    /// BINGET.
    #[must_use]
    pub fn binget(self, index: u8) -> Self {
        self.number(b'h', 1, index.into())
    }

    /// LONG_BINGET.
    #[must_use]
    pub fn long_binget(self, index: u32) -> Self {
        self.number(b'j', 4, index.into())
    }

    /// BINPUT.
    #[must_use]
    pub fn binput(self, index: u8) -> Self {
        self.number(b'q', 1, index.into())
    }

    /// LONG_BINPUT.
    #[must_use]
    pub fn long_binput(self, index: u32) -> Self {
        self.number(b'r', 4, index.into())
    }

    /// BINSTRING.
    #[must_use]
    pub fn binstring(self, data: &[u8]) -> Self {
        self.counted(b'T', 4, data)
    }

    /// SHORT_BINSTRING.
    #[must_use]
    pub fn short_binstring(self, data: &[u8]) -> Self {
        self.counted(b'U', 1, data)
    }

    /// BINUNICODE.
    #[must_use]
    pub fn binunicode(self, text: &str) -> Self {
        self.counted(b'X', 4, text.as_bytes())
    }

    /// SHORT_BINUNICODE.
    #[must_use]
    pub fn short_binunicode(self, text: &str) -> Self {
        self.counted(0x8c, 1, text.as_bytes())
    }

    /// BINUNICODE8.
    #[must_use]
    pub fn binunicode8(self, text: &str) -> Self {
        self.counted(0x8d, 8, text.as_bytes())
    }

    /// BINBYTES.
    #[must_use]
    pub fn binbytes(self, data: &[u8]) -> Self {
        self.counted(b'B', 4, data)
    }

    /// SHORT_BINBYTES.
    #[must_use]
    pub fn short_binbytes(self, data: &[u8]) -> Self {
        self.counted(b'C', 1, data)
    }

    /// BINBYTES8.
    #[must_use]
    pub fn binbytes8(self, data: &[u8]) -> Self {
        self.counted(0x8e, 8, data)
    }

    /// BYTEARRAY8.
    #[must_use]
    pub fn bytearray8(self, data: &[u8]) -> Self {
        self.counted(0x96, 8, data)
    }

    /// LONG1.
    #[must_use]
    pub fn long1(self, data: &[u8]) -> Self {
        self.counted(0x8a, 1, data)
    }

    /// LONG4.
    #[must_use]
    pub fn long4(self, data: &[u8]) -> Self {
        self.counted(0x8b, 4, data)
    }

    /// EXT1.
    #[must_use]
    pub fn ext1(self, code: u8) -> Self {
        self.number(0x82, 1, code.into())
    }

    /// EXT2.
    #[must_use]
    pub fn ext2(self, code: u16) -> Self {
        self.number(0x83, 2, code.into())
    }

    /// EXT4.
    #[must_use]
    pub fn ext4(self, code: u32) -> Self {
        self.number(0x84, 4, code.into())
    }

    /// FRAME with a stated length.
    #[must_use]
    pub fn frame(self, length: u64) -> Self {
        self.number(0x95, 8, length)
    }

    /// A text in the opcode its protocol would use.
    #[must_use]
    pub fn text(self, proto: u8, text: &str) -> Self {
        match proto {
            0 => self.unicode(text),
            1..=3 => self.binunicode(text),
            _ => self.short_binunicode(text),
        }
    }

    /// A global in the opcodes its protocol would use.
    #[must_use]
    pub fn callable(self, proto: u8, module: &str, name: &str) -> Self {
        if proto < 4 {
            self.global(module, name)
        } else {
            self.short_binunicode(module).short_binunicode(name).stack_global()
        }
    }
}

/// PROTO and, from protocol 4 on, one FRAME around `body`.
pub(super) fn begin(proto: u8, body: Asm) -> Asm {
    let mut asm = Asm::proto(proto);
    if proto >= 4 {
        asm = asm.frame(body.bytes.len() as u64);
    }
    let base = asm.bytes.len() as u64;
    asm.boundaries.extend(body.boundaries.iter().map(|b| b + base));
    asm.bytes.extend(body.bytes);
    asm
}
