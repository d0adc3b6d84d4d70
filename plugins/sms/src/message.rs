//! A message as the provider's API wants it, and into how many parts it falls.

use openhub_sdk::prelude::*;
use serde_json::{Map, Value};

use crate::{Provider, Sms};

/// Characters of a message of one part, and of each part of a longer one: the provider's rule for the mainland, in which each character
/// counts as one.
const ALONE: usize = 70;
const PART: usize = 67;

/// The parameters of `SendSms`.
pub fn parameters(provider: &Provider, message: &Message<Sms>) -> Result<Vec<(&'static str, String)>, Reason> {
    let Sms { template, params, sign_name, .. } = &message.content;
    let template = template.as_ref().or(provider.template.as_ref());
    let template = template.ok_or_else(|| {
        Reason::new("no-template", "the message names no `template`, and neither does the plugin's setting")
    })?;
    let mut parameters = vec![
        ("PhoneNumbers", number(&message.address).to_owned()),
        ("SignName", sign_name.as_ref().unwrap_or(&provider.sign_name).clone()),
        ("TemplateCode", template.clone()),
        // Comes back in the report.
        ("OutId", message.idempotency_key.clone()),
    ];
    if !params.is_empty() {
        parameters.push(("TemplateParam", Value::Object(read(params)?).to_string()));
    }
    Ok(parameters)
}

/// Mobile numbers of the mainland without the code of the country, all others with it and without `+`.
fn number(address: &str) -> &str {
    let number = address.strip_prefix('+').unwrap_or(address);
    match number.strip_prefix("86") {
        Some(own) if own.len() == 11 && own.starts_with('1') => own,
        _ => number,
    }
}

/// The template's parameters, by name. What stands behind the first `=` is the value, whatever it is.
fn read(params: &[String]) -> Result<Map<String, Value>, Reason> {
    let pairs = params.iter().map(|param| {
        let pair = param.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or_else(|| Reason::new("bad-params", "each of `params` must be `name=value`"))?;
        Ok((name.to_owned(), value.into()))
    });
    pairs.collect()
}

/// What the provider bills, as far as the message says its wording.
pub fn parts(provider: &Provider, sms: &Sms) -> u32 {
    let Some(wording) = &sms.wording else { return 1 };
    let params = read(&sms.params).unwrap_or_default();
    let text = params.iter().fold(wording.clone(), |text, (name, value)| {
        text.replace(&["${", name, "}"].concat(), value.as_str().unwrap_or_default())
    });
    let sign = sms.sign_name.as_ref().unwrap_or(&provider.sign_name);
    let characters = text.encode_utf16().count() + sign.encode_utf16().count() + "【】".chars().count();
    let parts = if characters <= ALONE { 1 } else { characters.div_ceil(PART) };
    u32::try_from(parts).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(characters: usize) -> u32 {
        let provider =
            Provider {
                url: String::new(), access_key_id: String::new(), sign_name: "商店".to_owned(), template: None
            };
        // Sign and brackets are 4 characters.
        let wording = Some(format!("{}${{code}}", "码".repeat(characters - 8)));
        let params = vec!["code=1234".to_owned()];
        parts(&provider, &Sms { template: None, params, wording, sign_name: None })
    }

    #[test]
    fn long_messages_fall_into_parts() {
        assert_eq!([70, 71, 134, 135, 160].map(counted), [1, 2, 2, 3, 3]);
    }

    #[test]
    fn numbers_are_written_as_the_provider_reads_them() {
        for (address, told) in [
            ("+8613800001234", "13800001234"),
            ("13800001234", "13800001234"),
            ("+85251234567", "85251234567"),
            ("+8675512345678", "8675512345678"),
        ] {
            assert_eq!(number(address), told);
        }
    }

    #[test]
    fn a_value_is_whatever_stands_behind_its_name() {
        let read = |params: &[&str]| read(&params.iter().map(|&param| param.to_owned()).collect::<Vec<_>>());
        let params = read(&["a=1", "b=x\"y=z\nc=2", "d="]).expect("params");
        assert_eq!(Value::Object(params), serde_json::json!({"a": "1", "b": "x\"y=z\nc=2", "d": ""}));
        for wrong in ["", "a", "=1"] {
            assert_eq!(read(&["a=1", wrong]).expect_err(wrong).code, "bad-params");
        }
    }
}
