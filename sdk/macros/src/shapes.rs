//! Shape fragments: Rust types as the manifest words them, and the custom section they go into.
//!
//! A macro sees no type but its own, so a type it does not know travels as `{"named": "Tier"}`; the build resolves it.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::{Value, json};
use syn::spanned::Spanned;
use syn::{Error, Expr, GenericArgument, Lit, PathArguments, PathSegment, Result, Type};

/// Puts a fragment into the guest's custom section; nothing elsewhere.
pub fn emit(fragment: &Value) -> TokenStream {
    let line = format!("{fragment}\n");
    let (length, bytes) = (line.len(), proc_macro2::Literal::byte_string(line.as_bytes()));
    quote! {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[used]
            #[unsafe(link_section = "openhub:shapes")]
            static SHAPE: [u8; #length] = *#bytes;
        };
    }
}

/// A field's type, and whether it must be there.
pub struct Shape {
    pub of: Value,
    pub required: bool,
}

/// Of a read or a record's field: a value or an `Option` of one.
pub fn shape(of: &Type) -> Result<Shape> {
    match inner(of, "Option") {
        Some(of) => Ok(Shape { of: logical(of)?, required: false }),
        None => Ok(Shape { of: logical(of)?, required: true }),
    }
}

/// The type of a write's value, or of each of its values.
pub struct Written {
    pub of: Value,
    pub list: bool,
}

/// Of a write: `Set` of a value or of a `Vec`, or `Add`.
pub fn written(of: &Type) -> Result<Written> {
    if let Some(of) = inner(of, "Set") {
        let elements = inner(of, "Vec");
        return Ok(Written { of: logical(elements.unwrap_or(of))?, list: elements.is_some() });
    }
    match segment(of) {
        Some(last) if last.ident == "Add" => Ok(Written { of: json!("integer"), list: false }),
        _ => Err(Error::new(of.span(), "a write must be a `Set<…>`, or an `Add` for a counter")),
    }
}

fn logical(of: &Type) -> Result<Value> {
    if let Type::Reference(reference) = of {
        return logical(&reference.elem);
    }
    let unknown = || Error::new(of.span(), "this type cannot cross the plugin boundary");
    let last = segment(of).ok_or_else(unknown)?;
    Ok(match last.ident.to_string().as_str() {
        "bool" => json!("boolean"),
        "i64" => json!("integer"),
        "f64" => json!("number"),
        "String" | "str" => json!("text"),
        "Timestamp" => json!("timestamp"),
        "CustomerRef" => json!("customer"),
        "Decimal" => json!({"decimal": scale(last)?}),
        "i8" | "i16" | "i32" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => {
            return Err(Error::new(of.span(), "use `i64` for integers"));
        }
        "f32" => return Err(Error::new(of.span(), "use `f64` for numbers")),
        _ if last.arguments.is_empty() => json!({"named": last.ident.to_string()}),
        _ => return Err(unknown()),
    })
}

fn scale(segment: &PathSegment) -> Result<u32> {
    if let PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(GenericArgument::Const(Expr::Lit(literal))) = arguments.args.first()
        && let Lit::Int(scale) = &literal.lit
    {
        return scale.base10_parse();
    }
    Err(Error::new(segment.span(), "write the scale as a number: `Decimal<2>`"))
}

/// The last segment of a type's path.
pub fn segment(of: &Type) -> Option<&PathSegment> {
    match of {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The `T` of `Outer<T>`.
pub fn inner<'t>(of: &'t Type, outer: &str) -> Option<&'t Type> {
    let last = segment(of).filter(|last| last.ident == outer)?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(of) => Some(of),
            _ => None,
        }),
        _ => None,
    }
}

/// The name by which fragments point at a type.
pub fn name(of: &Type) -> Result<String> {
    let last = segment(of).ok_or_else(|| Error::new(of.span(), "expected the name of a type"))?;
    Ok(last.ident.to_string())
}

/// `TierChanged` in words, with `between` between them.
pub fn words(name: &str, between: char) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(between);
        }
        words.push(letter);
    }
    words
}

pub fn kebab(name: &str) -> String {
    words(name, '-').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn types_of_the_code_are_types_of_the_manifest() {
        let of = |of: Type| shape(&of).map(|shape| (shape.of, shape.required)).map_err(|error| error.to_string());
        assert_eq!(of(parse_quote!(Decimal<2>)), Ok((json!({"decimal": 2}), true)));
        assert_eq!(of(parse_quote!(Option<&'a str>)), Ok((json!("text"), false)));
        assert_eq!(of(parse_quote!(Option<my::Tier>)), Ok((json!({"named": "Tier"}), false)));
        assert!(of(parse_quote!(u32)).is_err());
        assert!(of(parse_quote!(Vec<i64>)).is_err());
        let told = |of: Type| written(&of).ok().map(|written| (written.of, written.list));
        assert_eq!(told(parse_quote!(Set<Timestamp>)), Some((json!("timestamp"), false)));
        assert_eq!(told(parse_quote!(Set<Vec<String>>)), Some((json!("text"), true)));
        assert_eq!(told(parse_quote!(Add)), Some((json!("integer"), false)));
        assert!(written(&parse_quote!(i64)).is_err());
    }

    #[test]
    fn names_in_words() {
        assert_eq!(words("TierChanged", ' '), "Tier Changed");
        assert_eq!(kebab("TierChanged"), "tier-changed");
    }
}
