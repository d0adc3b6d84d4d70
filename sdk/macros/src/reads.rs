//! `#[derive(Reads)]`: the struct's fields are a rule's columns, in order.
//!
//! A path with `[]` reads a list: its field is a `Vec`. Fields of one list share a table, tables come in the order in
//! which the lists first appear.

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
    let fragment = json!({"type": of.to_string(), "fields": reads.iter().map(|read| &read.shape).collect::<Vec<_>>()});
    let fragment = shapes::emit(&json!({"reads": fragment}));

    let (mut columns, mut lists) = (0, Vec::<(&str, usize)>::new());
    let (mut cursors, mut opens, mut nexts) = (Vec::new(), Vec::new(), Vec::new());
    for (place, read) in reads.iter().enumerate() {
        let (name, value) = (&read.name, read.value);
        let readable = quote!(#value as ::openhub_sdk::reads::Readable<#batch>);
        let cursor = syn::Index::from(place);
        match &read.list {
            None => {
                cursors.push(quote!(<#readable>::Cursor));
                opens.push(quote!(::openhub_sdk::reads::open::<#value>(batch, #columns, #name)?));
                nexts.push(quote!(<#readable>::next(&mut cursors.#cursor)));
                columns += 1usize;
            }
            Some(list) => {
                let table = lists.iter().position(|(known, _)| known == list).unwrap_or_else(|| {
                    lists.push((list, 0));
                    lists.len() - 1
                });
                let column = lists[table].1;
                lists[table].1 += 1;
                cursors.push(quote!(::openhub_sdk::reads::Elements<#batch, <#readable>::Cursor>));
                opens.push(quote!(::openhub_sdk::reads::open_list::<#value>(batch, #table, #column, #name)?));
                nexts.push(quote!(cursors.#cursor.next::<#value>()));
            }
        }
    }
    let idents: Vec<_> = fields.iter().map(|field| attributes::ident(field)).collect::<Result<_>>()?;
    let names: Vec<_> = reads.iter().map(|read| &read.name).collect();
    let values: Vec<_> = (0..fields.len()).map(|place| format_ident!("value_{place}")).collect();
    Ok(quote! {
        #fragment

        impl<#batch> ::openhub_sdk::reads::Reads<#batch> for #of #arguments {
            type Cursors = (#(#cursors,)*);

            fn open(
                batch: &#batch ::openhub_sdk::rule::Batch,
            ) -> ::std::result::Result<Self::Cursors, ::openhub_sdk::reason::Reason> {
                ::std::result::Result::Ok((#(#opens,)*))
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
    /// The path up to `[]`.
    list: Option<String>,
    shape: Value,
}

fn read(field: &Field) -> Result<Read<'_>> {
    let missing = || Error::new(field.span(), "`#[read(\"…\")]` is missing: name the path to read");
    let attributes::Path { path, bind } =
        attributes::path(attributes::find(&field.attrs, "read").ok_or_else(missing)?)?;
    let list = path.split_once("[]").map(|(list, _)| list.to_owned());
    let elements = shapes::inner(&field.ty, "Vec");
    let value = match (&list, elements) {
        (None, None) => &field.ty,
        (Some(_), Some(of)) => of,
        (None, Some(_)) => return Err(Error::new(field.ty.span(), "a `Vec` needs a path with `[]`")),
        (Some(_), None) => return Err(Error::new(field.ty.span(), "a path with `[]` needs a `Vec`")),
    };
    let shape = shapes::shape(value)?;
    let name = attributes::name(attributes::ident(field)?);
    // A row without the list has an empty one.
    let required = shape.required && list.is_none();
    let shape = json!({"name": name, "path": path, "type": shape.of, "required": required, "bind": bind});
    Ok(Read { name, value, list, shape })
}
