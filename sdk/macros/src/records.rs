//! The derives of records: events, parameters, settings, contents, object types. They share one codec.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::{Value, json};
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Result};

use crate::attributes::{self, Absent};
use crate::shapes;

pub fn event(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::of(input)?;
    let of = &input.ident;
    let name = attributes::type_options(&input.attrs, "event")?.name;
    let name = name.unwrap_or_else(|| shapes::words(&of.to_string(), ' '));
    let fragment = json!({"type": of.to_string(), "name": name, "fields": record.shapes});
    let columnar = columnar(input)?;
    Ok(record.with(
        &json!({"event": fragment}),
        quote! {
            impl ::openhub_sdk::event::Event for #of {
                const NAME: &'static str = #name;
            }

            #columnar
        },
    ))
}

/// A record whose fields cross the boundary as columns.
fn columnar(input: &DeriveInput) -> Result<TokenStream> {
    let of = &input.ident;
    let fields = attributes::fields(input)?;
    let idents: Vec<_> = fields.iter().map(|field| attributes::ident(field)).collect::<Result<_>>()?;
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let places: Vec<_> = (0..fields.len()).map(syn::Index::from).collect();
    Ok(quote! {
        impl ::openhub_sdk::writes::Columnar for #of {
            type Columns = (#(<#types as ::openhub_sdk::writes::Cell>::Cells,)*);

            fn empty() -> Self::Columns {
                (#(<<#types as ::openhub_sdk::writes::Cell>::Cells as ::std::default::Default>::default(),)*)
            }

            #[inline]
            fn put(self, columns: &mut Self::Columns) {
                let _ = &columns;
                #(::openhub_sdk::writes::Cell::put(self.#idents, &mut columns.#places);)*
            }

            fn columns(columns: Self::Columns) -> ::std::vec::Vec<::openhub_sdk::rule::Column> {
                let _ = &columns;
                ::std::vec![#(<#types as ::openhub_sdk::writes::Cell>::column(columns.#places)),*]
            }
        }
    })
}

/// Parameters cross the boundary as columns, and need no JSON.
pub fn params(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "parameters cannot have parameters of their own"));
    }
    let of = &input.ident;
    let (mut shapes, mut takes) = (Vec::new(), Vec::new());
    for (place, field) in attributes::fields(input)?.into_iter().enumerate() {
        let ident = attributes::ident(field)?;
        let name = attributes::name(ident);
        let options = attributes::field_options(field)?;
        let shape = shapes::shape(&field.ty)?;
        let required = shape.required && options.default.is_none();
        shapes.push(json!({"name": name, "type": shape.of, "required": required}));
        let value = &field.ty;
        let otherwise = match options.default {
            None => quote!(::std::option::Option::None),
            Some(Absent::OfType) => quote!(::std::option::Option::Some(|| ::std::default::Default::default())),
            Some(Absent::Value(value)) => quote!(::std::option::Option::Some(|| ::std::convert::Into::into(#value))),
        };
        takes.push(quote!(#ident: ::openhub_sdk::params::take::<#value>(columns, #place, #name, #otherwise)?));
    }
    let fragment = shapes::emit(&json!({"params": {"type": of.to_string(), "fields": shapes}}));
    Ok(quote! {
        #fragment

        impl ::openhub_sdk::params::Params for #of {
            fn open(
                columns: &[::openhub_sdk::rule::Column],
            ) -> ::std::result::Result<Self, ::openhub_sdk::reason::Reason> {
                ::std::result::Result::Ok(Self { #(#takes),* })
            }
        }
    })
}

pub fn settings(input: &DeriveInput) -> Result<TokenStream> {
    marked(input, "settings", &quote!(record::Settings))
}

/// A record that is nothing else: what a step is given, or keeps.
pub fn record(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::of(input)?;
    let fragment = json!({"record": {"type": input.ident.to_string(), "fields": record.shapes}});
    Ok(record.with(&fragment, TokenStream::new()))
}

fn marked(input: &DeriveInput, kind: &str, marker: &TokenStream) -> Result<TokenStream> {
    let record = Record::of(input)?;
    let of = &input.ident;
    let fragment = json!({"type": of.to_string(), "fields": record.shapes});
    Ok(record.with(&json!({kind: fragment}), quote!(impl ::openhub_sdk::#marker for #of {})))
}

pub fn content(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::with_lists(input)?;
    let of = &input.ident;
    let fragment = json!({"content": {"type": of.to_string(), "fields": record.shapes}});
    Ok(record.with(
        &fragment,
        quote! {
            impl ::openhub_sdk::channel::Content for #of {
                fn read(json: &str) -> ::std::result::Result<Self, ::openhub_sdk::reason::Reason> {
                    ::openhub_sdk::channel::read_record(json)
                }
            }
        },
    ))
}

pub fn data_object(input: &DeriveInput) -> Result<TokenStream> {
    let record = Record::with_lists(input)?;
    let of = &input.ident;
    let options = attributes::type_options(&input.attrs, "object")?;
    let name = options.name.unwrap_or_else(|| shapes::kebab(&of.to_string()));
    let version = options.version.unwrap_or(1);
    let mut fragment = json!({"type": of.to_string(), "name": name, "version": version, "fields": record.shapes});
    if let Some(owner) = &record.owner {
        fragment["owner"] = json!(owner);
    }
    let (columnar, patch) = (columnar(input)?, patch(input)?);
    let patched = format_ident!("{of}Patch");
    Ok(record.with(
        &json!({"object": fragment}),
        quote! {
            #columnar
            #patch

            impl ::openhub_sdk::data_object::DataObject for #of {
                const NAME: &'static str = #name;
                const VERSION: u32 = #version;
                type Patch = #patched;
            }
        },
    ))
}

/// Some fields of an object, for a rule that changes no others: each is an `Option`, and the columns are the object's.
fn patch(input: &DeriveInput) -> Result<TokenStream> {
    let (of, visibility) = (&input.ident, &input.vis);
    let fields = attributes::fields(input)?;
    let idents: Vec<_> = fields.iter().map(|field| attributes::ident(field)).collect::<Result<_>>()?;
    let visibilities: Vec<_> = fields.iter().map(|field| &field.vis).collect();
    let types = fields.iter().map(|field| {
        let of = &field.ty;
        let may_be_absent = shapes::inner(of, "Option").is_some() || shapes::inner(of, "Vec").is_some();
        if may_be_absent { quote!(#of) } else { quote!(::std::option::Option<#of>) }
    });
    let types: Vec<_> = types.collect();
    let places: Vec<_> = (0..fields.len()).map(syn::Index::from).collect();
    let (patch, about) = (format_ident!("{of}Patch"), format!("Some fields of a [`{of}`]: what is absent stays."));
    Ok(quote! {
        #[doc = #about]
        #[derive(::std::default::Default)]
        #visibility struct #patch {
            #(#visibilities #idents: #types,)*
        }

        impl ::openhub_sdk::writes::Columnar for #patch {
            type Columns = <#of as ::openhub_sdk::writes::Columnar>::Columns;

            fn empty() -> Self::Columns {
                <#of as ::openhub_sdk::writes::Columnar>::empty()
            }

            #[inline]
            fn put(self, columns: &mut Self::Columns) {
                let _ = &columns;
                #(::openhub_sdk::writes::Cell::put(self.#idents, &mut columns.#places);)*
            }

            fn columns(columns: Self::Columns) -> ::std::vec::Vec<::openhub_sdk::rule::Column> {
                <#of as ::openhub_sdk::writes::Columnar>::columns(columns)
            }
        }
    })
}

/// A struct's fields as the manifest words them, and its codec.
struct Record {
    shapes: Vec<Value>,
    owner: Option<String>,
    codec: TokenStream,
}

impl Record {
    fn of(input: &DeriveInput) -> Result<Record> {
        let lists = attributes::fields(input)?.into_iter().find(|field| shapes::inner(&field.ty, "Vec").is_some());
        match lists {
            Some(list) => {
                Err(Error::new(list.ty.span(), "only a field of a `DataObject` or a `Content` can be a list"))
            }
            None => Record::with_lists(input),
        }
    }

    /// Of an object, or a message, whose fields may have several values.
    fn with_lists(input: &DeriveInput) -> Result<Record> {
        if !input.generics.params.is_empty() {
            return Err(Error::new(input.generics.span(), "a record cannot have parameters"));
        }
        let (mut shapes, mut owner) = (Vec::new(), None);
        let (mut idents, mut names, mut values, mut takes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for field in attributes::fields(input)? {
            let ident = attributes::ident(field)?;
            let name = attributes::name(ident);
            let options = attributes::field_options(field)?;
            let items = shapes::inner(&field.ty, "Vec");
            let shape = shapes::shape(items.unwrap_or(&field.ty))?;
            let required = shape.required && options.default.is_none() && items.is_none();
            let mut told = json!({"name": name, "type": shape.of, "required": required, "unique": options.unique});
            if let Some(kind) = &options.relation {
                if shape.of != json!("text") {
                    return Err(Error::new(field.ty.span(), "a relation to an object is its key: a `String`"));
                }
                told["type"] = json!({"object": kind});
            }
            if items.is_some() {
                told["list"] = json!(true);
            }
            if options.html {
                told["html"] = json!(true);
            }
            shapes.push(told);
            if options.owner && owner.replace(name.clone()).is_some() {
                return Err(Error::new(field.span(), "an object can have only one owner"));
            }
            let of = &field.ty;
            takes.push(match options.default {
                None => quote!(reader.take::<#of>(#name)),
                Some(Absent::OfType) => quote! {
                    reader.take_or::<#of>(#name, || ::std::option::Option::Some(::std::default::Default::default()))
                },
                Some(Absent::Value(value)) => quote! {
                    reader.take_or::<#of>(#name, || ::std::option::Option::Some(::std::convert::Into::into(#value)))
                },
            });
            values.push(format_ident!("value_{}", idents.len()));
            idents.push(ident);
            names.push(name);
        }
        let of = &input.ident;
        let keys: Vec<String> = names.iter().map(|name| format!("{}:", Value::from(name.as_str()))).collect();
        let codec = quote! {
            impl ::openhub_sdk::record::Record for #of {
                fn from_fields(
                    fields: &::openhub_sdk::field::Map<::std::string::String, ::openhub_sdk::field::Value>,
                ) -> ::std::result::Result<Self, ::std::vec::Vec<::openhub_sdk::reason::Fault>> {
                    let mut reader = ::openhub_sdk::record::Reader::new(fields);
                    #(let #values = #takes;)*
                    match (#(#values,)*) {
                        (#(::std::option::Option::Some(#values),)*) => {
                            ::std::result::Result::Ok(Self { #(#idents: #values),* })
                        }
                        _ => ::std::result::Result::Err(reader.faults()),
                    }
                }

                fn to_fields(
                    &self,
                ) -> ::openhub_sdk::field::Map<::std::string::String, ::openhub_sdk::field::Value> {
                    let mut fields = ::openhub_sdk::field::Map::new();
                    #(::openhub_sdk::record::put(&mut fields, #names, &self.#idents);)*
                    fields
                }

                fn write(&self, out: &mut ::std::string::String) {
                    out.push('{');
                    #(::openhub_sdk::record::append(out, #keys, &self.#idents);)*
                    out.push('}');
                }
            }
        };
        Ok(Record { shapes, owner, codec })
    }

    fn with(&self, fragment: &Value, marker: TokenStream) -> TokenStream {
        let (fragment, codec) = (shapes::emit(fragment), &self.codec);
        quote!(#fragment #codec #marker)
    }
}
