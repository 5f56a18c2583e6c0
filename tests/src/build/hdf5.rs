//! HDF5 files: superblocks 0 and 3, groups of both kinds, attributes, datasets of every layout, external links and
//! storage.
//!
//! Structures are laid down children first, so that every address is known when it is written; the superblock is last.

use super::bytes::Built;

const NONE: u64 = u64::MAX;

/// An object of a file.
#[derive(Clone, Debug)]
pub enum Node {
    /// A group of named members.
    Group(Vec<(String, Node)>),
    /// A group whose links are in a fractal heap (superblock 3 only).
    DenseGroup(Vec<(String, Node)>),
    /// A dataset.
    Dataset(Dataset),
    /// A link to an object of another file (superblock 3 only).
    External {
        /// The file.
        file: String,
        /// The object's path there.
        path: String,
    },
    /// A link to the root group.
    Root,
}

impl Node {
    /// A group.
    pub fn group(members: Vec<(String, Node)>) -> Self {
        Self::Group(members)
    }

    /// A contiguous dataset of `float32`.
    pub fn dataset(shape: &[u64], data: Vec<u8>) -> Self {
        Self::Dataset(Dataset::new(shape, data))
    }
}

/// Where a dataset's elements are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In the object header.
    Compact,
    /// In one piece.
    Contiguous,
    /// In two chunks, indexed by a B-tree of version 1.
    ChunkedTree,
    /// In one chunk (layout version 4).
    Single,
    /// In two chunks, one after the other (layout version 4).
    Implicit,
    /// In two chunks, indexed by a fixed array (layout version 4).
    FixedArray,
    /// In two chunks, indexed by an extensible array (layout version 4).
    ExtensibleArray,
    /// In two chunks, indexed by a B-tree of version 2 (layout version 4).
    Tree2,
    /// In other files: name and bytes of each.
    External(Vec<(String, u64)>),
    /// In datasets of other files.
    Virtual(String),
}

/// A dataset. Start from [`Dataset::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its dimensions.
    pub shape: Vec<u64>,
    /// Its bytes, as stored.
    pub data: Vec<u8>,
    /// Where they are.
    pub layout: Layout,
    /// Says that chunks went through a filter.
    pub filtered: bool,
    /// Elements are four opaque bytes each, not numbers.
    pub opaque: bool,
    /// The address of the elements, when not the truth.
    pub address: Option<u64>,
}

impl Dataset {
    /// A contiguous dataset of `float32`.
    pub fn new(shape: &[u64], data: Vec<u8>) -> Self {
        Self {
            shape: shape.to_vec(),
            data,
            layout: Layout::Contiguous,
            filtered: false,
            opaque: false,
            address: None,
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// A text of fixed length, in the object header.
    Text(String),
    /// Opaque bytes, in the object header.
    Opaque(Vec<u8>),
    /// A text in a global heap.
    HeapText(String),
}

/// What to build. Start from [`Hdf5::of`] and change fields.
#[derive(Clone, Debug)]
pub struct Hdf5 {
    /// The superblock's version: 0, or 3, with which groups and object headers are of the newer kind.
    pub version: u8,
    /// Bytes before the superblock: none, or 512 doubled any number of times.
    pub user_block: Vec<u8>,
    /// Attributes of the root group.
    pub attributes: Vec<(String, Attribute)>,
    /// Members of the root group.
    pub members: Vec<(String, Node)>,
    /// Bytes in the file's space that nothing refers to.
    pub freed: Vec<u8>,
    /// Bytes after the end that the superblock states.
    pub trailing: Vec<u8>,
}

impl Hdf5 {
    /// A file of superblock version 0 with these members of the root group.
    pub fn of(members: Vec<(String, Node)>) -> Self {
        Self {
            version: 0,
            user_block: Vec::new(),
            attributes: Vec::new(),
            members,
            freed: Vec::new(),
            trailing: Vec::new(),
        }
    }

    /// The file's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.built().bytes
    }

    /// The file's bytes and structure boundaries.
    pub fn built(&self) -> Built {
        let new = self.version >= 2;
        let mut file = Writer {
            bytes: vec![0; if new { 48 } else { 96 }],
            marks: Vec::new(),
            new,
            patches: Vec::new(),
        };
        let mut messages: Vec<Message> = self.attributes.iter().map(|(n, a)| file.attribute(n, a)).collect();
        messages.extend(file.members(&self.members, false));
        let root = file.object(messages);
        for at in std::mem::take(&mut file.patches) {
            file.bytes[at..at + 8].copy_from_slice(&root.to_le_bytes());
        }
        file.rechecksum();
        if !self.freed.is_empty() {
            file.put(&self.freed);
        }
        let end = file.bytes.len() as u64;
        let start = self.user_block.len() as u64;
        let superblock = superblock(new, start, start + end, root);
        file.bytes[..superblock.len()].copy_from_slice(&superblock);
        let mut marks: Vec<u64> = file.marks.iter().map(|m| m + start).collect();
        marks.retain(|m| *m < start + end);
        marks.sort_unstable();
        marks.dedup();
        Built {
            bytes: [&self.user_block[..], &file.bytes, &self.trailing].concat(),
            boundaries: marks,
        }
    }
}

fn superblock(new: bool, base: u64, end: u64, root: u64) -> Vec<u8> {
    let mut out = b"\x89HDF\r\n\x1a\n".to_vec();
    if new {
        out.extend([3, 8, 8, 0]);
        for word in [base, NONE, end, root] {
            out.extend(word.to_le_bytes());
        }
        let sum = lookup3(&out);
        out.extend(sum.to_le_bytes());
        return out;
    }
    out.extend([0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0]);
    for word in [base, NONE, end, NONE, 0, root] {
        out.extend(word.to_le_bytes());
    }
    out.extend([0; 24]);
    out
}

struct Message {
    kind: u8,
    body: Vec<u8>,
    /// Where in the body the root group's address goes, once it is known.
    root_at: Option<usize>,
}

impl Message {
    fn new(kind: u8, body: Vec<u8>) -> Self {
        let root_at = None;
        Self { kind, body, root_at }
    }
}

struct Writer {
    bytes: Vec<u8>,
    marks: Vec<u64>,
    new: bool,
    /// Where the root group's address goes.
    patches: Vec<usize>,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(bytes);
        self.marks.push(at as u64);
        at as u64
    }

    fn checked(&mut self, mut bytes: Vec<u8>) -> u64 {
        let sum = lookup3(&bytes);
        bytes.extend(sum.to_le_bytes());
        self.put(&bytes)
    }

    /// Checksums of object headers are computed again, since the root's address was not known.
    fn rechecksum(&mut self) {
        let mut at = 0;
        while let Some(found) = super::bytes::find(&self.bytes[at..], b"OHDR\x02\x02") {
            let start = at + found;
            let size = super::bytes::le32(&self.bytes, start + 6) as usize;
            let end = start + 10 + size;
            let sum = lookup3(&self.bytes[start..end]);
            self.bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
            at = end;
        }
    }

    fn object(&mut self, messages: Vec<Message>) -> u64 {
        let mut body = Vec::new();
        let mut patches = Vec::new();
        for message in &messages {
            let mut content = message.body.clone();
            if self.new {
                body.extend([message.kind, content.len() as u8, (content.len() >> 8) as u8, 0]);
            } else {
                content.resize(content.len().next_multiple_of(8), 0);
                body.extend([
                    message.kind,
                    0,
                    content.len() as u8,
                    (content.len() >> 8) as u8,
                    0,
                    0,
                    0,
                    0,
                ]);
            }
            patches.extend(message.root_at.map(|at| body.len() + at));
            body.extend(content);
        }
        let mut out = if self.new {
            // Bits 0 and 1 of the flags: the size of the first block takes four bytes.
            let mut out = b"OHDR\x02\x02".to_vec();
            out.extend((body.len() as u32).to_le_bytes());
            out
        } else {
            let mut out = vec![1, 0, messages.len() as u8, 0, 1, 0, 0, 0];
            out.extend((body.len() as u32).to_le_bytes());
            out.extend([0; 4]);
            out
        };
        let prefix = out.len();
        out.extend(body);
        let at = if self.new { self.checked(out) } else { self.put(&out) };
        self.patches
            .extend(patches.into_iter().map(|patch| at as usize + prefix + patch));
        at
    }

    fn members(&mut self, members: &[(String, Node)], dense: bool) -> Vec<Message> {
        if self.new {
            let links: Vec<Message> = members.iter().map(|(name, node)| self.link(name, node)).collect();
            return if dense { vec![self.dense(links)] } else { links };
        }
        let mut names = vec![0u8; 8];
        let mut symbols = b"SNOD\x01\x00".to_vec();
        symbols.extend((members.len() as u16).to_le_bytes());
        let mut patch = Vec::new();
        for (name, node) in members {
            let offset = names.len() as u64;
            names.extend(name.as_bytes());
            names.push(0);
            names.resize(names.len().next_multiple_of(8), 0);
            symbols.extend(offset.to_le_bytes());
            if matches!(node, Node::Root) {
                patch.push(symbols.len());
            }
            let address = self.node(node).unwrap_or(0);
            symbols.extend(address.to_le_bytes());
            symbols.extend([0; 24]);
        }
        // Room for eight symbols, used or not.
        symbols.resize(8 + 8 * 40, 0);
        let last = names.len() as u64;
        let data = self.put(&names);
        let mut heap = b"HEAP\0\0\0\0".to_vec();
        for word in [last, 1, data] {
            heap.extend(word.to_le_bytes());
        }
        let heap = self.put(&heap);
        let node = self.put(&symbols);
        self.patches.extend(patch.into_iter().map(|at| node as usize + at));
        let mut tree = b"TREE\0\0\x01\0".to_vec();
        for word in [NONE, NONE, 0, node, 8] {
            tree.extend(word.to_le_bytes());
        }
        tree.resize(24 + 33 * 8 + 32 * 8, 0);
        let tree = self.put(&tree);
        let mut body = tree.to_le_bytes().to_vec();
        body.extend(heap.to_le_bytes());
        vec![Message::new(0x11, body)]
    }

    fn node(&mut self, node: &Node) -> Option<u64> {
        match node {
            Node::Group(members) => {
                let messages = self.members(members, false);
                Some(self.object(messages))
            }
            Node::DenseGroup(members) => {
                let messages = self.members(members, true);
                Some(self.object(messages))
            }
            Node::Dataset(dataset) => {
                let messages = self.dataset(dataset);
                Some(self.object(messages))
            }
            Node::External { .. } | Node::Root => None,
        }
    }

    fn link(&mut self, name: &str, node: &Node) -> Message {
        let mut body = vec![1, 0];
        if let Node::External { file, path } = node {
            body[1] = 8;
            body.push(64);
            body.push(name.len() as u8);
            body.extend(name.as_bytes());
            body.extend((file.len() as u16 + path.len() as u16 + 3).to_le_bytes());
            body.push(0);
            body.extend(file.as_bytes());
            body.push(0);
            body.extend(path.as_bytes());
            body.push(0);
            return Message::new(6, body);
        }
        body.push(name.len() as u8);
        body.extend(name.as_bytes());
        let at = body.len();
        let address = self.node(node);
        body.extend(address.unwrap_or(0).to_le_bytes());
        Message {
            kind: 6,
            body,
            root_at: address.is_none().then_some(at),
        }
    }

    /// Links in a heap of one direct block, indexed by a tree of one leaf.
    fn dense(&mut self, links: Vec<Message>) -> Message {
        const BLOCK: usize = 1024;
        let mut block = b"FHDB\0".to_vec();
        block.extend([0; 8 + 4]);
        let mut records = Vec::new();
        for link in &links {
            let mut record = [0u8; 11];
            record[5..9].copy_from_slice(&(block.len() as u32).to_le_bytes());
            record[9..11].copy_from_slice(&(link.body.len() as u16).to_le_bytes());
            records.extend(record);
            block.extend(&link.body);
        }
        block.resize(BLOCK, 0);
        let block = self.put(&block);
        let mut heap = b"FRHP\0\x07\0\0\0\0".to_vec();
        heap.extend(4096u32.to_le_bytes());
        for word in [
            0,
            NONE,
            0,
            NONE,
            BLOCK as u64,
            BLOCK as u64,
            0,
            links.len() as u64,
            0,
            0,
            0,
            0,
        ] {
            heap.extend(word.to_le_bytes());
        }
        heap.extend(4u16.to_le_bytes());
        heap.extend((BLOCK as u64).to_le_bytes());
        heap.extend(65536u64.to_le_bytes());
        heap.extend([32, 0, 1, 0]);
        heap.extend(block.to_le_bytes());
        heap.extend([0, 0]);
        let heap = self.checked(heap);
        let names = self.tree2(5, 11, &records, links.len());
        let mut body = vec![0, 0];
        body.extend(heap.to_le_bytes());
        body.extend(names.to_le_bytes());
        Message::new(2, body)
    }

    fn tree2(&mut self, kind: u8, record: u16, records: &[u8], count: usize) -> u64 {
        const NODE: usize = 512;
        let mut leaf = b"BTLF\0".to_vec();
        leaf.push(kind);
        leaf.extend(records);
        let sum = lookup3(&leaf);
        leaf.extend(sum.to_le_bytes());
        leaf.resize(NODE, 0);
        let leaf = self.put(&leaf);
        let mut tree = b"BTHD\0".to_vec();
        tree.push(kind);
        tree.extend((NODE as u32).to_le_bytes());
        tree.extend(record.to_le_bytes());
        tree.extend([0, 0, 100, 40]);
        tree.extend(leaf.to_le_bytes());
        tree.extend((count as u16).to_le_bytes());
        tree.extend((count as u64).to_le_bytes());
        self.checked(tree)
    }

    fn heap_object(&mut self, content: &[u8]) -> u64 {
        let mut out = b"GCOL\x01\0\0\0".to_vec();
        out.extend(0u64.to_le_bytes());
        out.extend([1, 0, 1, 0, 0, 0, 0, 0]);
        out.extend((content.len() as u64).to_le_bytes());
        out.extend(content);
        out.resize(out.len().next_multiple_of(8), 0);
        let used = out.len();
        let size = (used + 16).max(4096);
        out.resize(size, 0);
        out[used + 8..used + 16].copy_from_slice(&((size - used) as u64).to_le_bytes());
        out[8..16].copy_from_slice(&(size as u64).to_le_bytes());
        self.put(&out)
    }

    fn attribute(&mut self, name: &str, value: &Attribute) -> Message {
        let (kind, data): (Vec<u8>, Vec<u8>) = match value {
            Attribute::Text(text) => {
                let mut kind = vec![0x13, 0, 0, 0];
                kind.extend((text.len() as u32).to_le_bytes());
                (kind, text.clone().into_bytes())
            }
            Attribute::Opaque(data) => {
                let mut kind = vec![0x15, 0, 0, 0];
                kind.extend((data.len() as u32).to_le_bytes());
                (kind, data.clone())
            }
            Attribute::HeapText(text) => {
                let address = self.heap_object(text.as_bytes());
                let mut data = (text.len() as u32).to_le_bytes().to_vec();
                data.extend(address.to_le_bytes());
                data.extend(1u32.to_le_bytes());
                (vec![0x19, 1, 1, 0, 16, 0, 0, 0, 0x13, 0, 0, 0, 1, 0, 0, 0], data)
            }
        };
        let space = [1, 0, 0, 0, 0, 0, 0, 0];
        let mut body = vec![1, 0];
        for n in [name.len() + 1, kind.len(), space.len()] {
            body.extend((n as u16).to_le_bytes());
        }
        for part in [&[name.as_bytes(), &[0]].concat()[..], &kind, &space] {
            body.extend(part);
            body.resize(body.len().next_multiple_of(8), 0);
        }
        body.extend(data);
        Message::new(0x0c, body)
    }

    fn dataset(&mut self, dataset: &Dataset) -> Vec<Message> {
        let mut space = vec![1, dataset.shape.len() as u8, 0, 0, 0, 0, 0, 0];
        for n in &dataset.shape {
            space.extend(n.to_le_bytes());
        }
        let float = [0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
        let opaque = [0x15, 0, 0, 0, 4, 0, 0, 0];
        let kind = if dataset.opaque {
            opaque.to_vec()
        } else {
            float.to_vec()
        };
        let mut messages = vec![Message::new(1, space), Message::new(3, kind)];
        if dataset.filtered {
            messages.push(Message::new(0x0b, vec![2, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 0, 0, 0]));
        }
        let layout = self.layout(dataset, &mut messages);
        messages.push(Message::new(8, layout));
        messages
    }

    fn layout(&mut self, dataset: &Dataset, messages: &mut Vec<Message>) -> Vec<u8> {
        let data = &dataset.data;
        let half = data.len() / 2;
        let chunk: Vec<u64> = [&[dataset.shape[0].div_ceil(2)], &dataset.shape[1..], &[4]].concat();
        // Version 4: flags, dimensions, the width of sizes, sizes, the kind of index.
        let indexed = |kind: u8, parameters: &[u8], address: u64| {
            let mut out = vec![4, 2, 0, chunk.len() as u8, 4];
            for n in &chunk {
                out.extend((*n as u32).to_le_bytes());
            }
            out.push(kind);
            out.extend(parameters);
            out.extend(address.to_le_bytes());
            out
        };
        let element = |out: &mut Vec<u8>, address: u64| {
            out.extend(address.to_le_bytes());
            if dataset.filtered {
                out.extend((half as u32).to_le_bytes());
                out.extend([0; 4]);
            }
        };
        let each: u8 = if dataset.filtered { 16 } else { 8 };
        match &dataset.layout {
            Layout::Compact => {
                let mut out = vec![3, 0];
                out.extend((data.len() as u16).to_le_bytes());
                out.extend(data);
                out
            }
            Layout::Contiguous => {
                let address = dataset.address.unwrap_or_else(|| self.put(data));
                let mut out = vec![3, 1];
                out.extend(address.to_le_bytes());
                out.extend((data.len() as u64).to_le_bytes());
                out
            }
            Layout::ChunkedTree => {
                let chunks = [self.put(&data[..half]), self.put(&data[half..])];
                let mut tree = b"TREE\x01\0\x02\0".to_vec();
                tree.extend([0xff; 16]);
                for (number, address) in chunks.iter().enumerate() {
                    tree.extend((half as u32).to_le_bytes());
                    tree.extend([0; 4]);
                    tree.extend((number as u64 * chunk[0]).to_le_bytes());
                    tree.extend(vec![0; 8 * (chunk.len() - 1)]);
                    tree.extend(address.to_le_bytes());
                }
                let key = 8 + 8 * chunk.len();
                tree.resize(24 + 65 * key + 64 * 8, 0);
                let tree = self.put(&tree);
                let mut out = vec![3, 2, chunk.len() as u8];
                out.extend(tree.to_le_bytes());
                for n in &chunk {
                    out.extend((*n as u32).to_le_bytes());
                }
                out
            }
            Layout::Single => {
                let address = self.put(data);
                let mut out = indexed(1, &[], address);
                for (at, n) in (5..).step_by(4).zip(&dataset.shape) {
                    out[at..at + 4].copy_from_slice(&(*n as u32).to_le_bytes());
                }
                out
            }
            Layout::Implicit => {
                let address = self.put(data);
                indexed(2, &[], address)
            }
            Layout::FixedArray => {
                let chunks = [self.put(&data[..half]), self.put(&data[half..])];
                let header = self.bytes.len().next_multiple_of(8) as u64;
                let block = header + 32;
                let mut fixed = b"FAHD\0".to_vec();
                fixed.extend([u8::from(dataset.filtered), each, 10]);
                fixed.extend(2u64.to_le_bytes());
                fixed.extend(block.to_le_bytes());
                assert_eq!(self.checked(fixed), header);
                let mut data = b"FADB\0".to_vec();
                data.push(u8::from(dataset.filtered));
                data.extend(header.to_le_bytes());
                chunks.iter().for_each(|chunk| element(&mut data, *chunk));
                assert_eq!(self.checked(data), block);
                indexed(3, &[10], header)
            }
            Layout::ExtensibleArray => {
                let chunks = [self.put(&data[..half]), self.put(&data[half..])];
                let header = self.bytes.len().next_multiple_of(8) as u64;
                let index = header + 72;
                let mut array = b"EAHD\0".to_vec();
                array.extend([u8::from(dataset.filtered), each, 32, 4, 16, 4, 10]);
                for word in [0, 0, 0, 0, 2, 4] {
                    array.extend(u64::to_le_bytes(word));
                }
                array.extend(index.to_le_bytes());
                assert_eq!(self.checked(array), header);
                let mut block = b"EAIB\0".to_vec();
                block.push(u8::from(dataset.filtered));
                block.extend(header.to_le_bytes());
                chunks.iter().for_each(|chunk| element(&mut block, *chunk));
                for _ in 0..2 {
                    element(&mut block, NONE);
                }
                // Six data blocks, and super blocks 4 to 28.
                block.extend(vec![0xff; 8 * (6 + 25)]);
                assert_eq!(self.checked(block), index);
                indexed(4, &[32, 4, 4, 16, 10], header)
            }
            Layout::Tree2 => {
                let chunks = [self.put(&data[..half]), self.put(&data[half..])];
                let mut records = Vec::new();
                for (number, chunk) in chunks.iter().enumerate() {
                    element(&mut records, *chunk);
                    records.extend((number as u64).to_le_bytes());
                    records.extend(vec![0; 8 * (dataset.shape.len() - 1)]);
                }
                let kind = if dataset.filtered { 11 } else { 10 };
                let tree = self.tree2(kind, (records.len() / 2) as u16, &records, 2);
                indexed(5, &[0, 2, 0, 0, 100, 40], tree)
            }
            Layout::External(files) => {
                let mut names = vec![0u8; 8];
                let mut list = vec![1, 0, 0, 0];
                list.extend([files.len() as u8, 0, files.len() as u8, 0]);
                let mut slots = Vec::new();
                for (name, length) in files {
                    for word in [names.len() as u64, 0, *length] {
                        slots.extend(word.to_le_bytes());
                    }
                    names.extend(name.as_bytes());
                    names.push(0);
                    names.resize(names.len().next_multiple_of(8), 0);
                }
                let length = names.len() as u64;
                let at = self.put(&names);
                let mut heap = b"HEAP\0\0\0\0".to_vec();
                for word in [length, 1, at] {
                    heap.extend(word.to_le_bytes());
                }
                list.extend(self.put(&heap).to_le_bytes());
                list.extend(slots);
                messages.push(Message::new(7, list));
                let mut out = vec![3, 1];
                out.extend(NONE.to_le_bytes());
                out.extend(dataset.shape.iter().fold(4u64, |n, d| n * d).to_le_bytes());
                out
            }
            Layout::Virtual(name) => {
                let mut list = vec![0];
                list.extend(1u64.to_le_bytes());
                list.extend(name.as_bytes());
                list.extend(b"\0data\0");
                list.extend([2, 0, 0, 0, 1, 0, 0, 0]);
                let heap = self.heap_object(&list);
                let mut out = vec![4, 3];
                out.extend(heap.to_le_bytes());
                out.extend(1u32.to_le_bytes());
                out
            }
        }
    }
}

/// A small file of superblock version 0: one group with one dataset.
pub fn small() -> Vec<u8> {
    Hdf5::of(vec![(
        "group".into(),
        Node::group(vec![(
            "data".into(),
            Node::dataset(&[3, 4], super::safetensors::weights(12)),
        )]),
    )])
    .build()
}

/// Bob Jenkins' `lookup3`, as HDF5 checksums its newer structures.
pub fn lookup3(bytes: &[u8]) -> u32 {
    let (mut a, mut b, mut c) = {
        let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
        (start, start, start)
    };
    let word = |chunk: &[u8], at: usize| {
        let byte = |i: usize| u32::from(chunk.get(at + i).copied().unwrap_or(0));
        byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24
    };
    let mut chunks = bytes.chunks(12).peekable();
    while let Some(chunk) = chunks.next() {
        a = a.wrapping_add(word(chunk, 0));
        b = b.wrapping_add(word(chunk, 4));
        c = c.wrapping_add(word(chunk, 8));
        if chunks.peek().is_some() {
            for (n, step) in [4, 6, 8, 16, 19, 4].into_iter().enumerate() {
                let (x, y, z) = match n % 3 {
                    0 => (&mut a, &mut c, &mut b),
                    1 => (&mut b, &mut a, &mut c),
                    _ => (&mut c, &mut b, &mut a),
                };
                *x = x.wrapping_sub(*y) ^ y.rotate_left(step);
                *y = y.wrapping_add(*z);
            }
        } else {
            for (n, step) in [14, 11, 25, 16, 4, 14, 24].into_iter().enumerate() {
                let (x, y) = match n % 3 {
                    0 => (&mut c, b),
                    1 => (&mut a, c),
                    _ => (&mut b, a),
                };
                *x = (*x ^ y).wrapping_sub(y.rotate_left(step));
            }
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_function() {
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn the_superblock_states_the_end_of_the_file() {
        let bytes = small();
        assert_eq!(super::super::bytes::le64(&bytes, 40), bytes.len() as u64);
        assert_eq!(&bytes[..8], b"\x89HDF\r\n\x1a\n");
    }
}
