//! `#[source]`: a function of a request becomes a source, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, ReturnType};

use crate::{attributes, shapes};

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["name", "events"])?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);
    let events = arguments.texts("events").unwrap_or_default();
    let ReturnType::Type(_, output) = &function.sig.output else {
        return Err(Error::new(function.sig.span(), "a source must return `Result<Received, Failure>`, or `Received`"));
    };
    if function.sig.inputs.len() != 1 {
        return Err(Error::new(function.sig.inputs.span(), "a source's function must take `request: Request`"));
    }
    let call = match shapes::inner(output, "Result") {
        Some(_) => quote!(#ident(request)),
        None => quote!(::std::result::Result::Ok(#ident(request))),
    };
    let fragment = shapes::emit(&json!({"source": {"name": name, "events": events}}));
    let (visibility, about) = (&function.vis, format!("The source `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "a source is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::source::Source for #ident {
            const NAME: &'static str = #name;

            fn receive(
                request: ::openhub_sdk::source::Request,
            ) -> ::std::result::Result<::openhub_sdk::source::Received, ::openhub_sdk::reason::Failure> {
                #call
            }
        }
    })
}
