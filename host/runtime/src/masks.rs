//! Secrets in what comes back: found in every form in which a system may repeat one, and masked.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use std::ops::Range;

const MASK: &[u8] = b"***";
/// Shorter secrets are not masked: they would mask half of every answer.
const MASKED_FROM: usize = 4;

/// The forms of some secrets. Made once a call: they are looked for in each header and body.
#[derive(Clone, Default)]
pub struct Masks(Vec<memmem::Finder<'static>>);

impl Masks {
    pub fn of<'v>(values: impl Iterator<Item = &'v [u8]>) -> Masks {
        let mut masks = Masks::default();
        masks.add(values);
        masks
    }

    pub fn add<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>) {
        let mut found: Vec<Vec<u8>> = values.filter(|value| value.len() >= MASKED_FROM).flat_map(forms).collect();
        found.sort();
        found.dedup();
        self.0.extend(found.iter().map(|form| memmem::Finder::new(form).into_owned()));
    }

    /// Whether anything is masked in what comes back.
    pub fn are_masked(&self) -> bool {
        !self.0.is_empty()
    }

    /// How many bytes are walked over to mask so many. A form is found many times faster than a byte is hashed.
    pub fn work(&self, bytes: usize) -> usize {
        bytes.saturating_mul(1 + self.0.len() / 8)
    }

    pub fn mask(&self, bytes: Vec<u8>) -> Vec<u8> {
        let found = self.0.iter().filter(|form| form.needle().len() <= bytes.len()).flat_map(|form| {
            let length = form.needle().len();
            form.find_iter(&bytes).map(move |at| at..at + length)
        });
        let mut found: Vec<Range<usize>> = found.collect();
        if found.is_empty() {
            return bytes;
        }
        found.sort_by_key(|form| form.start);
        let (mut masked, mut copied) = (Vec::with_capacity(bytes.len()), 0);
        for form in found {
            // What overlaps is masked as one, so that of neither an end is left.
            if form.start >= copied {
                masked.extend_from_slice(&bytes[copied..form.start]);
                masked.extend_from_slice(MASK);
            }
            copied = copied.max(form.end);
        }
        masked.extend_from_slice(&bytes[copied..]);
        masked
    }

    pub fn mask_text(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        String::from_utf8_lossy(&self.mask(text.into_bytes())).into_owned()
    }
}

/// How a secret may come back: as it is, in base64 (also within a longer text), in hexadecimal, percent-encoded, escaped in
/// JSON.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![
        secret.to_vec(),
        STANDARD.encode(secret).into_bytes(),
        STANDARD_NO_PAD.encode(secret).into_bytes(),
        URL_SAFE_NO_PAD.encode(secret).into_bytes(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        percent_encode(secret).into_bytes(),
        percent_encode(secret).replace("%20", "+").into_bytes(),
        lowercase_escapes(&percent_encode(secret)).into_bytes(),
    ];
    // Behind one or two other bytes base64 falls differently; what shares a digit with a neighbour is left out.
    for (before, unsure) in [(1, 2), (2, 3)] {
        let text = STANDARD_NO_PAD.encode([&[0; 2][..before], secret].concat());
        let sure = text.len() - usize::from(!(before + secret.len()).is_multiple_of(3));
        if sure >= unsure + 2 * MASKED_FROM {
            forms.push(text.as_bytes()[unsure..sure].to_vec());
        }
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::Value::from(text).to_string();
        forms.push(json.as_bytes()[1..json.len() - 1].to_vec());
    }
    forms
}

/// Every byte that is not unreserved in a URL (RFC 3986, 2.3).
pub fn percent_encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
    }
    encoded
}

/// `%2F` as some write it: `%2f`.
fn lowercase_escapes(text: &str) -> String {
    let mut digits = 0_u8;
    let lowered = text.chars().map(|letter| {
        let is_digit = digits > 0;
        digits = if letter == '%' { 2 } else { digits.saturating_sub(1) };
        if is_digit { letter.to_ascii_lowercase() } else { letter }
    });
    lowered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_masked() {
        let secrets = Masks::of([&b"p@ss word\"1"[..]].into_iter());
        for form in forms(b"p@ss word\"1") {
            let answer = [b"<", form.as_slice(), b"> and again ", form.as_slice()].concat();
            assert_eq!(secrets.mask(answer), b"<***> and again ***");
        }
        assert_eq!(secrets.mask(b"p@ss wor".to_vec()), b"p@ss wor");
        let overlapping = Masks::of([&b"abcd"[..], b"cdef", b"aaaa"].into_iter());
        assert_eq!(overlapping.mask(b"x abcdef y aaaaaaaaa z abcdcdef".to_vec()), b"x *** y ******a z ******");
    }
}
