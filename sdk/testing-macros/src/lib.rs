//! The attribute `#[openhub_sdk_testing::test]`; what it stands for lies in `openhub-sdk-testing`.

use proc_macro::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, parse_macro_input};

/// A test of the plugin whose crate it stands in: `fn gold(hub: Hub) { … }`.
///
/// The plugin is built first (once a process), and the test gets a hub of its own that runs it.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    if !arguments.is_empty() {
        return Error::new(function.sig.span(), "this attribute takes no arguments").into_compile_error().into();
    }
    let signature = &function.sig;
    if signature.inputs.len() != 1 || signature.asyncness.is_some() {
        let fault = Error::new(signature.span(), "a test of a plugin must be `fn name(hub: Hub)`");
        return fault.into_compile_error().into();
    }
    let mut inner = function.clone();
    inner.attrs.clear();
    let (attributes, name, output) = (&function.attrs, &signature.ident, &signature.output);
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() #output {
            #function
            #name(::openhub_sdk_testing::Hub::of(::core::env!("CARGO_MANIFEST_DIR")))
        }
    }
    .into()
}
