//! `#[derive(Enum)]`: a closed set of names, travelling as texts.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Result};

use crate::shapes;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(input.span(), "this derive is for enums"));
    };
    if let Some(variant) = data.variants.iter().find(|variant| !variant.fields.is_empty()) {
        return Err(Error::new(variant.span(), "the variants cannot hold data"));
    }
    let of = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let names: Vec<_> = variants.iter().map(|variant| shapes::kebab(&variant.to_string())).collect();
    let fragment = shapes::emit(&json!({"enum": {"type": of.to_string(), "values": names}}));
    Ok(quote! {
        #fragment

        impl ::openhub_sdk::enumeration::Enum for #of {
            const NAMES: &'static [&'static str] = &[#(#names),*];

            fn name(self) -> &'static str {
                match self { #(Self::#variants => #names,)* }
            }

            fn named(name: &str) -> ::std::option::Option<Self> {
                match name {
                    #(#names => ::std::option::Option::Some(Self::#variants),)*
                    _ => ::std::option::Option::None,
                }
            }
        }

        impl<'c> ::openhub_sdk::reads::Scalar<'c> for #of {
            type Source = ::openhub_sdk::reads::Texts<'c>;

            fn of(name: &'c str) -> ::std::option::Option<Self> {
                ::openhub_sdk::enumeration::Enum::named(name)
            }
        }

        impl ::openhub_sdk::writes::Storable for #of {
            type Column = ::std::string::String;

            fn push(self, column: &mut ::std::string::String) {
                ::openhub_sdk::writes::push_text(column, ::openhub_sdk::enumeration::Enum::name(self));
            }

            fn skip(column: &mut ::std::string::String) {
                ::openhub_sdk::writes::push_text(column, "");
            }

            fn values(column: ::std::string::String) -> ::openhub_sdk::rule::Values {
                ::openhub_sdk::rule::Values::Texts(column)
            }
        }

        impl ::openhub_sdk::field::Field for #of {
            fn of(value: &::openhub_sdk::field::Value) -> ::std::option::Option<Self> {
                ::openhub_sdk::enumeration::Enum::named(value.as_str()?)
            }

            fn json(&self) -> ::openhub_sdk::field::Value {
                ::openhub_sdk::field::Value::from(::openhub_sdk::enumeration::Enum::name(*self))
            }

            fn write(&self, out: &mut ::std::string::String) {
                ::openhub_sdk::field::write_text(out, ::openhub_sdk::enumeration::Enum::name(*self));
            }
        }
    })
}
