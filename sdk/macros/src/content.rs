//! `#[content]`: a function of its arguments becomes one that templates call, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Pat, Result, ReturnType, Type};

use crate::{attributes, rule, shapes};

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["name"])?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);
    let mut inputs = function.sig.inputs.iter().peekable();
    let receiver = inputs.next_if(|input| rule::typed(input).is_ok_and(is_receiver)).map(|_| quote!(receiver,));
    let (mut shapes_of, mut names, mut types): (Vec<Value>, Vec<String>, Vec<&Type>) = Default::default();
    for input in inputs {
        let of = rule::typed(input)?;
        let name = argument(input)?;
        let shapes::Shape { of: told, required } = shapes::shape(of)?;
        shapes_of.push(json!({"name": name, "type": told, "required": required}));
        names.push(name);
        types.push(of);
    }
    let ReturnType::Type(_, output) = &function.sig.output else {
        return Err(Error::new(function.sig.span(), "a function for templates must return a value"));
    };
    let fallible = shapes::inner(output, "Result");
    let returned = fallible.unwrap_or(output);
    let shapes::Shape { of: returns, required: true } = shapes::shape(returned)? else {
        return Err(Error::new(
            returned.span(),
            "a function must return a value: return a `Reason` where there is none",
        ));
    };
    let fragment = shapes::emit(&json!({"function": {"name": name, "arguments": shapes_of, "returns": returns}}));
    let cursors: Vec<_> = (0..types.len()).map(|place| format_ident!("cursor_{place}")).collect();
    let values: Vec<_> = (0..types.len()).map(|place| format_ident!("value_{place}")).collect();
    let places = 0..types.len();
    let call = quote!(#ident(#receiver #(#values?),*));
    let call = match fallible {
        Some(_) => call,
        None => quote!(::std::result::Result::Ok(#call)),
    };
    let (visibility, about) = (&function.vis, format!("The function `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "it is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::content::Function for #ident {
            const NAME: &'static str = #name;

            fn apply(
                calls: &::openhub_sdk::content::Calls,
            ) -> ::std::result::Result<::openhub_sdk::content::Results, ::openhub_sdk::reason::Reason> {
                #(let mut #cursors = ::openhub_sdk::reads::open::<#types>(&calls.arguments, #places, #names)?;)*
                ::std::result::Result::Ok(::openhub_sdk::content::each::<#returned>(calls, |receiver| {
                    let _ = receiver;
                    // Every cursor steps before any fault is told.
                    #(let #values = <#types as ::openhub_sdk::reads::Readable<'_>>::next(&mut #cursors)
                        .ok_or_else(|| ::openhub_sdk::reads::missing(#names));)*
                    #call
                }))
            }
        }
    })
}

fn is_receiver(of: &Type) -> bool {
    shapes::segment(of).is_some_and(|last| last.ident == "Receiver")
}

fn argument(input: &FnArg) -> Result<String> {
    match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) => Ok(attributes::name(&pattern.ident)),
            other => Err(Error::new(other.span(), "an argument needs a name")),
        },
        FnArg::Receiver(receiver) => Err(Error::new(receiver.span(), "this must be a plain function")),
    }
}
