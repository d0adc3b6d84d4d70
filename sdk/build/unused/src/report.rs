//! The provider's reports (`SmsReport`, "HTTP batch push"): a JSON array, each entry about one number of one message.

use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use serde_json::Value;

/// The provider signs nothing: whoever holds the token of its address is believed.
#[source(name = "reports")]
pub fn reports(request: Request) -> Result<Received, Failure> {
    let token = request.parameter("token").unwrap_or_default();
    if !secrets::verify_token("report-token", &token)? {
        return Ok(Received::answered(401, "the parameter `token` of the address is missing or wrong"));
    }
    let body = request.json()?;
    let Some(entries) = body.as_array() else {
        return Err(Failure::Rejected(Reason::new("no-reports", "the body must be an array of reports")));
    };
    // As the provider wants it: with another answer, it sends them again.
    let answer = Received::answered(200, r#"{"code":0,"msg":"OK"}"#).header("Content-Type", "application/json");
    Ok(entries.iter().filter_map(report).fold(answer, Received::report))
}

/// None if it names no message.
fn report(entry: &Value) -> Option<Report> {
    let word = |name: &str| entry[name].as_str().unwrap_or_default();
    let id = Some(word("biz_id")).filter(|id| !id.is_empty())?;
    let is_delivered = entry["success"].as_bool()?;
    let report = Report::new(id, if is_delivered { "delivered" } else { "bounced" });
    // The provider's clock is Beijing's: `2017-01-01 08:00:00`.
    let at = Timestamp::parse(&format!("{}+08:00", word("report_time")));
    let report = at.map_or(report.clone(), |at| report.at(at));
    Some(if is_delivered { report } else { report.because(Reason::new(kebab(word("err_code")), word("err_msg"))) })
}

/// `MK:0001` as `mk-0001`.
fn kebab(code: &str) -> String {
    let words = code.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_ascii_lowercase).collect();
    if words.is_empty() { "not-delivered".to_owned() } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_in_kebab_case() {
        assert_eq!(
            ["MK:0001", "UNDELIV", "MOBILE_NOT_ON_SERVICE", ""].map(kebab),
            ["mk-0001", "undeliv", "mobile-not-on-service", "not-delivered"]
        );
    }
}
