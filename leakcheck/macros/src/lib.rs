//! The attribute of the `leakcheck` crate. Use it from there: its documentation is here only because an attribute has
//! to have a crate of its own.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod args;
mod expand;
mod grace;

/// See `leakcheck::leakcheck`.
#[proc_macro_attribute]
pub fn leakcheck(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments with args::Args::parse);
    let test = parse_macro_input!(item as syn::ItemFn);
    expand::expand(arguments, test)
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}
