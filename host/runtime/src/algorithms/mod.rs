//! The algorithms that plugins and manifests name by a text: the contract lists none, so that a hub can learn another one.

pub mod digest;
pub mod signing;

/// Of a name that is not one, in a message.
const NAME: usize = 64;

/// The one of this name, or a message that says which there are.
fn named<T: Copy>(all: &[(&'static str, T)], name: &str) -> Result<T, String> {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
        let (name, there) = (name.chars().take(NAME).collect::<String>(), all.iter().map(|(known, _)| *known));
        format!("this hub knows no algorithm `{name}` for this; there are: {}", there.collect::<Vec<_>>().join(", "))
    })
}
