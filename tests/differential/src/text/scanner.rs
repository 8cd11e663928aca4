//! Characters, and the values that they spell.

use thiserror::Error;

use crate::tree::{Field, Value};

/// Values nest no deeper: a file must not end the program by its brackets.
const DEEPEST: usize = 64;

/// A text that is none of the format, and where.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{file}:{line}: {reason}")]
pub struct ParseError {
    /// The file's name.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Reads one value.
///
/// # Errors
///
/// Where the text is no value, or more than one.
pub fn parse_value(text: &str) -> Result<Value, ParseError> {
    let mut scanner = Scanner::new("value", text);
    let value = scanner.value()?;
    scanner.skip(true);
    match scanner.peek() {
        None => Ok(value),
        Some(c) => Err(scanner.error(format!("expected the end, found {c:?}"))),
    }
}

pub(super) struct Scanner<'a> {
    file: &'a str,
    rest: &'a str,
    pub line: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            rest: text,
            line: 1,
            depth: 0,
        }
    }

    pub fn error(&self, reason: impl Into<String>) -> ParseError {
        ParseError {
            file: self.file.to_owned(),
            line: self.line,
            reason: reason.into(),
        }
    }

    /// Where it is, to come back to.
    pub fn mark(&self) -> (&'a str, usize) {
        (self.rest, self.line)
    }

    pub fn rewind(&mut self, (rest, line): (&'a str, usize)) {
        (self.rest, self.line) = (rest, line);
    }

    pub fn starts_with(&self, prefix: &str) -> bool {
        self.rest.starts_with(prefix)
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    /// Skips spaces and comments, and the ends of lines where told to.
    pub fn skip(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                '#' => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                '\n' if !lines => return,
                c if c.is_whitespace() => {
                    self.bump();
                }
                _ => return,
            }
        }
    }

    pub fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub fn expect(&mut self, text: &str) -> Result<(), ParseError> {
        match self.eat(text) {
            true => Ok(()),
            false => Err(self.error(format!("expected {text:?}, found {:?}", self.found()))),
        }
    }

    fn found(&self) -> &str {
        let line = self.rest.lines().next().unwrap_or_default();
        line.char_indices().nth(20).map_or(line, |(end, _)| &line[..end])
    }

    /// The rest of the line.
    pub fn line_text(&mut self) -> &'a str {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text.trim()
    }

    /// Characters that a predicate takes, at least one.
    pub fn taken(&mut self, what: &str, is: fn(char) -> bool) -> Result<&'a str, ParseError> {
        let end = self.rest.find(|c| !is(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error(format!("expected {what}, found {:?}", self.found())));
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(text)
    }

    pub fn word(&mut self, what: &str) -> Result<&'a str, ParseError> {
        self.taken(what, |c| {
            c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~')
        })
    }

    /// A path into an answer.
    pub fn path(&mut self) -> Result<&'a str, ParseError> {
        self.taken("a path", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']')
        })
    }

    pub fn value(&mut self) -> Result<Value, ParseError> {
        self.skip(true);
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!("values nest deeper than {DEEPEST}")));
        }
        let value = self.any_value();
        self.depth -= 1;
        value
    }

    fn any_value(&mut self) -> Result<Value, ParseError> {
        match self.peek() {
            Some('"') => Ok(Value::Text(self.quoted()?)),
            Some('[') => self.list().map(Value::List),
            Some('{') => self.fields().map(Value::Struct),
            Some('$') => {
                self.bump();
                Ok(Value::Variable(self.word("a name behind $")?.to_owned()))
            }
            Some('<') => {
                self.bump();
                let inner = self.taken("what is masked", |c| !matches!(c, '>' | '\n'))?.to_owned();
                self.expect(">")?;
                Ok(Value::Masked(inner))
            }
            _ => {
                let word = self.word("a value")?;
                self.named(word)
            }
        }
    }

    fn named(&mut self, word: &str) -> Result<Value, ParseError> {
        match (word, self.peek()) {
            ("hex", Some('"')) => {
                let text = self.quoted()?;
                unhex(&text)
                    .map(Value::Bytes)
                    .ok_or_else(|| self.error("hex takes pairs of hexadecimal digits"))
            }
            ("b", Some('"')) => Ok(Value::Bytes(self.quoted()?.into_bytes())),
            (_, Some('{')) => Ok(Value::Call(word.to_owned(), Box::new(Value::Struct(self.fields()?)))),
            (_, Some('[')) => Ok(Value::Call(word.to_owned(), Box::new(Value::List(self.list()?)))),
            (_, Some('(')) => {
                self.bump();
                let argument = self.value()?;
                self.skip(true);
                self.expect(")")?;
                Ok(Value::Call(word.to_owned(), Box::new(argument)))
            }
            ("null", _) => Ok(Value::Null),
            ("true", _) => Ok(Value::Bool(true)),
            ("false", _) => Ok(Value::Bool(false)),
            _ => Ok(match (word.parse(), word.parse::<f64>()) {
                (Ok(n), _) => Value::Int(n),
                (_, Ok(n)) if word.contains('.') => Value::Float(n),
                _ => Value::text(word),
            }),
        }
    }

    fn list(&mut self) -> Result<Vec<Value>, ParseError> {
        self.expect("[")?;
        let mut list = Vec::new();
        loop {
            self.separator();
            if self.eat("]") {
                return Ok(list);
            }
            list.push(self.value()?);
        }
    }

    fn fields(&mut self) -> Result<Vec<Field>, ParseError> {
        self.expect("{")?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            self.separator();
            if self.eat("}") {
                return Ok(fields);
            }
            let name = self.word("a field's name or }")?;
            let optional = self.eat("?");
            self.skip(true);
            self.expect(":")?;
            if fields.iter().any(|f| f.name == name) {
                return Err(self.error(format!("{name} stands twice")));
            }
            let value = self.value()?;
            fields.push(Field {
                name: name.to_owned(),
                value,
                optional,
            });
        }
    }

    /// Spaces, and commas, which nobody needs.
    fn separator(&mut self) {
        self.skip(true);
        while self.eat(",") {
            self.skip(true);
        }
    }

    pub fn quoted(&mut self) -> Result<String, ParseError> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(text),
                Some('\\') => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('x') => {
                        let digits: String = [self.bump(), self.bump()].into_iter().flatten().collect();
                        let code = u8::from_str_radix(&digits, 16)
                            .map_err(|_| self.error("\\x takes two hexadecimal digits"))?;
                        text.push(char::from(code));
                    }
                    Some(c @ ('"' | '\\')) => text.push(c),
                    _ => return Err(self.error("after \\ comes n, x, \" or \\")),
                },
                Some(c) if c != '\n' => text.push(c),
                _ => return Err(self.error("the text has no end on its line")),
            }
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    if digits.len() % 2 == 1 {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}
