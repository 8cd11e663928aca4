//! The arguments in the brackets of the attribute, and of a `#[tokio::test]` whose place it takes.

use std::time::Duration;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Expr, LitBool, LitInt, LitStr, Path, Result, Token};

use crate::grace;

const KNOWN: &str = "`#[leakcheck]` knows `flavor`, `worker_threads`, `start_paused`, `grace`, `timeout`, `repeat`, `fail_fast`, `seed`, `threads`, `fds`, `untracked`, `panics`, `ignore` and `crate`";

/// What was asked for. Whether it goes together is seen once all of it is known.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) flavor: Option<(Flavor, Span)>,
    pub(crate) worker_threads: Option<(usize, Span)>,
    pub(crate) start_paused: Option<(bool, Span)>,
    pub(crate) grace: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) repeat: Option<(u32, Span)>,
    pub(crate) fail_fast: Option<(bool, Span)>,
    pub(crate) seed: Option<u64>,
    pub(crate) threads: Option<bool>,
    pub(crate) fds: Option<bool>,
    pub(crate) ignore: Vec<Expr>,
    /// The variant of `leakcheck::Untracked`.
    pub(crate) untracked: Option<Ident>,
    /// The variant of `leakcheck::Panics`.
    pub(crate) panics: Option<Ident>,
    pub(crate) krate: Option<Path>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

impl Args {
    pub(crate) fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut args = Self::default();
        args.read(input, |args, name, input| match name.to_string().as_str() {
            "grace" => once(name, &mut args.grace, duration(name, input)?),
            "timeout" => once(name, &mut args.timeout, duration(name, input)?),
            "repeat" => {
                let number = value::<LitInt>(name, input, "a number, as in `repeat = 100`")?;
                let runs: u32 = number.base10_parse()?;
                if runs == 0 {
                    return Err(Error::new(number.span(), "a test is run at least once"));
                }
                once(name, &mut args.repeat, (runs, name.span()))
            }
            "fail_fast" => once(name, &mut args.fail_fast, (flag(name, input)?, name.span())),
            "seed" => {
                let seed = value::<LitInt>(name, input, "a number, as in `seed = 42`")?;
                once(name, &mut args.seed, seed.base10_parse()?)
            }
            "threads" => once(name, &mut args.threads, flag(name, input)?),
            "fds" => once(name, &mut args.fds, flag(name, input)?),
            "ignore" => {
                args.ignore.extend(
                    match value::<Expr>(name, input, "a rule, as in `ignore = ignore::name(…, …)`")? {
                        Expr::Array(rules) => rules.elems.into_iter().collect(),
                        rule => vec![rule],
                    },
                );
                Ok(())
            }
            "untracked" => {
                let policy = policy(name, input, &[("deny", "Deny"), ("warn", "Warn"), ("allow", "Allow")])?;
                once(name, &mut args.untracked, policy)
            }
            "panics" => {
                let policies = [("deny", "Deny"), ("detached", "Detached"), ("allow", "Allow")];
                let policy = policy(name, input, &policies)?;
                once(name, &mut args.panics, policy)
            }
            "crate" => {
                let path = value::<LitStr>(name, input, "a path in quotes, as in `crate = \"my::leakcheck\"`")?;
                once(name, &mut args.krate, path.parse()?)
            }
            other => Err(Error::new(name.span(), format!("unknown argument `{other}`: {KNOWN}"))),
        })?;
        Ok(args)
    }

    /// Adds the arguments of the `#[tokio::test(…)]` that the attribute takes over.
    pub(crate) fn take_over(&mut self, input: ParseStream<'_>) -> Result<()> {
        self.read(input, |_, name, input| match name.to_string().as_str() {
            // It says where tokio is, which `leakcheck` knows.
            "crate" => value::<LitStr>(name, input, "a path in quotes").map(drop),
            other => Err(Error::new(
                name.span(),
                format!("`#[leakcheck]` cannot take over the argument `{other}` of `#[tokio::test]`: put it behind that attribute"),
            )),
        })
    }

    /// Reads what both attributes have in common, and passes the rest to `own`.
    fn read(
        &mut self,
        input: ParseStream<'_>,
        own: impl Fn(&mut Self, &Ident, ParseStream<'_>) -> Result<()>,
    ) -> Result<()> {
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            let span = name.span();
            match name.to_string().as_str() {
                "flavor" => {
                    let flavor = value::<LitStr>(&name, input, "`\"current_thread\"` or `\"multi_thread\"`")?;
                    once(&name, &mut self.flavor, (parse_flavor(&flavor)?, span))?;
                }
                "worker_threads" => {
                    let number = value::<LitInt>(&name, input, "a number, as in `worker_threads = 4`")?;
                    let threads: usize = number.base10_parse()?;
                    if threads == 0 {
                        return Err(Error::new(number.span(), "a runtime has at least one worker thread"));
                    }
                    once(&name, &mut self.worker_threads, (threads, span))?;
                }
                "start_paused" => {
                    let paused = flag(&name, input)?;
                    once(&name, &mut self.start_paused, (paused, span))?;
                }
                _ => own(self, &name, input)?,
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    /// Says what does not go together.
    pub(crate) fn check_runtime(&self) -> Result<()> {
        let multi_thread = self.flavor.is_some_and(|(flavor, _)| flavor == Flavor::MultiThread);
        match (self.worker_threads, self.start_paused) {
            (Some((_, span)), _) if !multi_thread => {
                Err(Error::new(span, "`worker_threads` needs `flavor = \"multi_thread\"`"))
            }
            (_, Some((true, span))) if multi_thread => Err(Error::new(
                span,
                "only a current-thread runtime has a clock that can be paused: leave out `start_paused`, or `flavor = \"multi_thread\"`",
            )),
            _ => Ok(()),
        }
    }

    /// Says what does not go together, whoever makes the runtime.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.fail_fast, self.repeat) {
            (Some((_, span)), None) => Err(Error::new(span, "`fail_fast` needs `repeat`")),
            _ => Ok(()),
        }
    }

    /// Says what has no meaning for a test that has its runtime from elsewhere.
    pub(crate) fn check_no_runtime(&self) -> Result<()> {
        let given = [
            ("flavor", self.flavor.map(|(_, span)| span)),
            ("worker_threads", self.worker_threads.map(|(_, span)| span)),
            ("start_paused", self.start_paused.map(|(_, span)| span)),
        ];
        match given.into_iter().find_map(|(name, span)| Some((name, span?))) {
            None => Ok(()),
            Some((name, span)) => Err(Error::new(
                span,
                format!(
                    "this test does not get its runtime from `#[leakcheck]`: give `{name}` to `#[tokio::test]`, or put `#[leakcheck]` in front of that"
                ),
            )),
        }
    }
}

fn parse_flavor(flavor: &LitStr) -> Result<Flavor> {
    match flavor.value().as_str() {
        "current_thread" => Ok(Flavor::CurrentThread),
        "multi_thread" => Ok(Flavor::MultiThread),
        other => Err(Error::new(
            flavor.span(),
            format!("unknown flavor `{other}`: it is \"current_thread\" or \"multi_thread\""),
        )),
    }
}

/// `name`, or `name = true`
fn flag(name: &Ident, input: ParseStream<'_>) -> Result<bool> {
    match input.peek(Token![=]) {
        true => Ok(value::<LitBool>(name, input, "`true` or `false`")?.value()),
        false => Ok(true),
    }
}

fn duration(name: &Ident, input: ParseStream<'_>) -> Result<Duration> {
    let expected = format!("a duration in quotes, as in `{name} = \"2s\"`");
    let text = value::<LitStr>(name, input, &expected)?;
    grace::parse(&text.value())
        .ok_or_else(|| Error::new(text.span(), "expected a duration like \"500ms\", \"2s\" or \"1m\""))
}

fn value<T: syn::parse::Parse>(name: &Ident, input: ParseStream<'_>, expected: &str) -> Result<T> {
    let wrong = |span| Error::new(span, format!("`{name}` needs a value: {expected}"));
    input.parse::<Token![=]>().map_err(|_| wrong(name.span()))?;
    let span = input.span();
    input.parse().map_err(|_| wrong(span))
}

/// The variant that a policy's word stands for. The word may be in quotes.
fn policy(name: &Ident, input: ParseStream<'_>, policies: &[(&str, &str)]) -> Result<Ident> {
    let words: Vec<_> = policies.iter().map(|(word, _)| format!("`{word}`")).collect();
    let expected = words.join(", ");
    let (word, span) = if input.peek(Token![=]) && input.peek2(LitStr) {
        let text = value::<LitStr>(name, input, &expected)?;
        (text.value(), text.span())
    } else {
        let word = value::<Ident>(name, input, &expected)?;
        (word.to_string(), word.span())
    };
    match policies.iter().find(|(known, _)| *known == word) {
        Some((_, variant)) => Ok(Ident::new(variant, span)),
        None => Err(Error::new(span, format!("`{name}` is one of {expected}"))),
    }
}

fn once<T>(name: &Ident, slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(name.span(), format!("`{name}` is given twice"))),
    }
}
