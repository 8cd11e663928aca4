//! What a function's names are: the types of its locals, as far as their declarations tell, and which functions a call means.

use std::collections::HashMap;

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprMethodCall, Local, Member, Pat};

use super::index::{Crate, FnId, last_segment};

/// A function's names.
pub(crate) struct Scope<'c, 'a> {
    pub krate: &'c Crate<'a>,
    pub function: FnId,
    /// Types of parameters and locals. Where a name is bound twice to different types, there is none.
    types: HashMap<String, Option<String>>,
    /// What a local was bound to.
    values: HashMap<String, &'a Expr>,
    /// Every name that is bound.
    bound: HashMap<String, usize>,
}

impl<'c, 'a> Scope<'c, 'a> {
    pub fn of(krate: &'c Crate<'a>, function: FnId) -> Self {
        let mut scope = Self {
            krate,
            function,
            types: HashMap::new(),
            values: HashMap::new(),
            bound: HashMap::new(),
        };
        for (name, ty) in krate.parameters(function) {
            scope.bound.insert(name.clone(), 1);
            scope.types.insert(name, ty);
        }
        let mut locals = Locals(Vec::new());
        locals.visit_block(krate.function_of(function).body);
        for local in locals.0 {
            scope.bind(local);
        }
        scope
    }

    fn bind(&mut self, local: &'a Local) {
        let value = local.init.as_ref().map(|init| &*init.expr);
        let (pattern, declared) = match &local.pat {
            Pat::Type(typed) => (&*typed.pat, self.krate.type_of(&typed.ty, self.module())),
            pattern => (pattern, None),
        };
        match (pattern, value) {
            (Pat::Ident(ident), value) => {
                let ty = declared.or_else(|| value.and_then(|value| self.infer(value)));
                self.insert(ident.ident.to_string(), ty, value);
            }
            (Pat::Tuple(names), Some(Expr::Tuple(values))) => {
                for (pattern, value) in names.elems.iter().zip(&values.elems) {
                    if let Pat::Ident(ident) = pattern {
                        self.insert(ident.ident.to_string(), self.infer(value), Some(value));
                    }
                }
            }
            (Pat::Tuple(names), Some(value)) => {
                let ends = self.channel(value);
                for (number, pattern) in names.elems.iter().enumerate() {
                    if let Pat::Ident(ident) = pattern {
                        let ty = ends.as_ref().and_then(|ends| ends.get(number).cloned());
                        self.insert(ident.ident.to_string(), ty, None);
                    }
                }
            }
            // `let Some(x) = value else …`, `let Ok(x) = value else …`
            (Pat::TupleStruct(variant), Some(value)) => {
                if let [Pat::Ident(ident)] = variant.elems.iter().collect::<Vec<_>>()[..] {
                    self.insert(ident.ident.to_string(), self.infer(value), None);
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, name: String, ty: Option<String>, value: Option<&'a Expr>) {
        *self.bound.entry(name.clone()).or_default() += 1;
        match self.types.get(&name) {
            // `let x = x.clone()` and the like keep the type.
            Some(before) if *before != ty && ty.is_some() && before.is_some() => {
                self.types.insert(name.clone(), None);
            }
            Some(Some(_)) => {}
            _ => {
                self.types.insert(name.clone(), ty);
            }
        }
        if let Some(value) = value {
            self.values.insert(name, value);
        }
    }

    pub fn module(&self) -> usize {
        self.krate.function_of(self.function).module
    }

    pub fn owner(&self) -> Option<&str> {
        self.krate.function_of(self.function).owner.as_deref()
    }

    /// What a local was bound to.
    pub fn value(&self, name: &str) -> Option<&'a Expr> {
        self.values.get(name).copied()
    }

    /// Parameters and locals with their types.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.types.iter().map(|(name, ty)| (name.as_str(), ty.as_deref()))
    }

    /// The two ends that a channel function returns.
    fn channel(&self, value: &Expr) -> Option<[String; 2]> {
        let Expr::Call(call) = value else { return None };
        let Expr::Path(path) = &*call.func else { return None };
        let full = self.krate.resolve(&path.path, self.module());
        let (module, function) = full.rsplit_once("::")?;
        match function {
            "channel"
                if module.ends_with("oneshot")
                    || module.ends_with("mpsc")
                    || module.ends_with("watch")
                    || module.ends_with("broadcast") =>
            {
                Some([format!("{module}::Sender"), format!("{module}::Receiver")])
            }
            "unbounded_channel" => Some([
                format!("{module}::UnboundedSender"),
                format!("{module}::UnboundedReceiver"),
            ]),
            "bounded" | "unbounded" => Some([format!("{module}::Sender"), format!("{module}::Receiver")]),
            "sync_channel" => Some([format!("{module}::SyncSender"), format!("{module}::Receiver")]),
            _ => None,
        }
    }

    /// An expression's type, where its declarations tell.
    pub fn infer(&self, value: &Expr) -> Option<String> {
        match value {
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                if name == "self" {
                    return self.owner().map(ToOwned::to_owned);
                }
                self.types.get(&name).cloned().flatten()
            }
            Expr::Reference(inner) => self.infer(&inner.expr),
            Expr::Paren(inner) => self.infer(&inner.expr),
            Expr::Group(inner) => self.infer(&inner.expr),
            Expr::Unary(inner) => self.infer(&inner.expr),
            Expr::Await(inner) => self.infer(&inner.base),
            Expr::Try(inner) => self.infer(&inner.expr),
            Expr::Field(field) => {
                let base = self.infer(&field.base)?;
                let name = match &field.member {
                    Member::Named(name) => name.to_string(),
                    Member::Unnamed(index) => index.index.to_string(),
                };
                self.krate.struct_of(&base, self.module())?.fields.get(&name).cloned()
            }
            Expr::Struct(literal) => {
                let full = self.krate.resolve(&literal.path, self.module());
                if full == "Self" {
                    self.owner().map(ToOwned::to_owned)
                } else {
                    Some(full)
                }
            }
            Expr::Call(call) => self.infer_call(call),
            Expr::MethodCall(call) => self.infer_method(call),
            _ => None,
        }
    }

    fn infer_call(&self, call: &ExprCall) -> Option<String> {
        let Expr::Path(path) = &*call.func else { return None };
        let full = self.krate.resolve(&path.path, self.module());
        let (parent, name) = full.rsplit_once("::").unwrap_or(("", &full));
        let owner = last_segment(parent);
        // `Arc::new(x)`, `Some(x)`: looked through.
        if matches!(owner, "Arc" | "Rc" | "Box" | "Mutex" | "RwLock") || matches!(name, "Some" | "Ok") {
            return call.args.first().and_then(|first| self.infer(first));
        }
        if let [one] = self.callees(call)[..]
            && let Some(returned) = self.krate.return_type(one)
        {
            return Some(returned);
        }
        if owner == "Self" {
            return self.owner().map(ToOwned::to_owned);
        }
        let constructs = matches!(
            name,
            "new"
                | "default"
                | "current"
                | "with_capacity"
                | "from"
                | "named"
                | "new_current_thread"
                | "new_multi_thread"
        );
        if constructs && owner.starts_with(char::is_uppercase) {
            return Some(parent.to_owned());
        }
        match full.as_str() {
            "tokio::time::interval" | "tokio::time::interval_at" => Some("tokio::time::Interval".to_owned()),
            _ => None,
        }
    }

    fn infer_method(&self, call: &ExprMethodCall) -> Option<String> {
        let receiver = self.infer(&call.receiver);
        let name = call.method.to_string();
        if let Some(found) = receiver.as_deref().and_then(|ty| self.method_of(ty, &name))
            && let Some(returned) = self.krate.return_type(found)
        {
            return Some(returned);
        }
        let receiver = receiver?;
        match (last_segment(&receiver), name.as_str()) {
            ("Sender", "subscribe") => Some(format!(
                "{}::Receiver",
                receiver.rsplit_once("::").map_or("", |(module, _)| module)
            )),
            ("Runtime", "handle") => Some("tokio::runtime::Handle".to_owned()),
            (
                _,
                "clone" | "as_ref" | "as_mut" | "as_deref" | "as_deref_mut" | "to_owned" | "unwrap" | "expect"
                | "borrow" | "borrow_mut" | "lock" | "read" | "write" | "get_mut" | "take" | "child_token" | "name"
                | "stack_size" | "resubscribe" | "cloned" | "by_ref" | "get_or_insert_with" | "await",
            ) => Some(receiver),
            ("Builder", "build") => Some("tokio::runtime::Runtime".to_owned()),
            _ => None,
        }
    }

    fn method_of(&self, ty: &str, name: &str) -> Option<FnId> {
        let owner = last_segment(ty);
        let mut found = self
            .krate
            .named(name)
            .iter()
            .copied()
            .filter(|id| self.krate.function_of(*id).owner.as_deref() == Some(owner));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// The functions of this crate that a call may mean. One: it does mean that.
    pub fn callees(&self, call: &ExprCall) -> Vec<FnId> {
        match &*call.func {
            Expr::Path(path) => self.named(&path.path),
            _ => Vec::new(),
        }
    }

    /// The functions of this crate that a path may name.
    pub fn named(&self, path: &syn::Path) -> Vec<FnId> {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if written.len() == 1 && self.bound.contains_key(&written[0]) {
            return Vec::new();
        }
        let full = self.krate.resolve(path, self.module());
        let names: Vec<&str> = full.split("::").collect();
        let Some((name, parents)) = names.split_last() else {
            return Vec::new();
        };
        let all = self.krate.named(name).iter().copied();
        let Some(parent) = parents.last() else {
            // A name alone: a free function here, or else one that a glob brings in.
            let free: Vec<FnId> = all.filter(|id| self.krate.function_of(*id).owner.is_none()).collect();
            let here: Vec<FnId> = free
                .iter()
                .copied()
                .filter(|id| self.krate.function_of(*id).module == self.module())
                .collect();
            return if here.is_empty() { free } else { here };
        };
        let parent = if *parent == "Self" {
            self.owner().unwrap_or("Self")
        } else {
            parent
        };
        all.filter(|id| {
            let function = self.krate.function_of(*id);
            match &function.owner {
                Some(owner) => owner == parent,
                None => {
                    let path = &self.krate.modules[function.module].path;
                    path.last()
                        .map_or(parent == self.krate.name || parent == "crate", |last| last == parent)
                }
            }
        })
        .collect()
    }

    /// The methods of this crate that a call may mean, and whether that is certain.
    pub fn methods(&self, call: &ExprMethodCall) -> (Vec<FnId>, bool) {
        let name = call.method.to_string();
        let all: Vec<FnId> = self
            .krate
            .named(&name)
            .iter()
            .copied()
            .filter(|id| self.krate.function_of(*id).owner.is_some())
            .collect();
        match self.infer(&call.receiver) {
            Some(ty) => {
                let owner = last_segment(&ty);
                let own: Vec<FnId> = all
                    .iter()
                    .copied()
                    .filter(|id| self.krate.function_of(*id).owner.as_deref() == Some(owner))
                    .collect();
                let certain = own.len() == 1 || (own.is_empty() && !self.is_own(&ty));
                (own, certain)
            }
            None => (all, false),
        }
    }

    /// Whether a type may be declared in this crate: a struct, or a parameter or trait that is not known.
    fn is_own(&self, ty: &str) -> bool {
        !ty.contains("::") || self.krate.structs.contains_key(last_segment(ty))
    }
}

struct Locals<'a>(Vec<&'a Local>);

impl<'a> Visit<'a> for Locals<'a> {
    fn visit_local(&mut self, local: &'a Local) {
        // What is within the value is bound first.
        visit::visit_local(self, local);
        self.0.push(local);
    }

    fn visit_item(&mut self, _: &'a syn::Item) {}
}
