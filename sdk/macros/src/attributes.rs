//! What stands in the helper attributes of a derive, and the fields of its struct.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Field, Fields, Ident, Lit, LitInt, LitStr, Result, Token};

/// The named fields of a struct.
pub fn fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => Err(Error::new(fields.span(), "the fields need names")),
        },
        _ => Err(Error::new(input.span(), "this derive is for structs")),
    }
}

/// A named field's identifier.
pub fn ident(field: &Field) -> Result<&Ident> {
    field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "the fields need names"))
}

/// A field's name without `r#`.
pub fn name(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

pub fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.path().is_ident(name))
}

/// `read("path", bind)` or `write("path")`.
pub struct Path {
    pub path: String,
    pub bind: bool,
}

pub fn path(attribute: &Attribute) -> Result<Path> {
    attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
        let path: LitStr = input.parse()?;
        let mut bind = false;
        while input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let word: Ident = input.parse()?;
            if word != "bind" {
                return Err(Error::new(word.span(), "expected `bind`"));
            }
            bind = true;
        }
        Ok(Path { path: path.value(), bind })
    })
}

/// `field(unique, relation, relation = "…", owner, html, default = …)`.
#[derive(Default)]
pub struct FieldOptions {
    pub unique: bool,
    pub owner: bool,
    pub html: bool,
    /// The object type that the field leads to, by its name.
    pub relation: Option<String>,
    pub default: Option<Absent>,
}

/// What a field holds when it is absent.
pub enum Absent {
    OfType,
    Value(Box<Expr>),
}

pub fn field_options(field: &Field) -> Result<FieldOptions> {
    let mut options = FieldOptions::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("unique") {
                options.unique = true;
            } else if meta.path.is_ident("owner") {
                options.owner = true;
            } else if meta.path.is_ident("html") {
                options.html = true;
            } else if meta.path.is_ident("default") {
                options.default = Some(match meta.input.peek(Token![=]) {
                    true => Absent::Value(Box::new(meta.value()?.parse()?)),
                    false => Absent::OfType,
                });
            } else if !meta.path.is_ident("relation") {
                return Err(meta.error("expected unique, relation, owner, html or default"));
            } else if meta.input.peek(Token![=]) {
                options.relation = Some(meta.value()?.parse::<LitStr>()?.value());
            }
            Ok(())
        })?;
    }
    Ok(options)
}

/// `name = "…"` and `version = 1` of an attribute on a type.
#[derive(Default)]
pub struct TypeOptions {
    pub name: Option<String>,
    pub version: Option<u32>,
}

pub fn type_options(attributes: &[Attribute], attribute: &str) -> Result<TypeOptions> {
    let mut options = TypeOptions::default();
    if let Some(attribute) = find(attributes, attribute) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("version") {
                options.version = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
            } else {
                return Err(meta.error("expected name or version"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

/// `word = "text"` and `word = ["text", …]` of an attribute macro.
pub struct Arguments(Vec<(Ident, Vec<String>)>);

impl Arguments {
    pub fn parse(tokens: proc_macro2::TokenStream) -> Result<Arguments> {
        let parser = Punctuated::<syn::MetaNameValue, Token![,]>::parse_terminated;
        let pairs = syn::parse::Parser::parse2(parser, tokens)?;
        let pair = |pair: syn::MetaNameValue| Ok((pair.path.require_ident()?.clone(), texts(&pair.value)?));
        pairs.into_iter().map(pair).collect::<Result<_>>().map(Arguments)
    }

    pub fn only(&self, words: &[&str]) -> Result<()> {
        match self.0.iter().find(|(word, _)| !words.contains(&word.to_string().as_str())) {
            Some((word, _)) => Err(Error::new(word.span(), format!("expected {}", words.join(", ")))),
            None => Ok(()),
        }
    }

    pub fn texts(&self, word: &str) -> Option<&[String]> {
        self.0.iter().find(|(known, _)| known == word).map(|(_, texts)| texts.as_slice())
    }

    pub fn text(&self, word: &str) -> Option<&str> {
        self.texts(word)?.first().map(String::as_str)
    }

    pub fn required(&self, word: &str) -> Result<&str> {
        self.text(word).ok_or_else(|| Error::new(Span::call_site(), format!("`{word} = \"…\"` is missing: add it")))
    }
}

fn texts(value: &Expr) -> Result<Vec<String>> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Ok(vec![text.value()]),
            other => Err(Error::new(other.span(), "expected a text")),
        },
        Expr::Array(array) => {
            array.elems.iter().map(texts).collect::<Result<Vec<_>>>().map(|texts| texts.into_iter().flatten().collect())
        }
        // A type is told by its name.
        Expr::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident.to_string().starts_with(char::is_uppercase)) =>
        {
            Ok(path.path.segments.last().map(|last| last.ident.to_string()).into_iter().collect())
        }
        other => Err(Error::new(other.span(), "expected a text, or a list of texts or types")),
    }
}
