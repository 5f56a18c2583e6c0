//! A model's configuration: every object that loading builds (Keras, `serialization_lib.py` and its forerunners).
//!
//! An object is a JSON object with `class_name` and `config`, at any depth. Its class is looked up by `module` and name
//! (version 3), among registered classes, or among Keras' own. Order of keys is free and a repeated key counts as often
//! as it stands, so an object is told when it is closed, by all that was seen in it.

use super::base64::Base64;
use super::lenient;
use crate::fact::{ConfigObject, Fact, Resource};
use crate::finding::{ErrorCode, ScanError};
use crate::format::Parse;
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind};
use probity_signatures::keras;

/// Deeper than Python's reader goes.
const DEPTH: usize = 4096;
/// Values kept of one object.
const KEPT: usize = 64;
/// The longest text kept.
const LONGEST: usize = 4096;
/// Objects told of one configuration.
const MOST: usize = 1 << 16;
/// The shortest text that can be code: a function of no names has more.
const CODE: u64 = 40;

/// A text in an object, with the key it stands at.
#[derive(Clone)]
struct Text {
    key: Box<str>,
    text: Box<str>,
    /// Inside the quotes.
    span: Span,
    /// Whether it is the first element of an array there.
    listed: bool,
}

#[derive(Default)]
struct Frame {
    object: bool,
    /// The key at which it stands in what holds it.
    at: Box<str>,
    key: Box<str>,
    elements: usize,
    start: u64,
    classes: Vec<(Box<str>, Span)>,
    modules: Vec<Box<str>>,
    registered: Vec<Box<str>>,
    layer: Option<Box<str>>,
    has_config: bool,
    /// Texts of the object itself, and those of its `config`.
    texts: Vec<Text>,
    config: Vec<Text>,
}

/// Whether the key of every object is there as JSON writes one: in quotes, or with escapes.
fn names_a_class(bytes: &[u8]) -> bool {
    ["\"class_name\"", "'class_name'", "\\u00"]
        .iter()
        .any(|key| memchr::memmem::find(bytes, key.as_bytes()).is_some())
}

/// Walks a configuration whose first byte lies at `base`; tells every object.
pub(super) fn walk(bytes: &[u8], base: u64, out: &mut Parse) {
    let strict = lenient::strict(bytes);
    let walker = JsonWalker::new(&strict, base, DEPTH);
    let mut stack: Vec<Frame> = Vec::new();
    let mut told = 0usize;
    for token in walker {
        let token = match token {
            Ok(token) => token,
            Err(fault) => {
                // What comes behind the fault was not read, and another reader may read it.
                if fault.offset < base.saturating_add(wide(strict.len())) && !stack.is_empty() && names_a_class(bytes) {
                    let message = format!("keras: a configuration was not read behind {fault}");
                    out.error(ScanError::new(ErrorCode::Unsupported, message).at(fault.offset));
                }
                while let Some(frame) = stack.pop() {
                    close(frame, stack.last_mut(), fault.offset, &mut told, out);
                }
                return;
            }
        };
        match token.kind {
            TokenKind::ObjectStart | TokenKind::ArrayStart => {
                let object = token.kind == TokenKind::ObjectStart;
                let at = match stack.last_mut() {
                    Some(top) => {
                        top.enter();
                        top.key.clone()
                    }
                    None => Box::default(),
                };
                if let Some(top) = stack.last_mut().filter(|t| t.object && &*t.key == "config") {
                    top.has_config = true;
                }
                stack.push(Frame {
                    object,
                    at,
                    start: token.span.start(),
                    ..Frame::default()
                });
            }
            TokenKind::ObjectEnd | TokenKind::ArrayEnd => {
                if let Some(frame) = stack.pop() {
                    close(frame, stack.last_mut(), token.span.end(), &mut told, out);
                }
            }
            TokenKind::Key(key) => {
                if let Some(top) = stack.last_mut() {
                    top.key = short(&key).into();
                }
            }
            TokenKind::String(text) => {
                if let Some(top) = stack.last_mut() {
                    let inside = Span::new(token.span.start().saturating_add(1), token.span.end().saturating_sub(1));
                    top.string(&text, inside);
                    top.enter();
                }
            }
            _ => {
                if let Some(top) = stack.last_mut() {
                    top.has_config |= top.object && &*top.key == "config";
                    top.enter();
                }
            }
        }
    }
}

impl Frame {
    fn enter(&mut self) {
        self.elements = self.elements.saturating_add(1);
    }

    fn string(&mut self, text: &str, span: Span) {
        if self.object {
            let list = match &*self.key {
                "class_name" | "spec_name" => {
                    if self.classes.len() < KEPT {
                        self.classes.push((short(text).into(), span));
                    }
                    None
                }
                "module" | "fn_module" => Some(&mut self.modules),
                "registered_name" => Some(&mut self.registered),
                "config" => {
                    self.has_config = true;
                    None
                }
                "name" => {
                    self.layer.get_or_insert_with(|| short(text).into());
                    None
                }
                _ => None,
            };
            if let Some(list) = list.filter(|list| list.len() < KEPT) {
                list.push(short(text).into());
            }
        } else if self.elements > 0 {
            return;
        }
        let of_interest = !self.object
            || keras().is_key_of_interest(&self.key)
            || (span.len() >= CODE && looks_like_code(text.as_bytes()));
        if of_interest && self.texts.len() < KEPT {
            self.texts.push(Text {
                key: self.key.clone(),
                text: short(text).into(),
                span,
                listed: !self.object,
            });
        }
    }
}

/// Ends an object or an array: what it says goes to what holds it, and an object with a class is told.
fn close(frame: Frame, parent: Option<&mut Frame>, end: u64, told: &mut usize, out: &mut Parse) {
    if frame.object && frame.has_config {
        object(&frame, end, told, out);
    }
    // Marshalled code anywhere is code, whatever the class around it is called.
    for text in &frame.texts {
        if text.span.len() >= CODE && looks_like_code(text.text.as_bytes()) && (text.listed || &*text.key == "code") {
            let layer = frame.layer.clone().unwrap_or_default();
            code(text, layer, out);
        }
    }
    let Some(parent) = parent else { return };
    if !parent.object {
        return;
    }
    if frame.object && &*frame.at == "config" {
        parent.config.extend(frame.texts.iter().take(KEPT).cloned());
        parent.config.truncate(KEPT);
        if parent.layer.is_none() {
            parent.layer.clone_from(&frame.layer);
        }
    } else if !frame.object
        && let Some(first) = frame.texts.first()
        && parent.texts.len() < KEPT
    {
        parent.texts.push(Text {
            key: frame.at,
            ..first.clone()
        });
    }
}

/// Base64 of a marshalled code object: its first byte is 0xe3 or 0x63.
fn looks_like_code(text: &[u8]) -> bool {
    let mut letters = text.iter().filter(|b| !b.is_ascii_whitespace());
    let head = (letters.next(), letters.next());
    matches!(head, (Some(b'4'), Some(b'w'..=b'z')) | (Some(b'Y'), Some(b'w'..=b'z')))
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\n' | b'\r'))
}

fn code(text: &Text, layer: Box<str>, out: &mut Parse) {
    let known = out
        .facts()
        .iter()
        .rev()
        .take(KEPT)
        .any(|f| matches!(f, Fact::ConfigCode { span, .. } if *span == text.span));
    if known {
        return;
    }
    out.decoded(text.span, "lambda code", Box::new(Base64), false);
    out.fact(Fact::ConfigCode { layer, span: text.span });
}

fn object(frame: &Frame, end: u64, told: &mut usize, out: &mut Parse) {
    let config: &[Text] = &frame.config;
    let layer = frame.layer.clone().unwrap_or_default();
    for (class, span) in &frame.classes {
        *told = told.saturating_add(1);
        if *told > MOST {
            let message = format!("keras: more than {MOST} objects in one configuration");
            return out.error(ScanError::new(ErrorCode::LimitExceeded, message));
        }
        // A function is named by the text in its config.
        let name = if &**class == "function" {
            frame
                .texts
                .iter()
                .find(|t| &*t.key == "config")
                .map_or(class, |t| &t.text)
        } else {
            class
        };
        let modules: Vec<Option<&Box<str>>> = if frame.modules.is_empty() {
            vec![None]
        } else {
            frame.modules.iter().map(Some).collect()
        };
        for module in modules {
            out.fact(Fact::ConfigObject(Box::new(ConfigObject {
                module: module.cloned(),
                name: name.clone(),
                is_function: &**class == "function",
                registered: frame.registered.last().cloned(),
                layer: layer.clone(),
                span: *span,
            })));
        }
        named_modules(config, &layer, out);
        lambda(class, config, &layer, Span::new(frame.start, end), out);
        for text in config {
            // A list is the vocabulary itself.
            if let Some(case) = keras().resource(class, &text.key).filter(|_| !text.listed) {
                out.fact(Fact::Resource(Box::new(Resource {
                    case,
                    owner: class.clone(),
                    key: text.key.clone(),
                    value: text.text.clone(),
                    span: text.span,
                })));
            }
        }
    }
}

/// Modules that a config names beside its class: where a Lambda's function is looked up.
fn named_modules(config: &[Text], layer: &str, out: &mut Parse) {
    for text in config.iter().filter(|t| t.key.ends_with("module") && !t.listed) {
        let function = config.iter().find(|t| &*t.key == "function" && !t.listed);
        out.fact(Fact::ConfigObject(Box::new(ConfigObject {
            module: Some(text.text.clone()),
            name: function.map_or_else(|| "*".into(), |t| t.text.clone()),
            is_function: true,
            registered: None,
            layer: layer.into(),
            span: text.span,
        })));
    }
}

/// A Lambda layer: its code, where it holds some; TensorFlow's functions by name.
fn lambda(class: &str, config: &[Text], layer: &str, span: Span, out: &mut Parse) {
    match class {
        "Lambda" => {
            for text in config.iter().filter(|t| t.listed && t.span.len() >= 2) {
                if matches!(&*text.key, "function" | "output_shape" | "mask") && !text.text.is_empty() {
                    code(text, layer.into(), out);
                }
            }
            out.fact(Fact::ConfigLambda {
                layer: layer.into(),
                span,
            });
        }
        "__lambda__" => {
            for text in config.iter().filter(|t| matches!(&*t.key, "code" | "value")) {
                code(text, layer.into(), out);
            }
            out.fact(Fact::ConfigLambda {
                layer: layer.into(),
                span,
            });
        }
        "TFOpLambda" | "SlicingOpLambda" | "TFClassMethodDispatcher" => {
            for text in config
                .iter()
                .filter(|t| matches!(&*t.key, "function" | "symbol" | "method_name"))
            {
                out.fact(Fact::ConfigObject(Box::new(ConfigObject {
                    module: Some("tensorflow".into()),
                    name: text.text.clone(),
                    is_function: true,
                    registered: None,
                    layer: layer.into(),
                    span: text.span,
                })));
            }
        }
        _ => {}
    }
}

fn short(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
