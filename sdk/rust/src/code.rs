//! Codes that people read out and type in, of coupons for example: eleven characters of Crockford's base 32 and a check character.
//!
//! The check character is Luhn's mod 32, so that it stays in the alphabet (Crockford's own, mod 37, leaves it). It
//! finds every single wrong character and nearly every swap of neighbours.

/// Douglas Crockford, "Base 32": no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: usize = 11;
/// The length of a code, with its check character.
pub const LENGTH: usize = DIGITS + 1;

/// The code of a seed. Seeds that follow one another give codes that do not.
pub fn make(seed: u64) -> String {
    let mut bits = mix(seed);
    let mut digits = Vec::with_capacity(LENGTH);
    for _ in 0..DIGITS {
        digits.push((bits & 31) as u8);
        bits >>= 5;
    }
    digits.push(check(&digits));
    digits.into_iter().map(|digit| char::from(ALPHABET[usize::from(digit)])).collect()
}

/// A code as someone wrote it, in its one true form: case, hyphens and spaces do not matter, I and L are read as 1,
/// O as 0. None if it is no code.
pub fn read(text: &str) -> Option<String> {
    let mut digits = Vec::with_capacity(LENGTH);
    for letter in text.bytes().filter(|letter| !matches!(letter, b'-' | b' ')) {
        let letter = match letter.to_ascii_uppercase() {
            b'I' | b'L' => b'1',
            b'O' => b'0',
            other => other,
        };
        digits.push(ALPHABET.iter().position(|known| *known == letter)? as u8);
    }
    let (last, front) = digits.split_last()?;
    let code = || digits.iter().map(|digit| char::from(ALPHABET[usize::from(*digit)])).collect();
    (digits.len() == LENGTH && *last == check(front)).then(code)
}

/// Luhn's mod N for N = 32.
fn check(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 };
            digit / 32 + digit % 32
        })
        .sum();
    ((32 - sum % 32) % 32) as u8
}

/// The finaliser of splitmix64 (Steele, Lea, Flood, 2014): one to one.
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_made_code_is_read_as_itself() {
        let codes: HashSet<String> = (0..10_000).map(make).collect();
        assert_eq!(codes.len(), 10_000);
        assert!(codes.iter().all(|code| code.len() == LENGTH && read(code).as_ref() == Some(code)));
    }

    #[test]
    fn writing_it_otherwise_changes_nothing() {
        let code = (0..).map(make).find(|code| code.contains('1') && code.contains('0')).expect("some code has both");
        let written = code.to_lowercase().replace('1', "l").replace('0', "o");
        assert_eq!(read(&format!("{}-{} {}", &written[..4], &written[4..8], &written[8..])), Some(code));
    }

    #[test]
    fn every_single_wrong_character_is_found() {
        let code = make(7);
        for place in 0..LENGTH {
            for letter in ALPHABET {
                let mut wrong = code.clone().into_bytes();
                wrong[place] = *letter;
                let wrong = String::from_utf8(wrong).expect("ASCII");
                assert_eq!(read(&wrong).is_some(), wrong == code, "{wrong}");
            }
        }
        for text in ["", "U", "ABC", &format!("{code}0"), "ÄÖÜÄÖÜ"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
