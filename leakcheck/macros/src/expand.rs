//! The test function that the attribute makes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, ItemFn, Meta, Path, Result, ReturnType, Signature, parse_quote};

use crate::args::{Args, Flavor};

/// The whole expansion: one function that calls the harness, `leakcheck::Check`.
pub(crate) fn expand(mut args: Args, mut test: ItemFn) -> Result<TokenStream> {
    check_signature(&test.sig)?;
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
            quote!(.runtime(#krate::__private::tokio::runtime::Builder::new_multi_thread()))
        }
        _ => quote!(),
    };
    let threads = args
        .worker_threads
        .map(|(threads, _)| quote!(.configure(|runtime| { runtime.worker_threads(#threads); })));
    let paused = args
        .start_paused
        .map(|(paused, _)| quote!(.configure(|runtime| { runtime.start_paused(#paused); })));
    // The body is a function of the test's name, as a report shows it.
    quote! {
        #sig #block
        #check #flavor #threads #paused .conclude(#name())
    }
}

fn run_sync(krate: &Path, args: &Args, test: &ItemFn) -> TokenStream {
    let ItemFn { sig, block, .. } = test;
    let check = check(krate, args, test);
    let returns = match &sig.output {
        ReturnType::Default => quote!(-> ()),
        returns => quote!(#returns),
    };
    quote! { #check .conclude_sync(|| #returns #block) }
}

fn check(krate: &Path, args: &Args, test: &ItemFn) -> TokenStream {
    let name = test.sig.ident.to_string();
    let grace = args.grace.map(|grace| {
        let (seconds, nanos) = (grace.as_secs(), grace.subsec_nanos());
        quote!(.grace(::core::time::Duration::new(#seconds, #nanos)))
    });
    let untracked = args
        .untracked
        .as_ref()
        .map(|policy| quote!(.untracked(#krate::Untracked::#policy)));
    let panics = args
        .panics
        .as_ref()
        .map(|policy| quote!(.panics(#krate::Panics::#policy)));
    let ignore = args.ignore.iter().map(|rule| quote!(.ignore(#rule)));
    // What comes as `cfg_attr` is resolved before this attribute is expanded.
    let should_panic = test
        .attrs
        .iter()
        .any(|attribute| is_path(attribute.path(), &["should_panic"]))
        .then(|| quote!(.should_panic(true)));
    quote! {
        #krate::Check::new(::core::concat!(::core::module_path!(), "::", #name)) #grace #untracked #panics #(#ignore)* #should_panic
    }
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
