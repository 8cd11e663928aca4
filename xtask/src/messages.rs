//! Messages that kafka-protocol lacks the newest version of, as Rust: `kfake/src/messages`.
//!
//! They are made from the same definitions as everything else: `tests/differential/schemas.jsonl`, which
//! `tests/oracle/schemas.py` writes from Apache Kafka's clients jar.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::flags::Generate;
use crate::workspace_root;

/// The APIs whose newest version kafka-protocol 0.18 does not have. A new one is a line here, and `cargo xtask messages`.
const APIS: &[&str] = &[
    "ListOffsets",
    "OffsetCommit",
    "OffsetFetch",
    "ApiVersions",
    "WriteTxnMarkers",
    "TxnOffsetCommit",
    "DescribeLogDirs",
    "DeleteGroups",
];

/// Files that are there in a generated folder, and are not generated.
const BY_HAND: &[&str] = &["wire.rs"];

#[derive(Deserialize)]
struct Message {
    key: i16,
    name: String,
    kind: String,
    valid: String,
    flexible: Option<i16>,
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    /// Its name.
    n: String,
    /// Its type.
    t: String,
    /// The versions that have it.
    v: String,
    /// The versions in which it may be null.
    u: Option<String>,
    /// Its default.
    d: Option<Json>,
    /// Its tag.
    g: Option<u32>,
    /// Whether versions without it leave it out.
    i: Option<bool>,
    /// What it identifies.
    e: Option<String>,
    /// Its fields.
    f: Option<Vec<Field>>,
}

/// Writes the folder, or checks that it is as it would be written.
pub fn run(options: Generate) -> Result<u8> {
    let folder = workspace_root().join("kfake/src/messages");
    let mut stale = Vec::new();
    for (name, text) in files()? {
        let path = folder.join(&name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if !options.check {
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        stale.push(path);
    }
    stale.extend(left_over(&folder)?);
    for path in &stale {
        let what = if options.check { "stale" } else { "wrote" };
        println!("{what} {}", path.display());
    }
    Ok(u8::from(options.check && !stale.is_empty()))
}

/// Files that an API of before left in the folder.
fn left_over(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let names: Vec<String> = files_of_apis().collect();
    let mut left = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "mod.rs" && !BY_HAND.contains(&&*name) && !names.contains(&name) {
            left.push(folder.join(name));
        }
    }
    Ok(left)
}

fn files_of_apis() -> impl Iterator<Item = String> {
    APIS.iter()
        .flat_map(|api| ["Request", "Response"].map(|kind| format!("{}.rs", snake(&format!("{api}{kind}")))))
}

/// Every generated file: its name and its text.
fn files() -> Result<Vec<(String, String)>> {
    let path = workspace_root().join("tests/differential/schemas.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut files = Vec::new();
    for line in text.lines() {
        let message: Message = serde_json::from_str(line)?;
        if APIS.contains(&&*message.name) {
            let name = format!("{}.rs", snake(&message.struct_name()));
            files.push((name, format_rust(&message.to_rust()?)?));
        }
    }
    ensure!(
        files.len() == 2 * APIS.len(),
        "{} has not every API of {APIS:?}",
        path.display()
    );
    files.push(("mod.rs".to_owned(), format_rust(&front_page())?));
    Ok(files)
}

fn front_page() -> String {
    let mut text = "\
//! The protocol's messages: those of kafka-protocol, and in place of those that it lacks the newest version of, our own.
//!
//! Ours have the same names, fields and traits, so that code which takes messages from here need not know which it has.
//! `cargo xtask messages` writes this folder, but for `wire.rs`, from Apache Kafka's message definitions.

pub use kafka_protocol::messages::*;

mod wire;
"
    .to_owned();
    let names: Vec<String> = APIS
        .iter()
        .flat_map(|api| ["Request", "Response"].map(|kind| format!("{api}{kind}")))
        .collect();
    for name in &names {
        let _ = write!(text, "\npub mod {};", snake(name));
    }
    text.push('\n');
    for name in &names {
        let _ = write!(text, "\npub use {}::{name};", snake(name));
    }
    text
}

impl Message {
    fn struct_name(&self) -> String {
        let kind = if self.kind == "request" { "Request" } else { "Response" };
        format!("{}{kind}", self.name)
    }

    fn to_rust(&self) -> Result<String> {
        let name = self.struct_name();
        let (first, last) = self.valid.split_once('-').unwrap_or((&self.valid, &self.valid));
        let flexible = self
            .flexible
            .with_context(|| format!("{name} has no flexible version"))?;
        let mut structs = String::new();
        define(&name, &self.fields, &mut structs)?;
        let (traits, as_message) = match self.kind.as_str() {
            "request" => (
                "Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange",
                format!("key {}, response super::{}Response, ", self.key, self.name),
            ),
            _ => (
                "Decodable, Encodable, HeaderVersion, Message, StrBytes, VersionRange",
                String::new(),
            ),
        };
        // KIP-482: tagged fields came to the headers with them. The header of an ApiVersions response never has them (KIP-511).
        let (old, new) = match (self.kind.as_str(), self.name.as_str()) {
            ("request", _) => (1, 2),
            (_, "ApiVersions") => (0, 0),
            _ => (0, 1),
        };
        let traits = if structs.contains("StrBytes") {
            traits.to_owned()
        } else {
            traits.replace("StrBytes, ", "")
        };
        let uuid = if structs.contains("Uuid") {
            "use uuid::Uuid;\n"
        } else {
            ""
        };
        Ok(format!(
            "//! Apache Kafka's `{name}`, versions {first} to {last}. Written by `cargo xtask messages`.\n\n\
             use std::collections::BTreeMap;\n\n\
             use bytes::Bytes;\nuse kafka_protocol::protocol::buf::{{ByteBuf, ByteBufMut}};\n\
             use kafka_protocol::protocol::{{{traits}}};\n{uuid}\n\
             use super::wire;\n\n\
             wire::structs! {{\n{structs}}}\n\n\
             wire::message!({name}, {as_message}versions {first} to {last}, flexible from {flexible}, header {old} or {new});\n"
        ))
    }
}

/// A struct, and behind it those of its fields.
fn define(name: &str, fields: &[Field], out: &mut String) -> Result<()> {
    writeln!(out, "    /// Apache Kafka's `{name}`.\n    {name} {{")?;
    for field in fields {
        let snake = snake(&field.n);
        let (kind, default) = field.rust()?;
        let nullable = field.u.as_deref().map_or_else(|| Ok("wire::NEVER".to_owned()), range)?;
        let tag = field.g.map_or("None".to_owned(), |tag| format!("Some({tag})"));
        writeln!(
            out,
            "        /// Apache Kafka's `{}`: {}.\n        {snake} (with_{snake}): {kind} = {default}, {:?} in {}, null in {nullable}, tag {tag}, ignorable {};",
            field.n,
            said(&field.v),
            field.n,
            range(&field.v)?,
            field.i.unwrap_or(false),
        )?;
    }
    out.push_str("    }\n");
    for field in fields {
        if let Some(inner) = &field.f {
            define(field.t.trim_start_matches("[]"), inner, out)?;
        }
    }
    Ok(())
}

impl Field {
    /// Its type and its default, as expressions.
    fn rust(&self) -> Result<(String, String)> {
        let element = self.t.strip_prefix("[]");
        let mut kind = match (self.e.as_deref(), element.unwrap_or(&self.t)) {
            (Some("brokerId"), _) => "super::BrokerId",
            (Some("groupId"), _) => "super::GroupId",
            (Some("producerId"), _) => "super::ProducerId",
            (Some("topicName"), _) => "super::TopicName",
            (Some("transactionalId"), _) => "super::TransactionalId",
            (Some(other), _) => bail!("no type identifies a {other}"),
            (None, "bool") => "bool",
            (None, "int8") => "i8",
            (None, "int16") => "i16",
            (None, "int32") => "i32",
            (None, "int64") => "i64",
            (None, "uuid") => "Uuid",
            (None, "string") => "StrBytes",
            (None, name) if self.f.is_some() => name,
            (None, other) => bail!("no Rust type for {other}"),
        }
        .to_owned();
        if element.is_some() {
            kind = format!("Vec<{kind}>");
        }
        let given = self
            .d
            .as_ref()
            .map(|json| json.to_string().trim_matches('"').to_owned());
        let mut default = match given.as_deref() {
            None | Some("null" | "") => "Default::default()".to_owned(),
            Some(number) => match self.e {
                Some(_) => format!("{kind}({number})"),
                None => number.to_owned(),
            },
        };
        if self.u.is_some() {
            default = match given.as_deref() {
                Some("null") => "None".to_owned(),
                _ => format!("Some({default})"),
            };
            kind = format!("Option<{kind}>");
        }
        Ok((kind, default))
    }
}

/// `2+` and the like, as a Rust range.
fn range(versions: &str) -> Result<String> {
    Ok(match versions.split_once('-') {
        Some((first, last)) => format!("{first}..={last}"),
        None => match versions.strip_suffix('+') {
            Some(first) => format!("{first}..=i16::MAX"),
            None if versions == "none" => "wire::NEVER".to_owned(),
            None => {
                let only: i16 = versions
                    .parse()
                    .with_context(|| format!("{versions:?} are no versions"))?;
                format!("{only}..={only}")
            }
        },
    })
}

/// `2+` and the like, in words.
fn said(versions: &str) -> String {
    match (versions.split_once('-'), versions.strip_suffix('+')) {
        (Some((first, last)), _) => format!("versions {first} to {last}"),
        (_, Some("0")) => "every version".to_owned(),
        (_, Some(first)) => format!("from version {first}"),
        _ => format!("version {versions}"),
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// As `cargo fmt` would leave it.
fn format_rust(text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        .current_dir(workspace_root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt")?;
    let mut stdin = rustfmt.stdin.take().context("rustfmt takes no input")?;
    stdin.write_all(text.as_bytes())?;
    drop(stdin);
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refuses:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_are_those_that_would_be_written() {
        let folder = workspace_root().join("kfake/src/messages");
        for (name, text) in files().unwrap() {
            let kept = std::fs::read_to_string(folder.join(&name)).unwrap();
            assert!(kept == text, "{name} is stale: run `cargo xtask messages`");
        }
        assert_eq!(left_over(&folder).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_field_becomes_a_line() {
        let field = r#"{"n":"topicId","t":"uuid","v":"10+","i":true}"#;
        let mut out = String::new();
        define("Topic", &[serde_json::from_str(field).unwrap()], &mut out).unwrap();
        assert!(
            out.contains("topic_id (with_topic_id): Uuid = Default::default(), \"topicId\" in 10..=i16::MAX"),
            "{out}"
        );
    }
}
