//! Encrypted messages: AES-256-CBC, in base64. What is within is 16 random bytes, the length of the message in four bytes, the message, and
//! the account's id; all of it filled up to a multiple of 32 bytes (PKCS #7).
//!
//! From WeChat's page "Encryption and decryption of messages". Its initial vector is the key's first half, which the plugin does not know
//! and does not need: another vector changes the 16 random bytes alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_sdk::prelude::*;
use openhub_sdk::secrets;

use crate::message::bad;

const KEY: &str = "encoding-aes-key";
const RANDOM: usize = 16;
const BLOCK: usize = 32;

/// The message, if it is for this account.
pub fn open(sealed: &str, app_id: &str) -> Result<Vec<u8>, Failure> {
    let sealed = STANDARD.decode(sealed.trim()).map_err(|error| bad(format!("`Encrypt` is not base64: {error}")))?;
    let opened = secrets::aes_cbc_decrypt(KEY, &[0; 16], &sealed)?;
    unpack(&opened, app_id).map(<[u8]>::to_vec).map_err(bad)
}

fn unpack<'o>(opened: &'o [u8], app_id: &str) -> Result<&'o [u8], &'static str> {
    let broken = "the encrypted message has another form: is the key right?";
    let fill = usize::from(*opened.last().ok_or(broken)?);
    let (content, filled) = opened.split_at_checked(opened.len().wrapping_sub(fill)).ok_or(broken)?;
    if !(1..=BLOCK).contains(&fill) || filled.iter().any(|byte| usize::from(*byte) != fill) {
        return Err(broken);
    }
    let (length, rest) = content.get(RANDOM..).and_then(<[u8]>::split_first_chunk::<4>).ok_or(broken)?;
    let (message, id) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(broken)?;
    if id != app_id.as_bytes() {
        return Err("the message is for another account than the setting `app_id` says");
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(length: u32, message: &str, id: &str, fill: u8) -> Vec<u8> {
        let mut packed = vec![7; RANDOM];
        packed.extend(length.to_be_bytes());
        packed.extend_from_slice(message.as_bytes());
        packed.extend_from_slice(id.as_bytes());
        packed.extend(std::iter::repeat_n(fill, usize::from(fill)));
        packed
    }

    #[test]
    fn what_is_within_is_found_and_checked() {
        assert_eq!(unpack(&packed(6, "<xml/>", "wx1", 3), "wx1"), Ok(&b"<xml/>"[..]));
        assert_eq!(unpack(&packed(0, "", "wx1", 32), "wx1"), Ok(&b""[..]));
        assert!(unpack(&packed(6, "<xml/>", "wx2", 3), "wx1").is_err_and(|why| why.contains("another account")));
        assert!(unpack(&packed(6, "<xml/>", "wx12", 3), "wx1").is_err(), "the whole id counts");
        for wrong in [
            packed(u32::MAX, "<xml/>", "wx1", 3),
            packed(6, "<xml/>", "wx1", 33),
            packed(5, "<xml/>", "wx1", 3),
            vec![],
            vec![1],
            vec![0; 32],
            vec![16; 16],
        ] {
            assert!(unpack(&wrong, "wx1").is_err(), "{wrong:?}");
        }
        let mut uneven = packed(6, "<xml/>", "wx1", 3);
        let at = uneven.len() - 3;
        uneven[at] = 9;
        assert!(unpack(&uneven, "wx1").is_err());
    }
}
