//! What a crate declares, by name: functions, fields, imports.
//!
//! syn sees names alone. Paths are resolved through a module's `use` items, and types by the declarations of this crate; a name
//! that stays ambiguous has no type, and a rule that needs one is silent.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::{Block, FnArg, ImplItem, Item, Pat, ReturnType, Signature, TraitItem, Type, UseTree};

use super::cfg;
use super::modules::File;

/// A crate, as its rules see it.
pub(crate) struct Crate<'a> {
    pub name: &'a str,
    pub files: &'a [File],
    pub modules: Vec<Module>,
    pub functions: Vec<Function<'a>>,
    pub structs: HashMap<String, Vec<Struct>>,
    /// Functions by their last name.
    by_name: HashMap<String, Vec<FnId>>,
}

/// A module's names.
#[derive(Default)]
pub(crate) struct Module {
    pub path: Vec<String>,
    imports: HashMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

pub(crate) struct Struct {
    pub module: usize,
    pub fields: HashMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FnId(pub usize);

/// A function with a body.
pub(crate) struct Function<'a> {
    pub name: String,
    /// The type whose method it is.
    pub owner: Option<String>,
    pub module: usize,
    pub file: usize,
    pub signature: &'a Signature,
    pub body: &'a Block,
    pub for_tests: bool,
}

impl Function<'_> {
    /// Whether calling it does its work only once the result is awaited.
    pub fn is_async(&self) -> bool {
        self.signature.asyncness.is_some() || returns(self.signature, "Future")
    }
}

/// Whether a function's return type names this.
pub(crate) fn returns(signature: &Signature, name: &str) -> bool {
    match &signature.output {
        ReturnType::Default => false,
        ReturnType::Type(_, returned) => mentions(returned, name),
    }
}

fn mentions(ty: &Type, name: &str) -> bool {
    struct Finder<'a> {
        name: &'a str,
        found: bool,
    }
    impl<'ast> syn::visit::Visit<'ast> for Finder<'_> {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.found |= segment.ident.to_string().contains(self.name);
            syn::visit::visit_path_segment(self, segment);
        }
    }
    let mut finder = Finder { name, found: false };
    syn::visit::Visit::visit_type(&mut finder, ty);
    finder.found
}

impl<'a> Crate<'a> {
    pub fn of(name: &'a str, files: &'a [File]) -> Self {
        let mut index = Self {
            name,
            files,
            modules: Vec::new(),
            functions: Vec::new(),
            structs: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (number, file) in files.iter().enumerate() {
            if !cfg::is_for_tests(&file.ast.attrs) {
                index.module(&file.ast.items, file.module.clone(), number, false);
            }
        }
        for (id, function) in index.functions.iter().enumerate() {
            index.by_name.entry(function.name.clone()).or_default().push(FnId(id));
        }
        // Return and field types need every module's imports: they are resolved here, behind all of them.
        for file in files {
            index.structs_of(&file.ast.items, &file.module);
        }
        index
    }

    fn module(&mut self, items: &'a [Item], path: Vec<String>, file: usize, for_tests: bool) {
        let number = self.modules.len();
        self.modules.push(Module {
            path: path.clone(),
            ..Module::default()
        });
        for item in items {
            self.item(item, number, &path, file, for_tests);
        }
    }

    fn item(&mut self, item: &'a Item, module: usize, path: &[String], file: usize, for_tests: bool) {
        match item {
            Item::Use(used) => self.import(&used.tree, &mut Vec::new(), module),
            Item::Mod(inner) => {
                if let Some((_, items)) = &inner.content {
                    let mut path = path.to_vec();
                    path.push(inner.ident.to_string());
                    self.module(items, path, file, for_tests || cfg::is_for_tests(&inner.attrs));
                }
            }
            Item::Fn(function) => {
                let for_tests = for_tests || cfg::is_for_tests(&function.attrs);
                self.function(&function.sig, &function.block, None, module, file, for_tests);
            }
            Item::Impl(block) => {
                let owner = last_name(&block.self_ty);
                let for_tests = for_tests || cfg::is_for_tests(&block.attrs);
                for item in &block.items {
                    if let ImplItem::Fn(function) = item {
                        let for_tests = for_tests || cfg::is_for_tests(&function.attrs);
                        self.function(&function.sig, &function.block, owner.clone(), module, file, for_tests);
                    }
                }
            }
            Item::Trait(declared) => {
                for item in &declared.items {
                    if let TraitItem::Fn(function) = item
                        && let Some(body) = &function.default
                    {
                        let owner = Some(declared.ident.to_string());
                        self.function(&function.sig, body, owner, module, file, for_tests);
                    }
                }
            }
            _ => {}
        }
    }

    fn function(
        &mut self,
        signature: &'a Signature,
        body: &'a Block,
        owner: Option<String>,
        module: usize,
        file: usize,
        for_tests: bool,
    ) {
        self.functions.push(Function {
            name: signature.ident.to_string(),
            owner,
            module,
            file,
            signature,
            body,
            for_tests,
        });
        // Functions and imports within functions.
        let path = self.modules[module].path.clone();
        for statement in &body.stmts {
            if let syn::Stmt::Item(item) = statement {
                self.item(item, module, &path, file, for_tests);
            }
        }
    }

    fn import(&mut self, tree: &UseTree, path: &mut Vec<String>, module: usize) {
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.import(&inner.tree, path, module);
                path.pop();
            }
            UseTree::Name(name) => {
                let mut full = path.clone();
                let bound = if name.ident == "self" {
                    full.last().cloned()
                } else {
                    full.push(name.ident.to_string());
                    Some(name.ident.to_string())
                };
                if let Some(bound) = bound {
                    self.modules[module].imports.insert(bound, full);
                }
            }
            UseTree::Rename(renamed) => {
                let mut full = path.clone();
                if renamed.ident != "self" {
                    full.push(renamed.ident.to_string());
                }
                self.modules[module].imports.insert(renamed.rename.to_string(), full);
            }
            UseTree::Glob(_) => self.modules[module].globs.push(path.clone()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path, module);
                }
            }
        }
    }

    fn structs_of(&mut self, items: &[Item], path: &[String]) {
        for item in items {
            match item {
                Item::Mod(inner) => {
                    if let Some((_, items)) = &inner.content {
                        let mut path = path.to_vec();
                        path.push(inner.ident.to_string());
                        self.structs_of(items, &path);
                    }
                }
                Item::Struct(declared) => {
                    let Some(module) = self.modules.iter().position(|module| module.path == path) else {
                        continue;
                    };
                    let fields = declared
                        .fields
                        .iter()
                        .enumerate()
                        .filter_map(|(number, field)| {
                            let name = field.ident.as_ref().map_or(number.to_string(), ToString::to_string);
                            Some((name, self.type_of(&field.ty, module)?))
                        })
                        .collect();
                    let declared = declared.ident.to_string();
                    self.structs
                        .entry(declared)
                        .or_default()
                        .push(Struct { module, fields });
                }
                _ => {}
            }
        }
    }

    /// A path with its first name replaced by what it was imported as: `mpsc::channel` is `tokio::sync::mpsc::channel`.
    pub fn resolve(&self, path: &syn::Path, module: usize) -> String {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.resolve_names(names, module, 0).join("::")
    }

    fn resolve_names(&self, mut names: Vec<String>, module: usize, depth: usize) -> Vec<String> {
        let Some(first) = names.first().cloned() else {
            return names;
        };
        let here = &self.modules[module];
        match first.as_str() {
            "crate" => {
                names.remove(0);
                return self.through_reexport(names, depth);
            }
            "self" | "super" => {
                let mut base = here.path.clone();
                while let Some(step) = names.first() {
                    match step.as_str() {
                        "self" => {}
                        "super" => {
                            base.pop();
                        }
                        _ => break,
                    }
                    names.remove(0);
                }
                base.extend(names);
                return self.through_reexport(base, depth);
            }
            _ => {}
        }
        if let Some(import) = here.imports.get(&first) {
            let mut full = import.clone();
            full.extend(names.into_iter().skip(1));
            if full.first() == Some(&first) || depth > 8 {
                return full;
            }
            return match full.first().map(String::as_str) {
                Some("crate" | "self" | "super") => self.resolve_names(full, module, depth + 1),
                _ => full,
            };
        }
        // What a glob may bring in is known where it names one of tokio's modules.
        if names.len() == 1 && depth == 0 {
            let known = here.globs.iter().find(|glob| {
                glob.first().is_some_and(|first| first == "tokio") && first.starts_with(char::is_uppercase)
            });
            if let Some(glob) = known {
                let mut full = glob.clone();
                full.extend(names);
                return full;
            }
        }
        names
    }

    /// A path from the crate's root, followed through `use` in the module that it names.
    fn through_reexport(&self, names: Vec<String>, depth: usize) -> Vec<String> {
        let Some((last, parents)) = names.split_last() else {
            return names;
        };
        if depth > 8 {
            return names;
        }
        let Some(module) = self.modules.iter().position(|module| module.path == parents) else {
            return names;
        };
        match self.modules[module].imports.get(last) {
            Some(import) if import != &names => self.resolve_names(import.clone(), module, depth + 1),
            _ => names,
        }
    }

    /// A type's path, resolved, without references and the wrappers that a method call looks through.
    pub fn type_of(&self, ty: &Type, module: usize) -> Option<String> {
        match ty {
            Type::Reference(inner) => self.type_of(&inner.elem, module),
            Type::Paren(inner) => self.type_of(&inner.elem, module),
            Type::Group(inner) => self.type_of(&inner.elem, module),
            Type::Path(path) => {
                let last = path.path.segments.last()?;
                if is_wrapper(&last.ident.to_string())
                    && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
                {
                    return arguments.args.iter().find_map(|argument| match argument {
                        syn::GenericArgument::Type(inner) => self.type_of(inner, module),
                        _ => None,
                    });
                }
                Some(self.resolve(&path.path, module))
            }
            _ => None,
        }
    }

    /// A struct of this crate by its type, as seen from a module; `None` where several could be meant.
    pub fn struct_of(&self, ty: &str, module: usize) -> Option<&Struct> {
        let all = self.structs.get(last_segment(ty))?;
        match all.as_slice() {
            [one] => Some(one),
            several => {
                let parents: Vec<&str> = ty.split("::").collect();
                let named = several.iter().find(|found| {
                    let path = &self.modules[found.module].path;
                    parents.len() > 1 && path.last().is_some_and(|last| last == parents[parents.len() - 2])
                });
                named.or_else(|| several.iter().find(|found| found.module == module))
            }
        }
    }

    /// The functions that have this name.
    pub fn named(&self, name: &str) -> &[FnId] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn function_of(&self, id: FnId) -> &Function<'a> {
        &self.functions[id.0]
    }

    /// A function as its author thinks of it: `shop::server::Listener::run`.
    pub fn path_of(&self, id: FnId) -> String {
        let function = self.function_of(id);
        let mut names = vec![self.name.to_owned()];
        names.extend(self.modules[function.module].path.iter().cloned());
        names.extend(function.owner.clone());
        names.push(function.name.clone());
        names.join("::")
    }

    /// A function's return type, resolved.
    pub fn return_type(&self, id: FnId) -> Option<String> {
        let function = self.function_of(id);
        let ReturnType::Type(_, returned) = &function.signature.output else {
            return None;
        };
        let found = self.type_of(unwrapped(returned), function.module)?;
        if found == "Self" {
            return function.owner.clone();
        }
        Some(found)
    }

    /// A function's parameters: their names and types.
    pub fn parameters(&self, id: FnId) -> Vec<(String, Option<String>)> {
        let function = self.function_of(id);
        let typed = function.signature.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => Some(typed),
        });
        typed
            .filter_map(|typed| match &*typed.pat {
                Pat::Ident(ident) => Some((ident.ident.to_string(), self.type_of(&typed.ty, function.module))),
                _ => None,
            })
            .collect()
    }
}

/// What is in a `Result` or an `Option`.
fn unwrapped(ty: &Type) -> &Type {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && matches!(last.ident.to_string().as_str(), "Result" | "Option")
        && let syn::PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
    {
        return inner;
    }
    ty
}

fn is_wrapper(name: &str) -> bool {
    matches!(
        name,
        "Arc"
            | "Rc"
            | "Box"
            | "Pin"
            | "Option"
            | "Mutex"
            | "RwLock"
            | "RefCell"
            | "Cell"
            | "ManuallyDrop"
            | "OnceCell"
            | "OnceLock"
    )
}

fn last_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(inner) => last_name(&inner.elem),
        Type::Paren(inner) => last_name(&inner.elem),
        _ => None,
    }
}

/// The last name of a path.
pub(crate) fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// A span's line.
pub(crate) fn line(span: Span) -> u32 {
    span.start().line as u32
}
