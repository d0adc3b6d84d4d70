//! What an import meets when it is made against the grain: a file that does not hold still, a list that is mended in steps, the same
//! file under another spelling, a disk that was full.

use openhub_tests::files::{Fixture, beside};
use openhub_tests::hub::programs;
use openhub_tests::patience::until;
use std::collections::HashSet;
use std::time::Duration;

/// The values of a property in the whole log.
async fn values(hub: &Fixture, property: &str) -> Vec<String> {
    hub.client.settled(&hub.tenant.api_key).await;
    let fields = format!("properties.{property}");
    let text = hub.export("events", &["--format", "csv", "--fields", &fields]).await;
    text.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn breaker14_1_a_file_that_changes_meanwhile_is_no_whole_import() {
    const ROWS: usize = 60_000;
    let hub = Fixture::new().await;
    let pad = "x".repeat(40);
    let rows: String = (0..ROWS).map(|row| format!("u{},Order Completed,{row},{pad}\n", row % 100)).collect();
    let text = format!("userId,event,n,pad\n{rows}");
    // What a file loses in the midst of a row, what it gains, and what is another text of the same length.
    for (round, change) in ["cut", "grown", "other"].into_iter().enumerate() {
        let file = hub.file(&format!("{change}.csv"), &text);
        let path = beside(&file, "import.json");
        let mut import = hub.command("import", &hub.tenant.api_key, &[]);
        let import = import.arg(&file).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
        until("some rows are in", || async { path.exists().then_some(()) }).await;
        let open = std::fs::OpenOptions::new().write(true).append(change == "grown").open(&file).expect("the file");
        match change {
            "cut" => open.set_len(text.len() as u64 / 2 + 7).expect("it is cut"),
            "grown" => std::io::Write::write_all(&mut &open, b"u1,Order Completed,-1,y\n").expect("it grows"),
            _ => std::os::unix::fs::FileExt::write_all_at(&open, b"y", text.len() as u64 - 2).expect("it is written"),
        }
        let output = import.wait_with_output().await.expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("was changed while it was read"), "{change}: {told}");
        let (ended_well, told) = hub.import(&file, &[]).await;
        assert!(!ended_well && told.contains("the file was changed since an import of it stopped"), "{change}: {told}");
        // Put back, it is finished, and nothing is there twice.
        std::fs::write(&file, &text).expect("it is written");
        let (ended_well, told) = hub.import(&file, &[]).await;
        assert!(ended_well && told.contains(&format!(" of {ROWS} rows imported, 0 refused")), "{change}: {told}");
        let pads = values(&hub, "pad").await;
        assert_eq!(pads.len(), ROWS, "{change}: the same file thrice is one import, {round}");
        assert!(pads.iter().all(|stored| *stored == pad), "{change}: half a row is stored");
    }
}

#[tokio::test]
async fn breaker14_2_a_list_that_is_mended_in_two_steps_is_imported_once() {
    let hub = Fixture::new().await;
    let lines = "{\"userId\":\"a\",\"event\":\"E\",\"properties\":{\"n\":3},\"timestamp\":\"bad3\"}\n\
                 {\"userId\":\"a\",\"event\":\"E\",\"properties\":{\"n\":4},\"timestamp\":\"bad4\"}\n";
    let csv = "userId,event,n,timestamp\na,E,1,bad1\na,E,2,bad2\n";
    for (name, text, ending, bad) in
        [("a.csv", csv, "refused.csv", ["bad1", "bad2"]), ("a.jsonl", lines, "refused.jsonl", ["bad3", "bad4"])]
    {
        let file = hub.file(name, text);
        let (_, told) = hub.import(&file, &[]).await;
        assert!(told.contains("0 of 2 rows imported, 2 refused"), "{told}");
        let list = beside(&file, ending);
        for (step, bad) in bad.into_iter().enumerate() {
            let text = std::fs::read_to_string(&list).expect("the list").replacen(bad, "2026-01-01", 1);
            std::fs::write(&list, text).expect("it is written");
            let (_, told) = hub.import(&list, &[]).await;
            let expected =
                ["1 of 2 rows imported, 1 refused", "1 of 2 rows imported, 0 refused, 1 known already"][step];
            assert!(told.contains(expected), "{name}: {told}");
        }
    }
    let mut numbers = values(&hub, "n").await;
    numbers.sort();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    let ids = hub.message_ids().await;
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
    // A row that is copied in a list is another row.
    let file = hub.file("b.csv", "userId,event,n,timestamp\nb,E,5,bad\n");
    hub.import(&file, &[]).await;
    let list = beside(&file, "refused.csv");
    let text = std::fs::read_to_string(&list).expect("the list").replace("5,bad", "5,2026-01-01");
    let copied = format!("{text}{}", text.lines().last().expect("a row").replace("E,5", "E,6"));
    std::fs::write(&list, copied).expect("it is written");
    let (ended_well, told) = hub.import(&list, &[]).await;
    assert!(ended_well && told.contains("2 of 2 rows imported"), "{told}");
}

#[tokio::test]
async fn breaker14_3_what_goes_without_saying_makes_no_other_import() {
    let hub = Fixture::new().await;
    let text = "userId,event,n\na,E,1\nb,E,2\n";
    let file = hub.file("d.csv", text);
    let (ended_well, told) = hub.import(&file, &[]).await;
    assert!(ended_well && told.contains("2 of 2 rows imported"), "{told}");
    for said in [
        &["--delimiter", ","][..],
        &["--event-column", "event"],
        &["--user-column", "userId"],
        &["--map", "n=properties.n"],
    ] {
        let (ended_well, told) = hub.import(&file, said).await;
        assert!(ended_well && told.contains("were already imported"), "{said:?}: {told}");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).expect("it is packed");
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for (name, bytes) in [("d.csv.gz", packed.finish().expect("it is packed")), ("marked.csv", marked)] {
        let (ended_well, told) = hub.import(&hub.file(name, bytes), &[]).await;
        assert!(ended_well && told.contains("0 of 2 rows imported, 0 refused, 2 known already"), "{name}: {told}");
    }
    // Other options make other events: whoever means that says so.
    let other = ["--map", "n=properties.number"];
    let (ended_well, told) = hub.import(&file, &other).await;
    assert!(!ended_well && told.contains("this file was imported already, with other options"), "{told}");
    let (ended_well, told) = hub.import(&file, &[&other[..], &["--restart"]].concat()).await;
    assert!(ended_well && told.contains("2 of 2 rows imported"), "{told}");
    assert_eq!(hub.message_ids().await.len(), 4);
}

#[tokio::test]
async fn breaker14_4_a_list_that_was_begun_stands_in_nobodys_way() {
    let hub = Fixture::new().await;
    let file = hub.file("f.csv", "userId,event,timestamp\na,E,bad\nb,E,2026-01-01\n");
    hub.import(&file, &[]).await;
    // As a full disk leaves them behind: a part of the list, and a state that knows of none.
    let (list, state) = (beside(&file, "refused.csv"), beside(&file, "import.json"));
    let mut known: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).expect("a state")).expect("JSON");
    for (name, value) in
        [("rows", 0.into()), ("refused", 0.into()), ("refused_bytes", 0.into()), ("done", false.into())]
    {
        known[name] = value;
    }
    known["refused_hash"] = serde_json::Value::Null;
    assert_eq!(known["has_begun_list"], true, "{known}");
    std::fs::write(&state, known.to_string()).expect("it is written");
    let whole = std::fs::read_to_string(&list).expect("the list");
    std::fs::write(&list, &whole[..whole.len() - 9]).expect("it is written");
    let (_, told) = hub.import(&file, &[]).await;
    assert!(told.contains("1 refused, 1 known already") && told.contains(".unfinished"), "{told}");
    assert_eq!(std::fs::read_to_string(&list).expect("the list"), whole);
}

#[tokio::test]
async fn breaker14_5_8_9_what_is_no_file_to_import_is_told() {
    let hub = Fixture::new().await;
    // A list of refused rows may begin with what is no object.
    let file = hub.file("l.jsonl", "{\"userId\":\"a\",\"event\":\"L\"}\n[1]\n{\"userId\":\"b\",\"event\":5}\n");
    hub.import(&file, &[]).await;
    let list = beside(&file, "refused.jsonl");
    let mended = std::fs::read_to_string(&list).expect("the list").replace("\"event\":5", "\"event\":\"M\"");
    std::fs::write(&list, mended).expect("it is written");
    let (_, told) = hub.import(&list, &[]).await;
    assert!(told.contains("1 of 2 rows imported, 1 refused"), "{told}");

    let pipe = hub.place.folder.join("pipe.csv");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let (file, folder) = (hub.file("f.csv", "userId,event\na,E\n"), hub.place.folder.clone());
    let own = file.display().to_string();
    for (path, arguments, expected) in [
        (&pipe, &[][..], "write it to a file first"),
        (&folder, &["--format", "csv"], "is a folder: name a file"),
        (&file, &["--state", &own], "`--state` names the file that is imported"),
        (&file, &["--refused", &own], "`--refused` names the file that is imported"),
    ] {
        let import = tokio::time::timeout(Duration::from_secs(60), hub.import(path, arguments));
        let (ended_well, told) = import.await.expect("it does not wait for anybody");
        assert!(!ended_well && told.contains(expected), "{expected}: {told}");
    }
    let text = "userId,event\n".to_owned() + &"a,E\n".repeat(5_000);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, text.as_bytes()).expect("it is packed");
    let packed = packed.finish().expect("it is packed");
    let (ended_well, told) = hub.import(&hub.file("cut.csv.gz", &packed[..packed.len() / 2]), &[]).await;
    assert!(!ended_well && told.contains("it is cut off or damaged, so get it again"), "{told}");

    // A connection that breaks is an error, and no end without a word: nobody speaks TLS there.
    let tls = hub.hub.url.replace("http://", "https://");
    for _ in 0..12 {
        let mut import = tokio::process::Command::new(&programs().hub);
        import.args(["import", "--hub", &tls, "--key", &hub.tenant.api_key]).arg(&file);
        let output = import.output().await.expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains("does not answer"), "{}: {told}", output.status);
    }
}
