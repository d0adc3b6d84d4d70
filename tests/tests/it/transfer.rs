//! Import and export from the command line, with the real binary: what is refused and why, what happens when either side
//! is killed, and that what was exported can be imported.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::files::{Fixture, beside, told};
use openhub_tests::hub::{Client, programs};
use openhub_tests::patience::until;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

/// Row, column and code of each refused row.
fn refused(file: &Path) -> Vec<(String, String, String)> {
    let names = ["import.row", "import.column", "import.code"];
    let lines = beside(file, "refused.jsonl");
    if file.extension().is_some_and(|ending| ending == "jsonl") {
        let text = std::fs::read_to_string(lines).expect("a list of refused rows");
        // A line that is no object is there as it was, and its reason follows.
        let rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let rows = rows.filter(|row| row.get("import.row").is_some());
        return rows.map(|row| names.map(|name| row[name].as_str().unwrap_or_default().to_owned()).into()).collect();
    }
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.flexible(true).from_path(beside(file, "refused.csv")).expect("a list of refused rows");
    let header = reader.headers().expect("a header").clone();
    let places = names.map(|name| header.iter().position(|known| known == name).expect("a column"));
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| places.map(|place| row[place].to_owned()).into()).collect()
}

fn expected(rows: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    rows.iter().map(|(row, column, code)| (row.to_string(), column.to_string(), code.to_string())).collect()
}

fn mapping_of_orders() -> Vec<&'static str> {
    let mapping = ["--user-column", "customer", "--time-column", "when", "--event", "Order Completed"];
    [&mapping[..], &["--map", "amount=properties.total:number"]].concat()
}

/// In whatever encoding, with whatever between cells, packed or not: what was a text comes back as one.
#[tokio::test]
async fn report_16_and_18_files_as_people_have_them() {
    let hub = Fixture::new().await;
    let declaration = json!({"type": "text"});
    let declared = hub.client.json(Method::PUT, "/api/v1/attributes/zip", &hub.tenant.api_key, &declaration).await;
    assert_eq!(declared.status, 200, "{}", declared.body);
    let people = ["--into", "customers", "--map", "id=identity.user_id"];
    let rows = "id,name,zip,phone_ext\n1,谢小一,10115,=\"0012\"\n2,张伟,01067,7\n3,李四,80331,=\"8\"\n";
    let gb = encoding_rs::GB18030.encode(rows).0.into_owned();
    let file = hub.file("PEOPLE.CSV", &gb);
    let (ended_well, text) = hub.import(&file, &people).await;
    assert!(!ended_well && text.contains("is not UTF-8 (line 3)") && text.contains("--encoding gb18030"), "{text}");
    assert_eq!(hub.message_ids().await, Vec::<String>::new(), "report 16: no row of it is imported");
    let (ended_well, text) = hub.import(&file, &[&people[..], &["--encoding", "gb18030"]].concat()).await;
    assert!(ended_well && text.contains("3 of 3 rows imported, 0 refused"), "{text}");
    let names = ["--format", "csv", "--fields", "identity.user_id,attribute.name,attribute.zip,attribute.phone_ext"];
    hub.client.settled(&hub.tenant.api_key).await;
    let exported = hub.export("customers", &names).await;
    let mut lines: Vec<&str> = exported.lines().skip(1).collect();
    lines.sort_unstable();
    let quoted = |text: &str| format!("\"=\"\"{text}\"\"\"");
    let expected = [
        format!("1,谢小一,{},{}", quoted("10115"), quoted("0012")),
        format!("2,张伟,{},7", quoted("01067")),
        format!("3,李四,{},{}", quoted("80331"), quoted("8")),
    ];
    assert_eq!(lines, expected);

    // What was exported, semicolons, UTF-16 and gzip: each says the same again.
    let semicolons = rows.replace(',', ";");
    let utf16: Vec<u8> =
        format!("\u{feff}{}", rows.replace(',', "\t")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, rows.as_bytes()).expect("it is packed");
    let packed = packed.finish().expect("it is packed");
    let known = "0 of 3 rows imported, 0 refused, 3 known already";
    let files: [(&str, Vec<u8>, &[&str], &str); 4] = [
        ("exported.csv", exported.clone().into_bytes(), &["--into", "customers"], "3 of 3 rows imported"),
        ("semicolons.csv", semicolons.into_bytes(), &people, "3 of 3 rows imported"),
        ("excel.txt", utf16, &people, "3 of 3 rows imported"),
        // The same text as that of the first file, whose encoding was another.
        ("people.csv.gz", packed, &people, known),
    ];
    for (name, bytes, arguments, expected) in files {
        let (ended_well, text) = hub.import(&hub.file(name, bytes), arguments).await;
        assert!(ended_well && text.contains(expected), "{name}: {text}");
        hub.client.settled(&hub.tenant.api_key).await;
        assert_eq!(hub.export("customers", &names).await, exported, "{name}");
    }
    let book = hub.file("book.csv", b"PK\x03\x04\x14\0");
    let (ended_well, text) = hub.import(&book, &people).await;
    assert!(!ended_well && text.contains("save the sheet as CSV"), "{text}");
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

/// Whether or not its attribute was declared.
#[tokio::test]
async fn report_17_what_was_a_text_comes_back_as_one() {
    let hub = Fixture::new().await;
    let traits = json!({"zip": "10115", "code": "007", "flag": "true", "n": 7});
    let said = json!({"batch": [{"type": "identify", "userId": "u", "traits": traits}]});
    hub.client.ingest("/v1/batch", &hub.tenant.api_key, &said).await;
    hub.client.settled(&hub.tenant.api_key).await;
    let names =
        ["--format", "csv", "--fields", "identity.user_id,attribute.zip,attribute.code,attribute.flag,attribute.n"];
    let exported = hub.export("customers", &names).await;
    for is_declared in [false, true] {
        let other = Fixture::new().await;
        if is_declared {
            let text = json!({"type": "text"});
            let put = other.client.json(Method::PUT, "/api/v1/attributes/zip", &other.tenant.api_key, &text).await;
            assert_eq!(put.status, 200, "{}", put.body);
        }
        let (ended_well, text) = other.import(&other.file("people.csv", &exported), &["--into", "customers"]).await;
        assert!(ended_well, "{text}");
        other.client.settled(&other.tenant.api_key).await;
        let found = other.client.get("/api/v1/customers?identity=user_id:u", &other.tenant.api_key).await.body;
        assert_eq!(found["customers"][0]["attributes"], traits, "{found}");
    }
}

/// A consent is no attribute.
#[tokio::test]
async fn report_11_a_column_of_consents_names_its_purpose() {
    let hub = Fixture::new().await;
    let people = ["--into", "customers", "--map", "id=identity.user_id"];
    let asked = hub.file("consents.csv", "id,consents\n1,granted\n");
    let (ended_well, text) = hub.import(&asked, &people).await;
    assert!(!ended_well && text.contains("consent.marketing"), "{text}");
    let asked = hub.file("asked.csv", "id,consent.marketing,seen\n1,granted,2026-01-31 12:00\n2,no,2026-01-31 12:00\n");
    let zoned = [&people[..], &["--zone", "Europe/Berlin", "--map", "seen=timestamp"]].concat();
    let (ended_well, text) = hub.import(&asked, &zoned).await;
    assert!(ended_well, "{text}");
    hub.client.settled(&hub.tenant.api_key).await;
    let customer = hub.client.get("/api/v1/customers?identity=user_id:1", &hub.tenant.api_key).await.body;
    let consent = &customer["customers"][0]["consents"]["marketing"];
    assert_eq!(consent["state"], "granted", "{customer}");
    assert_eq!(consent["at"], "2026-01-31T11:00:00Z", "{customer}");
    let denied = hub.client.get("/api/v1/customers?identity=user_id:2", &hub.tenant.api_key).await.body;
    assert_eq!(denied["customers"][0]["consents"]["marketing"]["state"], "denied", "{denied}");
    assert_eq!(customer["customers"][0]["attributes"].get("consents"), None, "{customer}");
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn each_bad_row_is_told_with_its_reason_and_the_others_are_in() {
    let hub = Fixture::new().await;
    let text = b"customer,when,amount\nada,2024-01-01,1.50\nbob,soon,2\ncyd,2024-01-02\n,2024-01-03,4\n\
        dan,2024-01-04T99:00,5\neve,2024-01-05,much\n\"fay, jr\",2024-01-06,6\n";
    let file = hub.file("orders.csv", text);
    let mapping = mapping_of_orders();
    let reasons = expected(&[
        ("2", "when", "wrong-type"),
        ("3", "", "wrong-columns"),
        ("4", "customer", "missing-identity"),
        ("5", "when", "wrong-type"),
        ("6", "amount", "wrong-type"),
    ]);
    let (ended_well, text) = hub.import(&file, &[&mapping[..], &["--dry-run"]].concat()).await;
    assert!(!ended_well && text.contains("2 of 7 rows would be imported, 5 refused"), "{text}");
    assert!(text.contains("3 × wrong-type") && !text.contains("see "), "{text}");
    assert_eq!(hub.message_ids().await, Vec::<String>::new(), "a dry run stores nothing");
    let said = text.find("3 × wrong-type") < text.find("1 × missing-identity");
    assert!(said, "the most frequent first: {text}");
    assert!(!beside(&file, "refused.csv").exists(), "a dry run writes no file");

    let (ended_well, text) = hub.import(&file, &mapping).await;
    assert!(!ended_well && text.contains("2 of 7 rows imported, 5 refused"), "{text}");
    assert_eq!((refused(&file), hub.message_ids().await.len()), (reasons, 2));
    let users = hub.export("events", &["--format", "csv", "--fields", "userId,event,timestamp,properties.total"]).await;
    let lines = "userId,event,timestamp,properties.total\nada,Order Completed,2024-01-01T00:00:00Z,1.5\n\
        \"fay, jr\",Order Completed,2024-01-06T00:00:00Z,6\n";
    assert_eq!(users, lines);

    let twice = hub.file("customers.csv", "id,city\nada,Rome\nbob,Oslo\nada,Bern\n");
    let (_, text) = hub.import(&twice, &["--into", "customers", "--map", "id=identity.user_id"]).await;
    assert!(text.contains("2 of 3 rows imported, 1 refused"), "{text}");
    assert_eq!(refused(&twice), expected(&[("3", "id", "duplicate-key")]));
    // Sent again as it is, it would overwrite the first.
    let again = beside(&twice, "refused.csv");
    let arguments = ["--into", "customers", "--map", "id=identity.user_id"];
    let (ended_well, text) = hub.import(&again, &arguments).await;
    assert!(!ended_well && text.contains("0 of 1 rows imported, 1 refused"), "newcomer14 1: {text}");
    let decided = std::fs::read_to_string(&again).expect("the list").replace("duplicate-key", "");
    std::fs::write(&again, decided).expect("it is written");
    let (ended_well, text) = hub.import(&again, &arguments).await;
    assert!(ended_well && text.contains("1 of 1 rows imported, 0 refused"), "newcomer14 1: {text}");
    let declaration = json!({"type": "integer"});
    let declared = hub.client.json(Method::PUT, "/api/v1/attributes/age", &hub.tenant.api_key, &declaration).await;
    assert_eq!(declared.status, 200, "{}", declared.body);
    let lines = "{\"id\": \"gus\", \"age\": 41}\n{\"id\": \"hal\", \"age\": \"old\"}\n{\"id\": \"ida\"}\n";
    let aged = hub.file("ages.jsonl", lines);
    let mapping = ["--into", "customers", "--map", "id=identity.user_id", "--map", "age=attribute.age"];
    for arguments in [&["--dry-run"][..], &[]] {
        let (_, text) = hub.import(&aged, &[&mapping[..], arguments].concat()).await;
        assert!(text.contains("2 of 3 rows") && text.contains("1 refused"), "{text}");
        assert!(text.contains("1 × wrong-type, the first in line 2, column `age`"), "{text}");
    }
    assert_eq!(refused(&aged), expected(&[("2", "age", "wrong-type")]));
    let (ended_well, text) = hub.import(&twice, &["--into", "customers", "--map", "name=identity.user_id"]).await;
    assert!(!ended_well && text.contains("no column `name`; there are: id, city"), "{text}");
    // Mended in place and sent again as it is.
    let list = beside(&file, "refused.csv");
    let mended =
        std::fs::read_to_string(&list).expect("the list").replace("bob,soon", "bob,2024-02-01").replace("much,", "7,");
    std::fs::write(&list, mended).expect("it is written");
    // Nothing writes over what somebody has mended.
    let mended = std::fs::read(&list).expect("the list");
    let again = [&mapping_of_orders()[..], &["--restart"]].concat();
    let (ended_well, text) = hub.import(&file, &again).await;
    assert!(!ended_well && text.contains("was changed after the import wrote it"), "{text}");
    hub.import(&file, &[&again[..], &["--dry-run"]].concat()).await;
    assert_eq!(std::fs::read(&list).expect("the list"), mended);
    let (_, text) = hub.import(&list, &mapping_of_orders()).await;
    assert!(text.contains("2 of 5 rows imported, 3 refused"), "{text}");
    assert!(text.contains("1 × wrong-columns, the first in line 3"), "what was filled up is no mended row: {text}");
    // And again, as often as somebody mends it.
    let again = beside(&list, "refused.csv");
    let (_, text) = hub.import(&again, &mapping_of_orders()).await;
    assert!(text.contains("0 of 3 rows imported, 3 refused"), "findings14 F1: {text}");
    assert_eq!(refused(&again).len(), 3);

    // Who has an address and no id, and whose address is another's.
    let mails = hub
        .file("mails.csv", "mail,id,news\nsolo@example.cn,,\nann@example.cn,1,\nann@example.cn,2,yes\nno address,3,\n");
    let mapping = ["--map", "mail=identity.email", "--map", "id=identity.user_id", "--map", "news=consent.news"];
    let (ended_well, text) = hub.import(&mails, &[&["--into", "customers"][..], &mapping].concat()).await;
    assert!(ended_well && text.contains("4 of 4 rows imported, 0 refused"), "findings14 F2: {text}");
    assert!(
        text.contains("1 × limit, the first in line 4: `ann@example.cn` (email): It belongs"),
        "findings14 F3: {text}"
    );
    assert!(text.contains("1 × invalid-identity, the first in line 5, column `mail`"), "findings14 F3: {text}");
    assert!(text.contains("1 row with a granted consent and no time"), "findings14 F10: {text}");
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn an_import_goes_on_after_a_kill_of_either_side_and_doubles_nothing() {
    const ROWS: usize = 60_000;
    let mut hub = Fixture::new().await;
    let mut text = String::from("userId,timestamp,total\n");
    for row in 0..ROWS {
        text.push_str(&format!("u{},2024-01-{:02},{}.50\n", row % 5_000, 1 + row % 28, row % 900));
    }
    let file = hub.file("orders.csv", text);
    let arguments = ["--event", "Order Completed", "--parallel", "2"];
    let path = beside(&file, "import.json");
    let rows = || {
        let state = std::fs::read_to_string(&path).unwrap_or_default();
        serde_json::from_str::<Value>(&state).unwrap_or_default()["rows"].as_u64().unwrap_or_default() as usize
    };
    let mut kills = 0;
    for victim in ["import", "hub", "import"] {
        let before = rows();
        let mut child = hub.command("import", &hub.tenant.api_key, &arguments).arg(&file).spawn().expect("it starts");
        let moved = until("the import moves on", || async { (rows() > before).then(&rows) }).await;
        match victim {
            "import" => child.kill().await.expect("the import is killed"),
            _ => {
                hub.hub.kill().await.expect("the hub is killed");
                assert!(!child.wait().await.expect("the import ends").success(), "it ends well without a hub");
                hub.hub = hub.place.serve().await;
                hub.client = Client::new(&hub.hub.url);
            }
        }
        kills += usize::from(moved < ROWS);
        println!("killed the {victim} at {moved} of {ROWS} rows");
    }
    assert!(kills >= 2, "the import was done before it could be killed");
    let (ended_well, text) = hub.import(&file, &arguments).await;
    assert!(ended_well && text.contains(&format!(" of {ROWS} rows imported, 0 refused")), "{text}");
    // Sent again as a whole, because nobody knows how far it had come.
    std::fs::remove_file(&path).expect("there is a state");
    let (ended_well, text) = hub.import(&file, &arguments).await;
    let expected = format!("0 of {ROWS} rows imported, 0 refused, {ROWS} known already");
    assert!(ended_well && text.contains(&expected), "findings14 F5: {text}");
    let ids = hub.message_ids().await;
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (ROWS, ROWS));
    let (ended_well, text) = hub.import(&file, &arguments).await;
    assert!(ended_well && text.contains("already imported"), "{text}");
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn objects_are_made_once_each_on_sqlite() {
    objects_are_made_once_each(Fixture::new().await).await;
}

#[tokio::test]
async fn objects_are_made_once_each_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    objects_are_made_once_each(Fixture::on(Some(database)).await).await;
}

async fn objects_are_made_once_each(hub: Fixture) {
    let coupon = programs().components.iter().find(|(name, _)| name == "coupon").expect("coupon is ours").1.clone();
    hub.client.enable(&hub.tenant.api_key, coupon).await;
    let mut text = String::from("person,percent\n");
    for row in 0..2_500 {
        // Every 500th is out of range.
        text.push_str(&format!("u{row},{}\n", if row % 500 == 7 { 0 } else { 1 + row % 100 }));
    }
    let file = hub.file("coupons.csv", text);
    let arguments = ["--into", "objects", "--type", "coupon", "--map", "person=field.owner:customer:user_id"];
    let (_, text) = hub.import(&file, &[&arguments[..], &["--dry-run"]].concat()).await;
    assert!(text.contains("2495 of 2500 rows would be imported, 5 refused"), "{text}");
    assert_eq!(hub.export("objects", &["--type", "coupon", "--format", "jsonl"]).await, "");
    // Two at once: whatever the one has made is known to the other.
    let other = hub.place.folder.join("other");
    let (state, list) = (beside(&other, "state"), beside(&other, "refused"));
    let paths = ["--state", state.to_str().expect("a path"), "--refused", list.to_str().expect("a path")];
    let apart = [&arguments[..], &paths].concat();
    let mut imported = 0;
    for (_, text) in <[_; 2]>::from(tokio::join!(hub.import(&file, &arguments), hub.import(&file, &apart))) {
        assert!(text.contains(" of 2500 rows imported, 5 refused"), "{text}");
        imported += text.split(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("how many were imported");
    }
    assert_eq!(imported, 2_495, "what one of them made is known to the other");
    let refused = refused(&file);
    assert_eq!((refused.len(), refused[0].0.as_str(), refused[0].1.as_str()), (5, "8", "percent"), "{refused:?}");
    for ending in ["import.json", "refused.csv"] {
        std::fs::remove_file(beside(&file, ending)).expect("it is there");
    }
    let (_, text) = hub.import(&file, &arguments).await;
    assert!(text.contains("0 of 2500 rows imported, 5 refused, 2495 known already"), "{text}");
    let fields = ["--type", "coupon", "--format", "csv", "--fields", "key,field.code,customer,field.percent"];
    let coupons = hub.export("objects", &fields).await;
    let rows: Vec<&str> = coupons.lines().skip(1).collect();
    assert_eq!(rows.len(), 2_495, "sent again, an object is not made again");

    // What was exported is there already: nothing is made twice, and a key that has other fields is refused.
    for name in ["exported.csv", "exported.jsonl"] {
        let format = name.split('.').next_back().expect("an ending");
        let usual = hub.export("objects", &["--type", "coupon", "--format", format]).await;
        let (ended_well, text) = hub.import(&hub.file(name, usual), &["--into", "objects", "--type", "coupon"]).await;
        assert!(
            ended_well && text.contains("0 of 2495 rows imported, 0 refused, 2495 known already"),
            "{name}: {text}"
        );
        assert_eq!(hub.export("objects", &fields).await, coupons, "{name}");
    }
    let first: Vec<&str> = rows[0].split(',').collect();
    let other = format!("id,percent,owner\n{},99,{}\n", first[0], first[2]);
    let other = hub.file("other.csv", other);
    hub.import(&other, &["--into", "objects", "--type", "coupon", "--map", "id=key"]).await;
    assert_eq!(self::refused(&other), expected(&[("1", "id", "not-unique")]));
    let made_up = hub.file("made-up.csv", format!("key,percent,owner\nmine,99,{}\n", first[2]));
    hub.import(&made_up, &["--into", "objects", "--type", "coupon"]).await;
    assert_eq!(self::refused(&made_up), expected(&[("1", "key", "wrong-key")]), "a coupon's key is its code");

    // A code that exists, and one that stands there twice: each refused by its row.
    let cells: Vec<Vec<&str>> = rows.iter().take(3).map(|row| row.split(',').collect()).collect();
    let taken = json!({"code": cells[0][1], "percent": 5, "owner": cells[0][2]});
    let lines = format!("{taken}\n{}\n", json!({"percent": 5, "owner": {"kind": "user_id", "value": "u1"}}));
    let again = hub.file("again.jsonl", lines);
    let (_, text) = hub.import(&again, &["--into", "objects", "--type", "coupon"]).await;
    assert!(text.contains("1 of 2 rows imported, 1 refused"), "{text}");
    assert_eq!(self::refused(&again), expected(&[("1", "code", "not-unique")]));
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn what_was_exported_is_imported() {
    let hub = Fixture::new().await;
    let events: Vec<Value> = (0..300)
        .flat_map(|n| {
            let (user, day) = (format!("u{n}"), 1 + n % 28);
            let traits = json!({"email": format!("u{n}@example.com"), "city": "深圳, \"Nanshan\"", "n": n});
            [
                json!({"type": "identify", "userId": user, "timestamp": format!("2026-01-{day:02}T00:00:00Z"), "traits": traits,
                    "tags": {"vip": n % 3 == 0}}),
                json!({"type": "track", "event": "Seen", "userId": user, "timestamp": format!("2026-02-{day:02}T00:00:00Z"),
                    "properties": {"page": {"path": "/a,b"}, "n": n}}),
            ]
        })
        .collect();
    // By a server's key: the word of a browser's claims no address.
    let sent = hub.client.ingest("/v1/batch", &hub.tenant.api_key, &json!({"batch": events})).await;
    assert_eq!(sent.body, json!({"success": true}));
    hub.client.settled(&hub.tenant.api_key).await;

    let customers =
        ["--format", "csv", "--fields", "identity.user_id,identity.email,attribute.city,attribute.n,tag.vip"];
    let log = ["--format", "jsonl"];
    let (by_fields, by_log) = (hub.export("customers", &customers).await, hub.export("events", &log).await);
    let usual = hub.export("customers", &["--format", "jsonl"]).await;
    for (name, text, into) in [
        ("log.jsonl", &by_log, "events"),
        ("fields.csv", &by_fields, "customers"),
        ("usual.jsonl", &usual, "customers"),
    ] {
        let other = Fixture::new().await;
        let (ended_well, told) = other.import(&other.file(name, text), &["--into", into]).await;
        assert!(ended_well, "{name}: {told}");
        other.client.settled(&other.tenant.api_key).await;
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let there = other.export("customers", &customers).await;
        assert_eq!(sorted(&there), sorted(&by_fields), "{name}");
        if into == "events" {
            assert_eq!(other.export("events", &log).await, by_log);
        }
    }
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

/// What one tenant has taken says nothing of another.
#[tokio::test]
async fn a_file_goes_into_two_tenants() {
    let hub = Fixture::new().await;
    let other = hub.place.create_tenant("second", "live").await.expect("a tenant is made");
    let file = hub.place.folder.join("two.csv");
    std::fs::write(&file, "userId,event,v\na,Two,1\nb,Two,2\n").expect("a file");
    let (ended_well, text) = hub.import(&file, &[]).await;
    assert!(ended_well && text.contains("2 of 2 rows"), "{text}");
    let (_, text) = hub.import(&file, &[]).await;
    assert!(text.contains("2 of 2 rows were already imported"), "{text}");
    let mut command = hub.command("import", &other.api_key, &[]);
    let (ended_well, text) = told(command.arg(&file).output().await.expect("the binary runs"));
    assert!(ended_well && text.contains("from its first row on") && !text.contains("already"), "{text}");
    hub.client.settled(&other.api_key).await;
    assert_eq!(hub.client.rows("/api/v1/events?name=Two", "events", &other.api_key).await.len(), 2);
    let (ended_well, text) = told(hub.command("import", "oh_unknown", &[]).arg(&file).output().await.expect("it runs"));
    assert!(!ended_well, "an unknown key is told: {text}");
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

/// Amounts as one country writes them are told before the first row is sent, with the option that reads them.
#[tokio::test]
async fn amounts_in_another_notation_are_noticed() {
    let hub = Fixture::new().await;
    let rows = "id;amount;zip;ip\n1;1.234,56;01067;10.0.0.1\n2;99;10115;10.0.0.2\n3;10,50;80331;10.0.0.3\n";
    let people = ["--into", "customers", "--map", "id=identity.user_id"];
    let file = hub.file("amounts.csv", rows);
    let (ended_well, text) = hub.import(&file, &[&people[..], &["--dry-run"]].concat()).await;
    assert!(ended_well, "{text}");
    let told =
        "the column `amount` has 2 values like `1.234,56`, which will be taken for texts: with `--decimal comma` they";
    assert!(text.contains(told) && text.contains("which was taken for texts"), "{text}");
    assert!(text.contains("`zip` has 1 value like `01067`") && !text.contains("`ip`"), "{text}");
    let (ended_well, text) = hub.import(&file, &[&people[..], &["--decimal", "comma"]].concat()).await;
    assert!(ended_well && !text.contains("`amount`") && !text.contains("`ip`"), "{text}");
    hub.client.settled(&hub.tenant.api_key).await;
    let amounts = async |id: &str| {
        let found = hub.client.get(&format!("/api/v1/customers?identity=user_id:{id}"), &hub.tenant.api_key).await.body;
        found["customers"][0]["attributes"].clone()
    };
    assert_eq!(amounts("1").await, json!({"amount": 1234.56, "zip": "01067", "ip": "10.0.0.1"}));
    assert_eq!(amounts("2").await["amount"], 99);
    assert_eq!(amounts("3").await["amount"], 10.5);
    // A declared number is read in the notation, too.
    let number = json!({"type": "number"});
    let declared = hub.client.json(Method::PUT, "/api/v1/attributes/sum", &hub.tenant.api_key, &number).await;
    assert_eq!(declared.status, 200, "{}", declared.body);
    let english = hub.file("english.csv", "id,sum,count\n4,\"1,234.56\",\"12,345\"\n");
    let (ended_well, text) = hub.import(&english, &[&people[..], &["--dry-run"]].concat()).await;
    assert!(!ended_well && text.contains("use `--decimal point`"), "{text}");
    let (ended_well, text) = hub.import(&english, &[&people[..], &["--decimal", "point"]].concat()).await;
    assert!(ended_well, "{text}");
    hub.client.settled(&hub.tenant.api_key).await;
    assert_eq!(amounts("4").await, json!({"sum": 1234.56, "count": 12345}));
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

/// Objects go from hub to hub with their owners, whose ids are each hub's own.
#[tokio::test]
async fn objects_find_their_owners_in_another_hub() {
    let coupon = programs().components.iter().find(|(name, _)| name == "coupon").expect("coupon is ours").1.clone();
    let hub = Fixture::new().await;
    hub.client.enable(&hub.tenant.api_key, coupon.clone()).await;
    let people = json!({"batch": [{"type": "identify", "userId": "a:b"}, {"type": "identify", "userId": "u2"}]});
    assert_eq!(hub.client.ingest("/v1/batch", &hub.tenant.api_key, &people).await.body, json!({"success": true}));
    hub.client.settled(&hub.tenant.api_key).await;
    let rows = "person,percent\na:b,5\nu2,7\n";
    let objects = ["--into", "objects", "--type", "coupon"];
    let wrong = hub.file("wrong.csv", "owner,percnt,colour\nuser_id:u2,5,red\n");
    let (ended_well, text) = hub.import(&wrong, &objects).await;
    assert!(
        !ended_well && text.contains("the column `percnt` (did you mean `percent`?), the column `colour`"),
        "{text}"
    );
    assert!(text.contains("There are: ") && text.contains("percent") && text.contains("`--map percnt=-`"), "{text}");
    assert_eq!(hub.export("objects", &["--type", "coupon", "--format", "jsonl"]).await, "");
    let mapped = [&objects[..], &["--map", "person=field.owner:customer:user_id"]].concat();
    let (ended_well, text) = hub.import(&hub.file("coupons.csv", rows), &mapped).await;
    assert!(ended_well && text.contains("2 of 2 rows imported"), "{text}");
    let fields = ["--type", "coupon", "--format", "csv", "--fields", "field.owner,field.percent"];
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let owners = sorted(&hub.export("objects", &fields).await);
    assert_eq!(owners, ["field.owner,field.percent", "user_id:a:b,5", "user_id:u2,7"]);
    for name in ["objects.csv", "objects.jsonl", "fields.csv"] {
        let format = name.split('.').next_back().expect("an ending");
        let usual = match name {
            "fields.csv" => {
                hub.export(
                    "objects",
                    &["--type", "coupon", "--excel", "--fields", "key,field.code,field.owner,field.percent"],
                )
                .await
            }
            _ => hub.export("objects", &["--type", "coupon", "--format", format]).await,
        };
        let other = Fixture::new().await;
        other.client.enable(&other.tenant.api_key, coupon.clone()).await;
        other.client.ingest("/v1/batch", &other.tenant.api_key, &people).await;
        other.client.settled(&other.tenant.api_key).await;
        let (ended_well, text) = other.import(&other.file(name, usual), &objects).await;
        assert!(ended_well && text.contains("2 of 2 rows imported, 0 refused"), "{name}: {text}");
        assert_eq!(sorted(&other.export("objects", &fields).await), owners, "{name}");
        let found = other.client.get("/api/v1/customers?identity=user_id:u2", &other.tenant.api_key).await.body;
        let id = found["customers"][0]["id"].as_str().expect("an id").to_owned();
        let mine = other
            .export("objects", &["--type", "coupon", "--format", "csv", "--fields", "field.percent", "--customer", &id])
            .await;
        assert_eq!(mine, "field.percent\n7\n", "{name}");
        assert!(other.hub.stop().await.expect("the hub ends").success());
    }
    // Whoever may not read customers is told no identity.
    let key = hub.place.command(&["key", "create", "test-live", "--scope", "objects:read"]).output().await;
    let key = String::from_utf8(key.expect("the binary runs").stdout).expect("it is UTF-8");
    let blind = hub
        .client
        .get("/api/v1/export/objects?kind=coupon&fields=field.owner&format=csv", key.lines().next().expect("a key"))
        .await;
    assert!(blind.status.is_success() && !blind.body.to_string().contains("user_id"), "{blind:?}");
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

/// For people with Excel: nothing is computed there, and an import takes each text back as it was.
#[tokio::test]
async fn what_was_exported_for_excel_comes_back() {
    let hub = Fixture::new().await;
    let texts = [
        "=1+1",
        "+49170",
        "-5",
        "@SUM(A1)",
        "\ttab",
        "\rreturn",
        "=\"x\" \"y\"",
        "0123",
        "12345678901234567",
        "plain; \"q\"",
    ];
    let long = format!("=\"{}", "long ".repeat(200));
    let person = |text: &str| {
        let traits = json!({"note": text, "number": -5, "city": "Zürich"});
        json!({"type": "identify", "userId": text, "traits": traits})
    };
    // A line end is trimmed at the ends of an identity, so that these are told by what follows.
    let people: Vec<Value> = texts.iter().map(|text| person(text)).chain([person(&long[..200])]).collect();
    let batch = json!({"batch": people});
    let sent = hub.client.ingest("/v1/batch", &hub.tenant.api_key, &batch).await;
    assert_eq!(sent.body, json!({"success": true}));
    hub.client.settled(&hub.tenant.api_key).await;
    let fields = "identity.user_id,attribute.note,attribute.number,attribute.city";
    let plain = ["--format", "jsonl", "--fields", fields];
    let before = hub.export("customers", &plain).await;
    let excel = hub.export("customers", &["--excel", "--fields", fields]).await;
    assert!(excel.starts_with(&format!("\u{feff}{}\n", fields.replace(',', ";"))), "{excel}");
    assert!(excel.contains(";-5;Zürich\n"), "a number is none of these texts: {excel}");
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(excel.as_bytes());
    for row in reader.records() {
        for cell in row.expect("a row").iter() {
            let is_computed =
                cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !cell.starts_with("=\"") && cell != "-5";
            assert!(!is_computed, "{cell}");
        }
    }
    let other = ["--format", "csv", "--bom", "--delimiter", "tab", "--fields", fields];
    let tabs = hub.export("customers", &other).await;
    assert!(tabs.starts_with(&format!("\u{feff}{}\n", fields.replace(',', "\t"))), "{tabs}");
    let elsewhere = Fixture::new().await;
    let (ended_well, told) = elsewhere.import(&elsewhere.file("people.csv", &excel), &["--into", "customers"]).await;
    assert!(ended_well && told.contains("11 of 11 rows imported"), "{told}");
    elsewhere.client.settled(&elsewhere.tenant.api_key).await;
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&elsewhere.export("customers", &plain).await), sorted(&before));
    // What is told at the end counts customers, and lines.
    let counted = hub.command("export", &hub.tenant.api_key, &["customers", "-", "--excel"]).output().await;
    let told = String::from_utf8(counted.expect("the binary runs").stderr).expect("it is UTF-8");
    assert!(told.contains("11 customers in 12 lines, "), "{told}");
    let mut refused = hub.command("export", &hub.tenant.api_key, &["customers", "-", "--format", "jsonl", "--bom"]);
    let (ended_well, told) = self::told(refused.output().await.expect("the binary runs"));
    assert!(!ended_well && told.contains("only a CSV has"), "{told}");
    for fixture in [hub, elsewhere] {
        assert!(fixture.hub.stop().await.expect("the hub ends").success());
    }
}

/// Of a number the last digit counts, too: through log and state, in events, attributes and objects.
async fn numbers_go_out_as_they_came_in(hub: Fixture) {
    let numbers = [
        "0.30000000000000004",
        "59.970000000000006",
        "122.416294033786585",
        "1.7976931348623157e308",
        "5e-324",
        "-0.1",
        "2.2250738585072011e-308",
        "9007199254740993",
        "18446744073709551615",
        "29.33",
    ];
    let members: Vec<String> =
        numbers.iter().enumerate().map(|(index, number)| format!("\"n{index}\":{number}")).collect();
    let members = members.join(",");
    let body = format!(
        r#"{{"batch":[{{"type":"identify","userId":"u","traits":{{{members}}}}},
            {{"type":"track","event":"Seen","userId":"u","properties":{{{members}}}}}]}}"#
    );
    let request = hub.client.request(Method::POST, "/v1/batch").basic_auth(&hub.tenant.api_key, Some(""));
    let sent = hub.client.send(request.body(body)).await;
    assert_eq!(sent.body, json!({"success": true}));
    hub.client.settled(&hub.tenant.api_key).await;
    let columns = |place: &str| (0..numbers.len()).map(|n| format!("{place}.n{n}")).collect::<Vec<_>>().join(",");
    for (what, place, more) in [("customers", "attribute", &[][..]), ("events", "properties", &["--name", "Seen"])] {
        let fields = columns(place);
        let csv = hub.export(what, &[&["--format", "csv", "--fields", &fields], more].concat()).await;
        let written: Vec<&str> = csv.lines().nth(1).expect("a row").split(',').collect();
        let doubles = |texts: &[&str]| texts.iter().map(|text| text.parse::<f64>().expect(text)).collect::<Vec<_>>();
        assert_eq!(doubles(&written), doubles(&numbers), "{what}");
        // As programs write a number, it comes back in the same digits; where a double has fewer, in these.
        assert_eq!((written[0], written[1], written[7], written[8]), (numbers[0], numbers[1], numbers[7], numbers[8]));
        let lines = hub.export(what, &[&["--format", "jsonl"], more].concat()).await;
        assert!(lines.contains("0.30000000000000004") && lines.contains("59.970000000000006"), "{lines}");
    }
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn numbers_go_out_as_they_came_in_on_sqlite() {
    numbers_go_out_as_they_came_in(Fixture::new().await).await;
}

#[tokio::test]
async fn numbers_go_out_as_they_came_in_on_postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let database = server.database().await.expect("a database");
    numbers_go_out_as_they_came_in(Fixture::on(Some(database)).await).await;
}

#[tokio::test]
async fn json_lines_are_refused_as_they_are_and_mended_there() {
    let hub = Fixture::new().await;
    let bad = ["{\"userId\": \"a\", \"event\": \"E\", \"event\": \"F\"}", "{\"userId\": \"b\", \"event\": \"E\""];
    let good = "{\"userId\": \"c\", \"event\": \"E\", \"timestamp\": 1767225600}";
    let file = hub.file("lines.jsonl", format!("{}\n{}\n{good}\n", bad[0], bad[1]));
    let (_, text) = hub.import(&file, &[]).await;
    assert!(text.contains("1 of 3 rows imported, 2 refused"), "{text}");
    let times = hub.export("events", &["--format", "csv", "--fields", "userId,timestamp"]).await;
    assert_eq!(times, "userId,timestamp\nc,2026-01-01T00:00:00Z\n");
    assert_eq!(refused(&file), expected(&[("1", "", "repeated-field"), ("2", "", "invalid-json")]));
    let list = beside(&file, "refused.jsonl");
    let text = std::fs::read_to_string(&list).expect("the list");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(bad[0].trim_end_matches('}')) && lines[1] == bad[1], "{text}");
    let mended = text.replace(", \"event\": \"F\"", "").replace(bad[1], &format!("{}}}", bad[1]));
    std::fs::write(&list, mended).expect("it is written");
    let (ended_well, text) = hub.import(&list, &[]).await;
    assert!(ended_well && text.contains("2 of 2 rows imported, 0 refused"), "{text}");

    for (name, text) in
        [("list.json", "[\n{\"userId\": \"a\"},\n{\"userId\": \"b\"}\n]\n"), ("one.json", "{\n  \"a\": 1\n}\n")]
    {
        let (ended_well, told) = hub.import(&hub.file(name, text), &[]).await;
        assert!(!ended_well && told.contains("write one JSON object a line"), "{told}");
    }
    assert!(hub.hub.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn rows_of_the_future_are_counted() {
    let hub = Fixture::new().await;
    let file =
        hub.file("orders.csv", "customer,when,amount\nc1,2999-01-01,1\nc2,2026-01-01,2\nc3,2998-12-31T00:00:00Z,3\n");
    let (ended_well, text) = hub.import(&file, &mapping_of_orders()).await;
    assert!(ended_well && text.contains("2 rows had a time in the future; they count from now"), "{text}");
}

#[tokio::test]
async fn consents_that_were_exported_are_imported_with_their_time() {
    let hub = Fixture::new().await;
    let consents = json!({"news": {"state": "granted"}, "mail/email": {"state": "denied"}});
    let said =
        |user: &str, at: &str| json!({"type": "identify", "userId": user, "timestamp": at, "consents": consents});
    let batch = json!({"batch": [said("a", "2026-01-01T00:00:00Z"), said("b", "2026-02-01T00:00:00Z")]});
    assert_eq!(hub.client.ingest("/v1/batch", &hub.tenant.api_key, &batch).await.body, json!({"success": true}));
    hub.client.settled(&hub.tenant.api_key).await;
    let columns = ["--format", "csv", "--fields", "identity.user_id,consent.news,consent.mail/email"];
    let timed = ["--format", "jsonl", "--fields", "identity.user_id,consent.news,timestamp"];
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for (name, fields) in [("consents.csv", columns), ("news.jsonl", timed)] {
        let exported = hub.export("customers", &fields).await;
        let other = Fixture::new().await;
        let (ended_well, told) = other.import(&other.file(name, &exported), &["--into", "customers"]).await;
        assert!(ended_well, "{name}: {told}");
        other.client.settled(&other.tenant.api_key).await;
        let exported = sorted(exported);
        assert_eq!(sorted(other.export("customers", &fields).await), exported, "{name}");
        assert!(exported[0].contains("granted"), "{name}: {exported:?}");
    }
    // By default JSON Lines have them all, each with its own time, and whatever else was recorded.
    let later = json!({"text": {"state": "granted", "source": "form", "text_version": "3"}, "mail/email": {"state": "granted"}});
    let later =
        json!({"batch": [{"type": "identify", "userId": "a", "timestamp": "2026-03-01T00:00:00Z", "consents": later}]});
    assert_eq!(hub.client.ingest("/v1/batch", &hub.tenant.api_key, &later).await.body, json!({"success": true}));
    hub.client.settled(&hub.tenant.api_key).await;
    let all = ["--format", "jsonl", "--fields", "identity.user_id,consents"];
    let exported = sorted(hub.export("customers", &all).await);
    for part in ["2026-01-01", "2026-03-01", "\"form\"", "text_version"] {
        assert!(exported.concat().contains(part), "{part}: {exported:?}");
    }
    let other = Fixture::new().await;
    let usual = other.file("usual.jsonl", hub.export("customers", &["--format", "jsonl"]).await);
    let (ended_well, told) = other.import(&usual, &["--into", "customers"]).await;
    assert!(ended_well && told.contains("2 of 2 rows imported, 0 refused"), "{told}");
    other.client.settled(&other.tenant.api_key).await;
    assert_eq!(sorted(other.export("customers", &all).await), exported);
}

#[tokio::test]
async fn a_type_is_declared_from_a_file_and_its_objects_go_out_and_come_back() {
    let hub = Fixture::new().await;
    let call = async |hub: &Fixture, arguments: &[&str]| {
        let mut command = hub.command("object-type", &hub.tenant.api_key, arguments);
        told(command.output().await.expect("the binary runs"))
    };
    let mut declaration = json!({"title": {"en": "Store", "zh": "门店"}, "key": "code", "fields": [
        {"name": "code", "type": "text", "required": true},
        {"name": "size", "type": "text"},
        {"name": "status", "type": {"enum": ["open", "closed"]}, "default": "open"},
    ]});
    let put = async |hub: &Fixture, declaration: &Value, flags: &[&str]| {
        let file = hub.file("store.json", declaration.to_string());
        let file = file.to_str().expect("a path").to_owned();
        call(hub, &[&["put", "store", &file], flags].concat()).await
    };
    let declared = put(&hub, &declaration, &[]).await;
    assert_eq!(declared, (true, "declared store, version 1\n".to_owned()));
    let (_, listed) = call(&hub, &["list"]).await;
    assert!(listed.contains("store") && listed.contains("admin") && listed.contains("3 fields"), "{listed}");
    let (_, schema) = call(&hub, &["show", "store", "--schema"]).await;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    assert_eq!(schema["required"], json!(["code"]));
    let rows = hub.file("stores.csv", "code,size,status\nS1,40,closed\nS2,many,\nS3,7,ajar\n");
    let (ended_well, text) = hub.import(&rows, &["--into", "objects", "--type", "store"]).await;
    assert!(!ended_well && text.contains("2 of 3 rows imported, 1 refused"), "{text}");

    // What was written is what is read.
    let exported = hub
        .export("objects", &["--type", "store", "--format", "csv", "--fields", "field.code,field.size,field.status"])
        .await;
    assert_eq!(exported.lines().count(), 3, "{exported}");
    let other = Fixture::new().await;
    assert!(put(&other, &declaration, &[]).await.0);
    let whole = hub
        .export(
            "objects",
            &["--type", "store", "--format", "csv", "--fields", "key,field.code,field.size,field.status"],
        )
        .await;
    let (ended_well, text) =
        other.import(&other.file("stores.csv", &whole), &["--into", "objects", "--type", "store"]).await;
    assert!(ended_well && text.contains("2 of 2 rows imported, 0 refused"), "{text}");
    let again = other
        .export(
            "objects",
            &["--type", "store", "--format", "csv", "--fields", "key,field.code,field.size,field.status"],
        )
        .await;
    assert_eq!(again, whole);

    // Another version, tried before it is made.
    declaration["fields"][1]["type"] = json!("integer");
    let (ended_well, text) = put(&hub, &declaration, &[]).await;
    assert!(!ended_well && text.contains("/fields/1/type narrows"), "{text}");
    declaration["migrate"] = json!({"size": {"convert": true}});
    let (ended_well, text) = put(&hub, &declaration, &["--dry-run"]).await;
    assert!(!ended_well && text.contains("1 do not fit at /size") && text.contains("(S2)"), "{text}");
    declaration["migrate"] = json!({"size": {"convert": true, "map": {"many": 100}}});
    assert_eq!(
        put(&hub, &declaration, &["--dry-run"]).await,
        (true, "2 objects, of which 2 would be written anew\n".to_owned())
    );
    assert_eq!(put(&hub, &declaration, &[]).await, (true, "declared store, version 2\n".to_owned()));
    let converted =
        hub.export("objects", &["--type", "store", "--format", "csv", "--fields", "field.code,field.size"]).await;
    assert!(converted.contains("S1,40") && converted.contains("S2,100"), "{converted}");
    assert!(!call(&hub, &["remove", "store"]).await.0, "there are objects");
}

/// What a first user found: rows as a spreadsheet saves them again, and columns that nobody named.
#[tokio::test]
async fn user14_a_list_of_refused_rows_is_mended_in_a_spreadsheet() {
    let hub = Fixture::new().await;
    let people = ["--into", "customers", "--map", "id=identity.user_id"];
    let file = hub.file("ragged.csv", "id,name\nu1,Anna\nu2,Ben,extra\n,\nu3,Cy\n");
    let (ended_well, text) = hub.import(&file, &people).await;
    assert!(!ended_well && text.contains("2 of 3 rows imported, 1 refused"), "a row of nothing is no row: {text}");
    assert_eq!(refused(&file), expected(&[("2", "", "wrong-columns")]));
    let list = beside(&file, "refused.csv");
    let written = std::fs::read_to_string(&list).expect("the list").replace(", but", " but");
    // A spreadsheet writes each row with as many cells as the longest has.
    let width = written.lines().map(|line| line.matches(',').count()).max().unwrap_or_default();
    let padded = |text: &str| -> String {
        text.lines()
            .map(|line| format!("{line}{}\n", ",".repeat(width.saturating_sub(line.matches(',').count()))))
            .collect()
    };
    assert_eq!(written.lines().next().map(|header| header.matches(',').count() + 1), Some(width), "{written}");
    let saved = hub.file("ragged.csv.refused.csv", padded(&written));
    let (ended_well, text) = hub.import(&saved, &people).await;
    assert!(!ended_well && text.contains("0 of 1 rows imported, 1 refused"), "{text}");
    assert!(text.contains("clear its `import.code`"), "{text}");
    // The code is cleared, and the cell that was too many is still there, in a column without a name.
    let cleared = std::fs::read_to_string(&saved).expect("the list").replace("wrong-columns", "");
    std::fs::write(&saved, &cleared).expect("it is written");
    let (ended_well, text) = hub.import(&saved, &people).await;
    assert!(!ended_well && text.contains("column 9 has no name in the header, but `extra` in this row"), "{text}");
    std::fs::write(&saved, cleared.replace(",extra", ",")).expect("it is written");
    let (ended_well, text) = hub.import(&saved, &people).await;
    assert!(ended_well && text.contains("1 of 1 rows imported, 0 refused"), "{text}");
    hub.client.settled(&hub.tenant.api_key).await;
    let ben = hub.client.get("/api/v1/customers?identity=user_id:u2", &hub.tenant.api_key).await;
    assert_eq!(ben.body["customers"][0]["attributes"], json!({"name": "Ben"}), "{}", ben.body);

    // The original may be mended, too: what was mended in the list is imported.
    let file = hub.file("ragged.csv", "id,name\nu1,Anna\nu2,Ben\n,late\n");
    let (ended_well, text) = hub.import(&file, &people).await;
    assert!(!ended_well && text.contains("2 of 3 rows imported, 1 refused"), "user14 14: {text}");
    assert_eq!(refused(&file), expected(&[("3", "id", "missing-identity")]));
    for (name, told) in [("empty.csv", "is empty"), ("empty.jsonl", "is empty"), ("blank.csv", "has no header")] {
        let empty = hub.file(name, if name == "blank.csv" { "\n\n" } else { "" });
        let (ended_well, text) = hub.import(&empty, &people).await;
        assert!(!ended_well && text.contains(told), "{name}: {text}");
    }
    let (ended_well, text) = hub.import(&hub.file("none.csv", "id,name\n"), &people).await;
    assert!(ended_well && text.contains("the file has no rows"), "{text}");
    let (ended_well, text) = hub.import(Path::new("-"), &[&people[..], &["--format", "csv"]].concat()).await;
    assert!(
        !ended_well && text.contains("an import reads its file more than once: write it to a file first"),
        "{text}"
    );
}

/// Postcodes, and what a German spreadsheet writes for true.
#[tokio::test]
async fn user14_a_mixture_of_texts_and_numbers_is_told() {
    let hub = Fixture::new().await;
    let people = ["--into", "customers", "--map", "id=identity.user_id", "--map", "news=consent.news"];
    let file = hub.file("plz.csv", "id;PLZ;vip;news\n1;=\"01067\";WAHR;yes\n2;10115;FALSCH;no\n;80331;WAHR;yes\n");
    for arguments in [&["--dry-run"][..], &[]] {
        let (_, text) = hub.import(&file, &[&people[..], arguments].concat()).await;
        assert!(
            text.contains("`PLZ` has 1 value like `01067`, which will be taken for texts, and 2 values like `10115`"),
            "{text}"
        );
        assert!(text.contains("3 values like `WAHR`") && text.contains("`--map vip=…:boolean`"), "{text}");
        assert!(text.contains("1 row with a granted consent and no time"), "a row that is refused is none: {text}");
    }
    let typed = ["--map", "PLZ=attribute.PLZ:text", "--map", "vip=tag.vip"];
    let (_, text) = hub.import(&file, &[&people[..], &typed].concat()).await;
    assert!(text.contains("2 of 3 rows imported, 1 refused") && !text.contains("like `01067`"), "{text}");
    hub.client.settled(&hub.tenant.api_key).await;
    let names = ["--format", "jsonl", "--fields", "identity.user_id,attribute.PLZ,tag.vip"];
    let rows: Vec<Value> =
        hub.export("customers", &names).await.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(rows.iter().any(|row| row["attribute.PLZ"] == "10115" && row["tag.vip"] == false), "{rows:?}");
    assert!(rows.iter().any(|row| row["attribute.PLZ"] == "01067" && row["tag.vip"] == true), "{rows:?}");
}

/// What an export wrote, an import passes over, decimals too; of another object of the key it says which fields are others.
#[tokio::test]
async fn user14_objects_come_back_from_a_csv_file_and_are_known() {
    let hub = Fixture::new().await;
    let shape = json!({"title": {"en": "Price"}, "fields": [
        {"name": "amount", "type": {"decimal": 2}}, {"name": "code", "type": "text", "unique": true},
    ]});
    let declared = hub.client.json(Method::PUT, "/api/v1/object-types/price", &hub.tenant.api_key, &shape).await;
    assert_eq!(declared.status, 200, "{}", declared.body);
    let into = ["--into", "objects", "--type", "price"];
    let rows = hub
        .file("prices.jsonl", "{\"key\":\"p1\",\"amount\":\"3.50\",\"code\":\"a\"}\n{\"key\":\"p2\",\"code\":\"b\"}\n");
    let (_, text) = hub.import(&rows, &into).await;
    assert!(text.contains("2 of 2 rows imported, 0 refused"), "{text}");
    for (excel, decimal) in [(&[][..], &[][..]), (&["--excel"], &["--decimal", "comma"])] {
        let exported = hub.export("objects", &[&["--type", "price", "--format", "csv"], excel].concat()).await;
        let file = hub.file("back.csv", exported);
        let (ended_well, text) = hub.import(&file, &[&into[..], decimal].concat()).await;
        assert!(ended_well && text.contains("0 of 2 rows imported, 0 refused, 2 known already"), "{text}");
    }
    let others = hub.file("others.csv", "key,amount,code\np1,4,a\n,1,b\n");
    let (_, text) = hub.import(&others, &into).await;
    assert!(text.contains("0 of 2 rows imported, 2 refused"), "{text}");
    let list = std::fs::read_to_string(beside(&others, "refused.csv")).expect("the list");
    assert!(list.contains("the key `p1` already exists, with another `amount`"), "{list}");
    assert!(list.contains("PATCH /api/v1/objects/price/{key}"), "{list}");
    let expected = expected(&[("1", "key", "not-unique"), ("2", "code", "not-unique")]);
    assert_eq!(refused(&others), expected, "{list}");
}

/// A dry run says what the run would say.
#[tokio::test]
async fn user14_a_dry_run_knows_the_rows_that_are_known() {
    let hub = Fixture::new().await;
    let file = hub.file("orders.csv", "userId,event,messageId\na,Order,m1\nb,Order,m2\n");
    let (_, text) = hub.import(&file, &["--dry-run"]).await;
    assert!(text.contains("2 of 2 rows would be imported, 0 refused ("), "{text}");
    hub.import(&file, &[]).await;
    let (_, text) =
        hub.import(&hub.file("more.csv", "userId,event,messageId\na,Order,m1\nc,Order,m3\n"), &["--dry-run"]).await;
    assert!(text.contains("1 of 2 rows would be imported, 0 refused, 1 known already"), "{text}");
}
