//! `#[derive(Writes)]`: the struct's fields are a rule's targets, in order, its events and its objects.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Field, Result, Type};

use crate::{attributes, shapes};

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let of = &input.ident;
    let (mut shapes, mut events, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    let mut recipients = Vec::new();
    let (mut types, mut caused, mut changed, mut collect) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in attributes::fields(input)? {
        let ident = attributes::ident(field)?;
        if let Some(attribute) = attributes::find(&field.attrs, "write") {
            let path = attributes::path(attribute)?;
            let name = attributes::name(ident);
            let shapes::Written { of, list } = shapes::written(&field.ty)?;
            shapes.push(json!({"name": name, "path": path.path, "type": of, "list": list}));
            let place = syn::Index::from(types.len());
            collect.push(quote!(::openhub_sdk::writes::Writable::put(self.#ident, row, &mut sinks.0.#place);));
            types.push(&field.ty);
        } else if attributes::find(&field.attrs, "object").is_some() {
            let effect = elements(field)?;
            let kind = shapes::inner(effect, "ObjectEffect")
                .ok_or_else(|| Error::new(effect.span(), "objects must be `Vec<ObjectEffect<…>>`"))?;
            let place = syn::Index::from(objects.len());
            objects.push(shapes::name(kind)?);
            changed.push(kind);
            collect.push(quote!(for effect in ::std::iter::IntoIterator::into_iter(self.#ident) {
                sinks.2.#place.put(row, effect);
            }));
        } else {
            let event = elements(field)?;
            let place = syn::Index::from(events.len());
            if let Some(attribute) = attributes::find(&field.attrs, "to") {
                let read = attribute.parse_args::<syn::LitStr>()?.value();
                recipients.push(json!({"event": events.len(), "read": read}));
            }
            events.push(shapes::name(event)?);
            caused.push(event);
            collect.push(quote!(for event in ::std::iter::IntoIterator::into_iter(self.#ident) {
                sinks.1.#place.put(row, event);
            }));
        }
    }
    let mut fragment = json!({"type": of.to_string(), "fields": shapes, "events": events, "objects": objects});
    if !recipients.is_empty() {
        fragment["to"] = json!(recipients);
    }
    let fragment = shapes::emit(&json!({"writes": fragment}));
    let places: Vec<_> = (0..types.len()).map(syn::Index::from).collect();
    let targets = 0..types.len() as u32;
    let kinds: Vec<_> = (0..caused.len()).map(syn::Index::from).collect();
    let numbers = 0..caused.len() as u32;
    let objects_at: Vec<_> = (0..changed.len()).map(syn::Index::from).collect();
    let object_numbers = 0..changed.len() as u32;
    Ok(quote! {
        #fragment

        impl ::openhub_sdk::writes::Writes for #of {
            type Sinks = (
                (#(<#types as ::openhub_sdk::writes::Writable>::Sink,)*),
                (#(::openhub_sdk::writes::Events<#caused>,)*),
                (#(::openhub_sdk::writes::Objects<#changed>,)*),
            );

            fn sinks() -> Self::Sinks {
                (
                    (#(<<#types as ::openhub_sdk::writes::Writable>::Sink as ::std::default::Default>::default(),)*),
                    (#(<::openhub_sdk::writes::Events<#caused> as ::std::default::Default>::default(),)*),
                    (#(<::openhub_sdk::writes::Objects<#changed> as ::std::default::Default>::default(),)*),
                )
            }

            #[inline]
            fn collect(self, row: u32, sinks: &mut Self::Sinks) {
                let _ = &sinks;
                #(#collect)*
            }

            fn finish(sinks: Self::Sinks, outcome: &mut ::openhub_sdk::rule::Outcome) {
                #(<#types as ::openhub_sdk::writes::Writable>::finish(sinks.0.#places, #targets, outcome);)*
                #(sinks.1.#kinds.finish(#numbers, outcome);)*
                #(sinks.2.#objects_at.finish(#object_numbers, outcome);)*
            }
        }
    })
}

/// The `T` of a field that is `Vec<T>` or `Option<T>`.
fn elements(field: &Field) -> Result<&Type> {
    let inner = shapes::inner(&field.ty, "Vec").or_else(|| shapes::inner(&field.ty, "Option"));
    inner.ok_or_else(|| {
        Error::new(field.span(), "this must be a `#[write(\"…\")]`, or a `Vec` or `Option` of events or `#[object]`s")
    })
}
