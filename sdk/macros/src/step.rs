//! `#[step]`: a function of an entry becomes a step, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, ReturnType};

use crate::{attributes, rule, shapes};

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["name", "events", "state_version"])?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);
    let events = arguments.texts("events").unwrap_or_default();
    let version: u32 = match arguments.text("state_version").map(str::parse) {
        None => 0,
        Some(Ok(version)) => version,
        Some(Err(_)) => return Err(Error::new(function.sig.span(), "`state_version` must be a number: `\"2\"`")),
    };
    let wrong_input = || Error::new(function.sig.inputs.span(), "a step's function must take `entry: Entry<Input>`");
    let mut inputs = function.sig.inputs.iter();
    let (Some(entry), None) = (inputs.next(), inputs.next()) else { return Err(wrong_input()) };
    let entry = rule::typed(entry)?;
    if shapes::segment(entry).is_none_or(|last| last.ident != "Entry") {
        return Err(wrong_input());
    }
    let input = shapes::inner(entry, "Entry");
    let wrong_output = || {
        Error::new(function.sig.output.span(), "a step must return `Result<Next<Outlet>, Reason>`, or `Next<Outlet>`")
    };
    let ReturnType::Type(_, output) = &function.sig.output else { return Err(wrong_output()) };
    let fallible = shapes::inner(output, "Result");
    let outlet = shapes::inner(fallible.unwrap_or(output), "Next").ok_or_else(wrong_output)?;
    let call = match fallible {
        Some(_) => quote!(#ident(entry)),
        None => quote!(::std::result::Result::Ok(#ident(entry))),
    };
    let fragment = shapes::emit(&json!({"step": {
        "name": name,
        "outlets": shapes::name(outlet)?,
        "events": events,
        "input": input.map(shapes::name).transpose()?,
        "state_version": version,
    }}));
    let input = input.map_or_else(|| quote!(()), |input| quote!(#input));
    let (visibility, about) = (&function.vis, format!("The step `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "a step is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::step::Step for #ident {
            const NAME: &'static str = #name;
            const EVENTS: &'static [&'static str] = &[#(#events),*];
            type Input = #input;
            type Outlet = #outlet;

            fn run(
                entry: ::openhub_sdk::step::Entry<#input>,
            ) -> ::std::result::Result<::openhub_sdk::step::Next<#outlet>, ::openhub_sdk::reason::Reason> {
                #call
            }
        }
    })
}
