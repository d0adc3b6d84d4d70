//! Texts that strangers wrote and people read: nothing of them steers a terminal, hides what stands beside it, or reads otherwise than it is
//! written.

/// Whether a character is no letter to be read: codes for a terminal, line breaks, marks without width, and those that turn the direction
/// of reading.
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text in one line, with what [`misleads`] escaped.
pub fn plain(text: &str) -> String {
    if !text.contains(misleads) {
        return text.to_owned();
    }
    text.chars().map(|c| if misleads(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f16_a_text_is_printed_as_it_is() {
        assert_eq!(plain("a server's key: default('顾客') \\ \"x\""), "a server's key: default('顾客') \\ \"x\"");
        assert_eq!(plain("a\nb\u{1b}[2J\u{202e}"), "a\\nb\\u{1b}[2J\\u{202e}");
    }
}
