//! `#[rule]`: a function of one row becomes a rule, a type of the same name that `plugin!` can list.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericArgument, ItemFn, Lifetime, PathArguments, Result, ReturnType, Type};

use crate::{attributes, shapes};

pub fn expand(arguments: TokenStream, function: ItemFn) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["on", "name"])?;
    let on = arguments.texts("on").filter(|on| !on.is_empty());
    let on =
        on.ok_or_else(|| Error::new(function.sig.span(), "the rule names no event: write `#[rule(on = \"…\")]`"))?;
    let ident = &function.sig.ident;
    let name = arguments.text("name").map_or_else(|| attributes::name(ident).replace('_', "-"), str::to_owned);

    let inputs: Vec<&Type> = function.sig.inputs.iter().map(typed).collect::<Result<_>>()?;
    let (row, params) = match inputs.as_slice() {
        [row] => (*row, None),
        [row, Type::Reference(params)] if params.mutability.is_none() => (*row, Some(&*params.elem)),
        _ => {
            return Err(Error::new(
                function.sig.inputs.span(),
                "a rule's function must take `row: Row`, and `params: &Params` if it has parameters",
            ));
        }
    };
    let ReturnType::Type(_, output) = &function.sig.output else {
        return Err(Error::new(function.sig.span(), "a rule's function must return its effects"));
    };
    let fallible = shapes::inner(output, "Result");
    let effects = fallible.unwrap_or(output);

    let fragment = shapes::emit(&json!({"rule": {
        "name": name,
        "on": on,
        "reads": shapes::name(row)?,
        "writes": shapes::name(effects)?,
        "params": params.map(shapes::name).transpose()?,
    }}));
    let borrowed = borrowing(row);
    let elided = elided(row);
    let parameters = params.map_or_else(|| quote!(()), |params| quote!(#params));
    let passed = params.map(|_| quote!(params));
    let call = match fallible {
        Some(_) => quote!(#ident(row, #passed).map_err(::std::convert::Into::into)),
        None => quote!(::std::result::Result::Ok(#ident(row, #passed))),
    };
    let (visibility, about) = (&function.vis, format!("The rule `{name}`, for `plugin!`."));
    Ok(quote! {
        #function

        #fragment

        #[doc = #about]
        #[expect(non_camel_case_types, reason = "a rule is called like its function")]
        #visibility enum #ident {}

        impl ::openhub_sdk::rule::Rule for #ident {
            const NAME: &'static str = #name;
            type Row<'c> = #borrowed;
            type Effects = #effects;
            type Params = #parameters;

            #[inline]
            fn apply(
                row: #elided,
                params: &#parameters,
            ) -> ::std::result::Result<#effects, ::openhub_sdk::reason::Reason> {
                let _ = params;
                #call
            }
        }
    })
}

pub fn typed(input: &FnArg) -> Result<&Type> {
    match input {
        FnArg::Typed(input) => Ok(&input.ty),
        FnArg::Receiver(receiver) => Err(Error::new(receiver.span(), "this must be a plain function")),
    }
}

/// The row's type with its lifetime, where it has one, named `'c`.
fn borrowing(row: &Type) -> Type {
    with_lifetime(row, "'c")
}

fn elided(row: &Type) -> Type {
    with_lifetime(row, "'_")
}

fn with_lifetime(row: &Type, name: &str) -> Type {
    let mut row = row.clone();
    if let Type::Path(path) = &mut row
        && let Some(last) = path.path.segments.last_mut()
        && let PathArguments::AngleBracketed(arguments) = &mut last.arguments
    {
        for argument in &mut arguments.args {
            if let GenericArgument::Lifetime(lifetime) = argument {
                *lifetime = Lifetime::new(name, lifetime.span());
            }
        }
    }
    row
}
