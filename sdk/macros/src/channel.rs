//! `#[channel]`: a function of a batch becomes a channel, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, ReturnType};

use crate::rule::typed;
use crate::{attributes, shapes};

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["name", "address", "purpose", "unknown"])?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);
    let address = arguments.required("address")?;
    let unknown = arguments.text("unknown").unwrap_or("retry");
    if !["retry", "park"].contains(&unknown) {
        return Err(Error::new(function.sig.span(), "`unknown` must be \"retry\" or \"park\""));
    }
    let wrong = || Error::new(function.sig.inputs.span(), "a channel's function must take `batch: Messages<Content>`");
    let batch = function.sig.inputs.first().ok_or_else(wrong).and_then(typed)?;
    let content = shapes::inner(batch, "Messages").ok_or_else(wrong)?;
    let told = shapes::name(content)?;
    let fragment = shapes::emit(&json!({"channel": {
        "name": name,
        "address": address,
        "purpose": arguments.text("purpose"),
        "unknown": unknown,
        "content": (told != "Json").then_some(told),
    }}));
    let call = match &function.sig.output {
        ReturnType::Default => quote!({ #ident(messages); ::std::result::Result::Ok(()) }),
        ReturnType::Type(..) => quote!(#ident(messages)),
    };
    let (visibility, about) = (&function.vis, format!("The channel `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "a channel is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::channel::Channel for #ident {
            const NAME: &'static str = #name;
            type Content = #content;

            fn send(
                messages: ::openhub_sdk::channel::Messages<#content>,
            ) -> ::std::result::Result<(), ::openhub_sdk::reason::Failure> {
                #call
            }
        }
    })
}
