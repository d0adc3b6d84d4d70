//! `#[privacy]`: declares, above the `impl Privacy` of a plugin, by which identities it is told of customers.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::json;
use syn::spanned::Spanned;
use syn::{Error, ItemImpl, Result};

use crate::{attributes, shapes};

pub fn expand(arguments: TokenStream, item: ItemImpl) -> Result<TokenStream> {
    let arguments = attributes::Arguments::parse(arguments)?;
    arguments.only(&["identities"])?;
    let identities = arguments.texts("identities").unwrap_or_default();
    let is_privacy =
        item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last()).is_some_and(|last| last.ident == "Privacy");
    if !is_privacy {
        return Err(Error::new(item.span(), "#[privacy] stands above `impl Privacy for …`"));
    }
    let fragment = shapes::emit(&json!({"privacy": {"identities": identities}}));
    Ok(quote! {
        #item

        #fragment
    })
}
