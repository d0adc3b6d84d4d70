//! `#[endpoint]`: a function of a call becomes an endpoint, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, ReturnType};

use crate::{attributes, shapes};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["name", "method", "path"])?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);
    let missing = |what: &str| {
        Error::new(
            function.sig.span(),
            format!("an endpoint needs a {what}: #[endpoint(method = \"POST\", path = \"/coupons/{{code}}/redeem\")]"),
        )
    };
    let method = arguments.text("method").ok_or_else(|| missing("method"))?;
    if !METHODS.contains(&method) {
        return Err(Error::new(
            function.sig.span(),
            format!("an endpoint's method must be one of {}", METHODS.join(", ")),
        ));
    }
    let path = arguments.text("path").ok_or_else(|| missing("path"))?;
    let ReturnType::Type(_, output) = &function.sig.output else {
        return Err(Error::new(function.sig.span(), "an endpoint must return `Result<Answer, Failure>`, or `Answer`"));
    };
    if function.sig.inputs.len() != 1 {
        return Err(Error::new(function.sig.inputs.span(), "an endpoint's function must take `call: Call`"));
    }
    let call = match shapes::inner(output, "Result") {
        Some(_) => quote!(#ident(call)),
        None => quote!(::std::result::Result::Ok(#ident(call))),
    };
    let fragment = shapes::emit(&json!({"endpoint": {"name": name, "method": method, "path": path}}));
    let (visibility, about) = (&function.vis, format!("The endpoint `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "an endpoint is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::endpoint::Endpoint for #ident {
            const NAME: &'static str = #name;
            const PATH: &'static str = #path;

            fn handle(
                call: ::openhub_sdk::endpoint::Call,
            ) -> ::std::result::Result<::openhub_sdk::endpoint::Answer, ::openhub_sdk::reason::Failure> {
                #call
            }
        }
    })
}
