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
    if let Some(params) = params {
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

/// The template's parameters, each a text.
fn read(params: &str) -> Result<Map<String, Value>, Reason> {
    let reason =
        |why: String| Reason::new("bad-params", format!("`params` must be a JSON object of texts and numbers: {why}"));
    let params: Map<String, Value> = serde_json::from_str(params).map_err(|error| reason(error.to_string()))?;
    let texts = params.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text.into())),
        Value::Number(number) => Ok((name, number.to_string().into())),
        _ => Err(reason(format!("`{name}` is neither"))),
    });
    texts.collect()
}

/// What the provider bills, as far as the message says its wording.
pub fn parts(provider: &Provider, sms: &Sms) -> u32 {
    let Some(wording) = &sms.wording else { return 1 };
    let params = sms.params.as_deref().and_then(|params| read(params).ok()).unwrap_or_default();
    let text = params.iter().fold(wording.clone(), |text, (name, value)| {
        text.replace(&format!("${mine}"), value.as_str().unwrap_or_default())
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
        let params = Some(r#"{"code": 1234}"#.to_owned());
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
    fn parameters_are_texts() {
        assert_eq!(read(r#"{"a": 1, "b": "x\"y"}"#).expect("params")["a"], "1");
        for wrong in ["", "[]", r#"{"a": null}"#, r#"{"a": {}}"#] {
            assert_eq!(read(wrong).expect_err(wrong).code, "bad-params");
        }
    }
}
