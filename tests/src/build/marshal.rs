//! Marshalled Python code objects, in each layout from 3.6 to 3.13, and `.pyc` files around them.

use super::bytes::Out;

/// How code objects are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Python 3.6 and 3.7.
    Six,
    /// Python 3.8 to 3.10.
    Eight,
    /// Python 3.11 to 3.14.
    Eleven,
}

/// A constant.
#[derive(Clone, Debug)]
pub enum Const {
    /// `None`.
    None,
    /// A small number.
    Int(i32),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A tuple.
    Tuple(Vec<Const>),
    /// A nested function.
    Code(Box<Code>),
    /// Type code and content as they are.
    Raw(Vec<u8>),
}

/// A code object. Start from [`Code::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Code {
    /// Its layout.
    pub layout: Layout,
    /// The bytecode, inert here.
    pub code: Vec<u8>,
    /// Constants.
    pub consts: Vec<Const>,
    /// Names it uses.
    pub names: Vec<String>,
    /// The function's name.
    pub name: String,
}

impl Code {
    /// `lambda x: x * 2`, by its shape.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            code: vec![0x97, 0, 0x7c, 0, 0x64, 1, 0x14, 0, 0x53, 0],
            consts: vec![Const::None, Const::Int(2)],
            names: Vec::new(),
            name: "<lambda>".into(),
        }
    }

    /// A function that names `names`.
    pub fn naming(layout: Layout, names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            ..Self::new(layout)
        }
    }

    /// The marshalled object.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Out::le();
        self.write(&mut out);
        out.into_bytes()
    }

    /// A `.pyc` file with the magic number of the first version of the layout.
    pub fn pyc(&self) -> Vec<u8> {
        let (magic, header) = match self.layout {
            Layout::Six => (3379u16, 12),
            Layout::Eight => (3413, 16),
            Layout::Eleven => (3495, 16),
        };
        let mut out = Out::le();
        out.u16(magic).bytes(b"\r\n").fill(header - 4, 0);
        out.bytes(&self.build());
        out.into_bytes()
    }

    fn write(&self, out: &mut Out) {
        out.u8(b'c' | 0x80);
        let numbers = if self.layout == Layout::Eight { 6 } else { 5 };
        for number in 0..numbers {
            // Arguments, then locals and stack, then flags.
            out.u32(if number + 1 == numbers {
                0x43
            } else {
                u32::from(number == 0)
            });
        }
        bytes(out, &self.code);
        tuple(out, &self.consts);
        texts(out, &self.names);
        texts(out, &["x".to_owned()]);
        match self.layout {
            Layout::Eleven => bytes(out, &[0x26]),
            _ => {
                texts(out, &[]);
                texts(out, &[]);
            }
        }
        text(out, "model.py");
        text(out, &self.name);
        if self.layout == Layout::Eleven {
            text(out, &self.name);
        }
        out.u32(1);
        bytes(out, &[]);
        if self.layout == Layout::Eleven {
            bytes(out, &[]);
        }
    }
}

fn bytes(out: &mut Out, content: &[u8]) {
    out.u8(b's').u32(content.len() as u32).bytes(content);
}

fn text(out: &mut Out, content: &str) {
    out.u8(b'z').u8(content.len() as u8).bytes(content.as_bytes());
}

fn texts(out: &mut Out, items: &[String]) {
    out.u8(b')').u8(items.len() as u8);
    for item in items {
        text(out, item);
    }
}

fn tuple(out: &mut Out, items: &[Const]) {
    out.u8(b')').u8(items.len() as u8);
    for item in items {
        constant(out, item);
    }
}

fn constant(out: &mut Out, value: &Const) {
    match value {
        Const::None => {
            out.u8(b'N');
        }
        Const::Int(n) => {
            out.u8(b'i').bytes(&n.to_le_bytes());
        }
        Const::Text(content) => {
            out.u8(b'u').u32(content.len() as u32).bytes(content.as_bytes());
        }
        Const::Bytes(content) => bytes(out, content),
        Const::Tuple(items) => tuple(out, items),
        Const::Code(code) => code.write(out),
        Const::Raw(raw) => {
            out.bytes(raw);
        }
    }
}
