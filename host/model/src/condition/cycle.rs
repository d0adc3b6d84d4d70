//! Segments that mention segments: a circle has no meaning.

use std::collections::BTreeSet;

/// The circle that `name` would lie in if its condition mentioned `mentions`, from `name` back to it; `of` answers which
/// segments the condition of another one mentions.
pub fn cycle(name: &str, mentions: &BTreeSet<String>, of: impl Fn(&str) -> BTreeSet<String>) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut paths: Vec<Vec<String>> = mentions.iter().map(|next| vec![name.to_owned(), next.clone()]).collect();
    while let Some(path) = paths.pop() {
        let last = path.last().map(String::as_str).unwrap_or_default();
        if last == name {
            return Some(path);
        }
        if seen.insert(last.to_owned()) {
            paths.extend(of(last).into_iter().map(|next| path.iter().cloned().chain([next]).collect()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_and_named() {
        let of = |name: &str| match name {
            "b" => BTreeSet::from(["c".to_owned(), "d".to_owned()]),
            "c" => BTreeSet::from(["a".to_owned()]),
            _ => BTreeSet::new(),
        };
        let mentions = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(cycle("a", &mentions(&["b"]), of), Some(["a", "b", "c", "a"].map(str::to_owned).to_vec()));
        assert_eq!(cycle("a", &mentions(&["a"]), of), Some(["a", "a"].map(str::to_owned).to_vec()));
        assert_eq!(cycle("a", &mentions(&["d"]), of), None);
        assert_eq!(cycle("x", &mentions(&["b"]), of), None);
    }
}
