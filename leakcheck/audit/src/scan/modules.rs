//! A crate's files: its root, and every `mod` from there on, as rustc would find them.
//!
//! Modules behind a `#[cfg]` are included, whatever their condition, but for those that only tests have. `include!` is not
//! followed.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, Item, Lit, Meta};

use super::outcome::Unparsed;
use super::{cfg, lower, nesting};

/// Larger files are generated, and hold no `select!`.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Where source comes from: the disk, or what stands in for a file of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    pub instead: BTreeMap<PathBuf, String>,
}

impl Reader {
    fn read(&self, path: &Path) -> io::Result<String> {
        if let Some(text) = self.instead.get(path) {
            return Ok(text.clone());
        }
        if std::fs::metadata(path)?.len() > LARGEST {
            return Err(io::Error::other("larger than 8 MiB"));
        }
        std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn exists(&self, path: &Path) -> bool {
        self.instead.contains_key(path) || path.is_file()
    }
}

/// A file of a crate.
pub(crate) struct File {
    pub path: PathBuf,
    pub text: String,
    pub ast: syn::File,
    /// The module that it is, from the crate's root: `[]` is the root itself.
    pub module: Vec<String>,
}

/// The files of one crate.
#[derive(Default)]
pub(crate) struct Files {
    pub files: Vec<File>,
    pub unparsed: Vec<Unparsed>,
}

struct Pending {
    path: PathBuf,
    module: Vec<String>,
    /// Where its child modules' files are.
    children: PathBuf,
}

/// Reads a crate from its root file.
pub(crate) fn read(root: &Path, reader: &Reader) -> Files {
    let mut found = Files::default();
    let mut seen = HashSet::new();
    let mut pending = vec![Pending {
        path: root.to_owned(),
        module: Vec::new(),
        children: root.parent().unwrap_or(Path::new("")).to_owned(),
    }];
    while let Some(next) = pending.pop() {
        if !seen.insert(next.path.canonicalize().unwrap_or_else(|_| next.path.clone())) {
            continue;
        }
        match parse(&next.path, reader) {
            Ok((text, ast)) => {
                let beside = next.path.parent().unwrap_or(Path::new("")).to_owned();
                let place = Place {
                    beside: &beside,
                    children: next.children.clone(),
                    inline: false,
                    module: next.module.clone(),
                };
                let mut missing = Vec::new();
                children(&ast.items, &place, reader, &mut pending, &mut missing);
                for name in missing {
                    found.unparsed.push(Unparsed {
                        path: next.path.clone(),
                        line: None,
                        why: format!("there is no file for `mod {name};`"),
                    });
                }
                found.files.push(File {
                    path: next.path,
                    text,
                    ast,
                    module: next.module,
                });
            }
            Err(why) => found.unparsed.push(why),
        }
    }
    found.files.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn parse(path: &Path, reader: &Reader) -> Result<(String, syn::File), Unparsed> {
    let failed = |line, why: String| Unparsed {
        path: path.to_owned(),
        line,
        why,
    };
    let text = reader.read(path).map_err(|error| failed(None, error.to_string()))?;
    let ast = parse_text(&text).map_err(|(line, why)| failed(line, why))?;
    Ok((text, ast))
}

/// Source, parsed and with its macros lowered; else the line and why not.
pub(crate) fn parse_text(text: &str) -> Result<syn::File, (Option<u32>, String)> {
    // syn does this itself in `parse_file`, but only behind tokens that were not looked at for their depth.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = if text.starts_with("#!") && !text.trim_start_matches("#!").trim_start().starts_with('[') {
        // The line is kept as a comment, so that lines keep their numbers.
        format!("//{}", &text[2..])
    } else {
        text.to_owned()
    };
    let tokens: TokenStream = body
        .parse()
        .map_err(|error: proc_macro2::LexError| (Some(error.span().start().line as u32), error.to_string()))?;
    let depth = nesting::depth(tokens.clone());
    if depth > nesting::DEEPEST {
        return Err((
            None,
            format!(
                "it may nest {depth} deep, and no more than {} is parsed",
                nesting::DEEPEST
            ),
        ));
    }
    let mut ast: syn::File =
        syn::parse2(tokens).map_err(|error| (Some(error.span().start().line as u32), error.to_string()))?;
    lower::lower(&mut ast);
    Ok(ast)
}

struct Place<'a> {
    /// The directory of the file.
    beside: &'a Path,
    children: PathBuf,
    /// Within `mod name { … }`.
    inline: bool,
    module: Vec<String>,
}

fn children(items: &[Item], place: &Place<'_>, reader: &Reader, pending: &mut Vec<Pending>, missing: &mut Vec<String>) {
    for item in items {
        let Item::Mod(child) = item else { continue };
        if cfg::is_for_tests(&child.attrs) {
            continue;
        }
        let name = child.ident.to_string().trim_start_matches("r#").to_owned();
        let mut module = place.module.clone();
        module.push(name.clone());
        if let Some((_, items)) = &child.content {
            let inner = Place {
                beside: place.beside,
                children: place.children.join(&name),
                inline: true,
                module,
            };
            children(items, &inner, reader, pending, missing);
            continue;
        }
        // The reference: of a `path` attribute outside of inline modules, the directory of the file; within, the directory that
        // the inline modules make.
        let base = if place.inline { &*place.children } else { place.beside };
        let (always, perhaps) = paths(&child.attrs);
        let mut files: Vec<PathBuf> = perhaps.iter().chain(&always).map(|path| base.join(path)).collect();
        if always.is_none() {
            files.push(place.children.join(format!("{name}.rs")));
            files.push(place.children.join(&name).join("mod.rs"));
        }
        let conditional = child.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
        let before = pending.len();
        for path in files.into_iter().filter(|path| reader.exists(path)) {
            let directory = path.parent().unwrap_or(Path::new("")).to_owned();
            let owns_directory =
                path.file_name().is_some_and(|file| file == "mod.rs") || always.is_some() || !perhaps.is_empty();
            let children = if owns_directory {
                directory
            } else {
                directory.join(&name)
            };
            pending.push(Pending {
                path,
                module: module.clone(),
                children,
            });
        }
        if pending.len() == before && !conditional {
            missing.push(name);
        }
    }
}

/// The files that `#[path]` names, and those that `#[cfg_attr(…, path = …)]` may name.
fn paths(attributes: &[Attribute]) -> (Option<String>, Vec<String>) {
    let text = |meta: &Meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let always = attributes.iter().find_map(|attribute| text(&attribute.meta));
    let perhaps = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg_attr"))
        .filter_map(|attribute| {
            attribute
                .parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
                .ok()
        })
        .flat_map(|metas| metas.iter().skip(1).filter_map(text).collect::<Vec<_>>())
        .collect();
    (always, perhaps)
}
