//! The built component, in the hub's own runtime.

use openhub_sdk_testing::{Hub, json};

#[openhub_sdk_testing::test]
fn money_as_the_receiver_writes_it(hub: Hub) {
    let money = |locale: &str, amount: &str, currency: &str| {
        hub.function("money").locale(locale).call(&[json!(amount), json!(currency)])
    };
    assert_eq!(money("en", "1234567.5", "EUR"), "€1,234,567.50");
    assert_eq!(money("de-AT", "1234.50", "EUR"), "1.234,50\u{a0}€");
    assert_eq!(money("fr-FR", "1234.50", "EUR"), "1\u{202f}234,50\u{a0}€");
    assert_eq!(money("zh-CN", "1234.50", "CNY"), "¥1,234.50");
    assert_eq!(money("ja", "1234.50", "JPY"), "￥1,235");
    assert_eq!(money("en", "-0.05", "CHF"), "-CHF\u{a0}0.05");
    assert_eq!(money("nl", "12", "USD"), "$12.00");
    let failed = hub.function("money").try_call(&[json!("1"), json!("euro")]).expect_err("no currency");
    assert_eq!(failed.code, "bad-currency");
}

#[openhub_sdk_testing::test]
fn dates_and_times_where_the_receiver_lives(hub: Hub) {
    let at = json!("2026-01-31T23:30:00Z");
    let date =
        |locale: &str, zone: &str| hub.function("date").locale(locale).time_zone(zone).call(std::slice::from_ref(&at));
    let time =
        |locale: &str, zone: &str| hub.function("time").locale(locale).time_zone(zone).call(std::slice::from_ref(&at));
    assert_eq!(date("en", "UTC"), "January 31, 2026");
    assert_eq!(date("en-GB", "UTC"), "31 January 2026");
    assert_eq!(date("de", "Europe/Berlin"), "1. Februar 2026");
    assert_eq!(date("fr", "Europe/Paris"), "1er février 2026");
    assert_eq!(date("zh-CN", "Asia/Shanghai"), "2026年2月1日");
    assert_eq!(time("en-US", "America/New_York"), "6:30\u{202f}PM");
    assert_eq!(time("en", "Europe/London"), "11:30\u{202f}PM");
    assert_eq!(time("de", "Europe/Berlin"), "00:30");
    let failed =
        hub.function("time").time_zone("Mars/Olympus").try_call(std::slice::from_ref(&at)).expect_err("no time zone");
    assert_eq!(failed.code, "bad-time-zone");
}

#[openhub_sdk_testing::test]
fn a_row_that_fails_concerns_no_other(hub: Hub) {
    let rows = [vec![json!("1"), json!("EUR")], vec![json!("1"), json!("?")], vec![json!("2"), json!("EUR")]];
    let told = hub.function("money").rows(&rows);
    assert_eq!((told[0].clone(), told[2].clone()), (Ok(json!("€1.00")), Ok(json!("€2.00"))));
    assert_eq!(told[1].as_ref().expect_err("no currency").code, "bad-currency");
}
