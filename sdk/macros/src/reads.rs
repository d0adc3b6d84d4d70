//! `#[derive(Reads)]`: the struct's fields are a rule's columns, in order.
//!
//! A path with `[]` reads a list of single values: its field is a `Vec` of them. `#[list("…")]` reads a list with several fields
//! of each element: its field is a `Vec` of a struct that derives `Reads`, too. Each has a table of its own, those of single values
//! first.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Field, Result};

use crate::{attributes, shapes};

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let of = &input.ident;
    let lifetimes: Vec<_> = input.generics.lifetimes().map(|parameter| &parameter.lifetime).collect();
    if lifetimes.len() > 1 || input.generics.params.len() > lifetimes.len() {
        return Err(Error::new(input.generics.span(), "a row can have one lifetime, and no other parameter"));
    }
    // The batch that the row's texts borrow from: the struct's own lifetime where it has one.
    let batch = lifetimes.first().map_or_else(|| quote!('c), |lifetime| quote!(#lifetime));
    let arguments = lifetimes.first().map(|lifetime| quote!(<#lifetime>));

    let fields = attributes::fields(input)?;
    let reads = fields.iter().map(|field| read(field)).collect::<Result<Vec<_>>>()?;
    let shapes = |is_list: bool| {
        let shapes = reads.iter().filter(|read| matches!(read.kind, Kind::Structs) == is_list);
        shapes.map(|read| &read.shape).collect::<Vec<_>>()
    };
    let fragment = json!({"type": of.to_string(), "fields": shapes(false), "lists": shapes(true)});
    let fragment = shapes::emit(&json!({"reads": fragment}));

    let mut columns = 0usize;
    let (mut cursors, mut opens, mut nexts) = (Vec::new(), Vec::new(), Vec::new());
    let opened: Vec<_> = (0..reads.len()).map(|place| format_ident!("cursor_{place}")).collect();
    for (place, read) in reads.iter().enumerate() {
        let (name, value, open) = (&read.name, read.value, &opened[place]);
        let readable = quote!(#value as ::openhub_sdk::reads::Readable<#batch>);
        let cursor = syn::Index::from(place);
        match read.kind {
            Kind::Value => {
                cursors.push(quote!(<#readable>::Cursor));
                opens.push((0, quote!(let #open = ::openhub_sdk::reads::open::<#value>(columns, #columns, #name)?;)));
                nexts.push(quote!(<#readable>::next(&mut cursors.#cursor)));
                columns += 1;
            }
            Kind::Values => {
                cursors.push(quote!(::openhub_sdk::reads::Elements<#batch, <#readable>::Cursor>));
                opens.push((1, quote!(let #open = ::openhub_sdk::reads::open_elements::<#value>(tables, #name)?;)));
                nexts.push(quote!(cursors.#cursor.next::<#value>()));
            }
            Kind::Structs => {
                let value = with_lifetime(value, &batch);
                cursors.push(quote!(::openhub_sdk::reads::Structs<#batch, #value>));
                opens.push((2, quote!(let #open = ::openhub_sdk::reads::open_structs::<#value>(tables, #name)?;)));
                nexts.push(quote!(cursors.#cursor.entry()));
            }
        }
    }
    // Stable: tables are opened in the order in which they come.
    opens.sort_by_key(|(order, _)| *order);
    let opens = opens.into_iter().map(|(_, open)| open);
    let idents: Vec<_> = fields.iter().map(|field| attributes::ident(field)).collect::<Result<_>>()?;
    let names: Vec<_> = reads.iter().map(|read| &read.name).collect();
    let values: Vec<_> = (0..fields.len()).map(|place| format_ident!("value_{place}")).collect();
    Ok(quote! {
        #fragment

        impl<#batch> ::openhub_sdk::reads::Reads<#batch> for #of #arguments {
            type Cursors = (#(#cursors,)*);

            fn open(
                columns: &#batch [::openhub_sdk::rule::Column],
                tables: &mut ::openhub_sdk::reads::Tables<#batch>,
            ) -> ::std::result::Result<Self::Cursors, ::openhub_sdk::reason::Reason> {
                let _ = (columns, &tables);
                #(#opens)*
                ::std::result::Result::Ok((#(#opened,)*))
            }

            #[inline]
            fn next(
                cursors: &mut Self::Cursors,
            ) -> ::std::result::Result<Self, ::openhub_sdk::reason::Reason> {
                // Every cursor steps before any fault is told.
                #(let #values = #nexts;)*
                ::std::result::Result::Ok(Self {
                    #(#idents: match #values {
                        ::std::option::Option::Some(value) => value,
                        ::std::option::Option::None => {
                            return ::std::result::Result::Err(::openhub_sdk::reads::missing(#names));
                        }
                    },)*
                })
            }
        }
    })
}

struct Read<'f> {
    name: String,
    /// The type of one value: the field's, or its elements'.
    value: &'f syn::Type,
    kind: Kind,
    shape: Value,
}

#[derive(Clone, Copy)]
enum Kind {
    Value,
    /// A list of single values.
    Values,
    /// A list of structs.
    Structs,
}

fn read(field: &Field) -> Result<Read<'_>> {
    let name = attributes::name(attributes::ident(field)?);
    let elements = shapes::inner(&field.ty, "Vec");
    if let Some(attribute) = attributes::find(&field.attrs, "list") {
        let attributes::Path { path, bind } = attributes::path(attribute)?;
        let value = elements
            .ok_or_else(|| Error::new(field.ty.span(), "a list must be a `Vec` of a struct that derives `Reads`"))?;
        let shape = json!({"name": name, "path": path, "reads": {"named": shapes::name(value)?}, "bind": bind});
        return Ok(Read { name, value, kind: Kind::Structs, shape });
    }
    let missing = || Error::new(field.span(), "`#[read(\"…\")]` or `#[list(\"…\")]` is missing: name the path to read");
    let attributes::Path { path, bind } =
        attributes::path(attributes::find(&field.attrs, "read").ok_or_else(missing)?)?;
    let (kind, value) = match (path.contains("[]"), elements) {
        (false, None) => (Kind::Value, &field.ty),
        (true, Some(of)) => (Kind::Values, of),
        (false, Some(_)) => return Err(Error::new(field.ty.span(), "a `Vec` needs a path with `[]`")),
        (true, None) => return Err(Error::new(field.ty.span(), "a path with `[]` needs a `Vec`")),
    };
    let shapes::Shape { of, required } = shapes::shape(value)?;
    let shape = json!({"name": name, "path": path, "type": of, "required": required, "bind": bind});
    Ok(Read { name, value, kind, shape })
}

/// A type whose lifetime, where it has one, is the batch's.
fn with_lifetime(of: &syn::Type, batch: &TokenStream) -> TokenStream {
    let mut of = of.clone();
    if let syn::Type::Path(path) = &mut of
        && let Some(last) = path.path.segments.last_mut()
        && let syn::PathArguments::AngleBracketed(arguments) = &mut last.arguments
        && let Ok(lifetime) = syn::parse2::<syn::Lifetime>(batch.clone())
    {
        for argument in &mut arguments.args {
            if let syn::GenericArgument::Lifetime(named) = argument {
                *named = lifetime.clone();
            }
        }
    }
    quote!(#of)
}
