//! The test function that the attribute makes.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, ItemFn, Meta, MetaNameValue, Path, Result, ReturnType, Signature, parse_quote};

use crate::args::{Args, Flavor};

/// The whole expansion: one function that calls the harness, `leakcheck::Check`.
pub(crate) fn expand(mut args: Args, mut test: ItemFn) -> Result<TokenStream> {
    check_signature(&test.sig)?;
    args.check()?;
    let krate = args.krate.take().unwrap_or_else(|| parse_quote!(::leakcheck));
    if test.sig.asyncness.is_some() {
        take_test_attributes(&mut args, &mut test.attrs)?;
        args.check_runtime()?;
        test.attrs.push(parse_quote!(#[::core::prelude::v1::test]));
        let run = run_async(&krate, &args, &test);
        Ok(with_body(&test, &run))
    } else {
        if !test.attrs.iter().any(|attribute| is_plain_test(attribute.path())) {
            return Err(Error::new_spanned(
                test.sig.fn_token,
                "a function that is not async is checked if it is a test: put `#[test]` below `#[leakcheck]`, or make it an `async fn`",
            ));
        }
        args.check_no_runtime()?;
        let run = run_sync(&krate, &args, &test);
        Ok(with_body(&test, &run))
    }
}

fn check_signature(signature: &Signature) -> Result<()> {
    if let Some(argument) = signature.inputs.first() {
        return Err(Error::new_spanned(argument, "a test takes no arguments"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a test has no generic parameters",
        ));
    }
    Ok(())
}

/// Takes the attributes away that would make a test of an `async fn` in their own way.
fn take_test_attributes(args: &mut Args, attributes: &mut Vec<Attribute>) -> Result<()> {
    let (tests, others) = attributes.drain(..).partition(|attribute: &Attribute| {
        is_plain_test(attribute.path()) || is_tokio_test(attribute.path()) || ends_in_test(attribute.path())
    });
    *attributes = others;
    let tests: Vec<Attribute> = tests;
    if let Some(second) = tests.get(1) {
        return Err(Error::new_spanned(
            second,
            "this test has two attributes that make it one",
        ));
    }
    match tests.first() {
        Some(test) if is_tokio_test(test.path()) => match &test.meta {
            Meta::List(_) => test.parse_args_with(|input: syn::parse::ParseStream<'_>| args.take_over(input)),
            _ => Ok(()),
        },
        Some(test) if !is_plain_test(test.path()) => Err(Error::new_spanned(
            test,
            "`#[leakcheck]` makes the test itself, and cannot take this attribute's place: put `#[leakcheck]` behind it, or leave it out",
        )),
        _ => Ok(()),
    }
}

fn is_path(path: &Path, names: &[&str]) -> bool {
    path.segments.len() == names.len()
        && path
            .segments
            .iter()
            .zip(names)
            .all(|(segment, name)| segment.ident == name)
}

fn is_tokio_test(path: &Path) -> bool {
    is_path(path, &["tokio", "test"])
}

fn is_plain_test(path: &Path) -> bool {
    is_path(path, &["test"])
        || is_path(path, &["core", "prelude", "v1", "test"])
        || is_path(path, &["std", "prelude", "v1", "test"])
}

fn ends_in_test(path: &Path) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == "test")
}

fn run_async(krate: &Path, args: &Args, test: &ItemFn) -> TokenStream {
    let ItemFn { sig, block, .. } = test;
    let name = &sig.ident;
    let check = check(krate, args, test);
    let flavor = match args.flavor {
        Some((Flavor::MultiThread, _)) => {
            quote!(.runtime(#krate::__private::told_by(#krate::__private::tokio::runtime::Builder::new_multi_thread())))
        }
        _ => quote!(),
    };
    let threads = args
        .worker_threads
        .map(|(threads, _)| quote!(.configure(|runtime| { runtime.worker_threads(#threads); })));
    let paused = args
        .start_paused
        .map(|(paused, _)| quote!(.configure(|runtime| { runtime.start_paused(#paused); })));
    let run = match repeat(args) {
        Some(repeat) => quote!(#repeat .conclude(#name)),
        None => quote!(.conclude(#name())),
    };
    // The body is a function of the test's name, as a report shows it.
    quote! {
        #sig #block
        #check #flavor #threads #paused #run
    }
}

fn run_sync(krate: &Path, args: &Args, test: &ItemFn) -> TokenStream {
    let ItemFn { sig, block, .. } = test;
    let check = check(krate, args, test);
    let returns = match &sig.output {
        ReturnType::Default => quote!(-> ()),
        returns => quote!(#returns),
    };
    let repeat = repeat(args);
    quote! { #check #repeat .conclude_sync(|| #returns #block) }
}

/// What makes a check of many runs of it.
fn repeat(args: &Args) -> Option<TokenStream> {
    let (runs, _) = args.repeat?;
    let fail_fast = args.fail_fast.map(|(fast, _)| quote!(.fail_fast(#fast)));
    Some(quote!(.repeat(#runs) #fail_fast))
}

fn check(krate: &Path, args: &Args, test: &ItemFn) -> TokenStream {
    let name = test.sig.ident.to_string();
    let duration = |duration: Duration| {
        let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
        quote!(::core::time::Duration::new(#seconds, #nanos))
    };
    // One line an argument.
    let options = [
        args.grace.map(duration).map(|grace| quote!(.grace(#grace))),
        args.timeout.map(duration).map(|timeout| quote!(.timeout(#timeout))),
        args.seed.map(|seed| quote!(.seed(#seed))),
        args.threads.map(|threads| quote!(.threads(#threads))),
        args.fds.map(|fds| quote!(.fds(#fds))),
        args.untracked
            .as_ref()
            .map(|policy| quote!(.untracked(#krate::Untracked::#policy))),
        args.panics
            .as_ref()
            .map(|policy| quote!(.panics(#krate::Panics::#policy))),
    ];
    let options = options.into_iter().flatten();
    let ignore = args.ignore.iter().map(|rule| quote!(.ignore(#rule)));
    let should_panic = should_panic(&test.attrs);
    quote! {
        #krate::Check::new(::core::concat!(::core::module_path!(), "::", #name)) #(#options)* #(#ignore)* #should_panic
    }
}

/// What `#[should_panic]` says. What comes as `cfg_attr` is resolved before this attribute is expanded.
fn should_panic(attributes: &[Attribute]) -> Option<TokenStream> {
    let attribute = attributes
        .iter()
        .find(|attribute| is_path(attribute.path(), &["should_panic"]))?;
    let expected = match &attribute.meta {
        Meta::Path(_) => None,
        Meta::NameValue(named) => Some(named.value.clone()),
        // What is wrong in there, the attribute itself says.
        Meta::List(list) => list
            .parse_args::<MetaNameValue>()
            .ok()
            .filter(|named| named.path.is_ident("expected"))
            .map(|named| named.value),
    };
    let expected = expected.map(|text| quote!(.panics_with(#text)));
    Some(quote!(.should_panic(true) #expected))
}

/// The test function, which does `run`. It returns nothing where the body does: `#[should_panic]` insists on that.
fn with_body(test: &ItemFn, run: &TokenStream) -> TokenStream {
    let ItemFn { attrs, vis, sig, .. } = test;
    let name = &sig.ident;
    match &sig.output {
        ReturnType::Default => quote! {
            #(#attrs)* #vis fn #name() { let _ = { #run }; }
        },
        ReturnType::Type(..) => quote! {
            #(#attrs)* #vis fn #name() -> ::std::process::ExitCode { #run }
        },
    }
}
