//! Closed sets of names. They travel as texts, the variant's name in kebab-case.

/// Made by `#[derive(Enum)]` on an enum without data.
pub trait Enum: Copy + 'static {
    const NAMES: &'static [&'static str];

    fn name(self) -> &'static str;
    fn named(name: &str) -> Option<Self>;
}
