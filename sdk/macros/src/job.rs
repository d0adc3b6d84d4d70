//! `#[job]`: a function of a run becomes a job, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, ReturnType};

use crate::{attributes, shapes};

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["name"])?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);
    let ReturnType::Type(_, output) = &function.sig.output else {
        return Err(Error::new(function.sig.span(), "a job must return `Result<Progress, Failure>`, or `Progress`"));
    };
    if function.sig.inputs.len() != 1 {
        return Err(Error::new(function.sig.inputs.span(), "a job's function must take `run: Run`"));
    }
    let call = match shapes::inner(output, "Result") {
        Some(_) => quote!(#ident(run)),
        None => quote!(::std::result::Result::Ok(#ident(run))),
    };
    let fragment = shapes::emit(&json!({"job": {"name": name}}));
    let (visibility, about) = (&function.vis, format!("The job `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "a job is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::job::Job for #ident {
            const NAME: &'static str = #name;

            fn run(
                run: ::openhub_sdk::job::Run,
            ) -> ::std::result::Result<::openhub_sdk::job::Progress, ::openhub_sdk::reason::Failure> {
                #call
            }
        }
    })
}
