//! A developer's afternoon with nothing but the binary and `docs/`: the guide of `docs/plugins.md` is done as it is written, outside of
//! any checkout. Then its plugin is looked into, changed while it runs, and breaks off at a line that is named.

use openhub_sdk_build::Policy;
use openhub_tests::guests::root;
use openhub_tests::guide::{Block, Walk, blocks};
use openhub_tests::hub::programs;
use openhub_tests::patience::until;
use std::process::Stdio;

const SECTION: &str = "From an empty folder to a running plugin";
const ORDER: &str = r#"curl -sS -u $WRITE_KEY: $OPENHUB_URL/v1/track -H 'Content-Type: application/json' \
    -d '{"event": "Order Completed", "userId": "bob", "properties": {"total": "9.00"}}'"#;

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_folder_to_a_plugin_at_work() {
    let guide = blocks(&page("docs/plugins.md"), Some(SECTION));
    assert!(guide.len() > 30, "the guide has its blocks");
    let mut walk = Walk::begin();
    for (number, block) in guide.iter().enumerate() {
        walk.step(block, guide.get(number + 1)).await;
    }

    let plugin = walk.place();
    let tree = std::fs::read_to_string(plugin.join("Cargo.lock")).expect("cargo has locked what it uses");
    assert!(tree.contains("openhub-sdk-testing") && !tree.contains("wasmtime"), "tests compile no runtime: {tree}");
    let told = walk.shell("openhub plugin inspect target/plugins/our-shop.wasm").await;
    for told_of in [", openhub:rule/rule, ", "openhub:log/log", "    reads event.properties.total (rule `spending`)\n"]
    {
        assert!(told.contains(told_of), "{told}");
    }
    let code = plugin.join("src/lib.rs");
    let read = || std::fs::read_to_string(&code).expect("its code");
    let write = |text: String| {
        assert_ne!(text, read());
        std::fs::write(&code, text).expect("it is saved");
    };
    write(read().replace("customer.tags.our_shop_large", "customer.tags.huge"));
    let told = walk
        .shell("openhub plugin build --out newer.wasm\nopenhub plugin diff target/plugins/our-shop.wasm newer.wasm")
        .await;
    assert!(told.contains("  + writes customer.tags.huge (rule `spending`)\n"), "{told}");
    assert!(told.contains("  - writes customer.tags.our_shop_large (rule `spending`)\n"), "{told}");

    // Each save is in force, what it logs is shown, and where it breaks off.
    let log = plugin.join("../dev.log");
    let told = || std::fs::read_to_string(&log).unwrap_or_default();
    let shown = std::fs::File::create(&log).expect("a file");
    let mut dev = walk.command("exec openhub plugin dev");
    let mut dev =
        dev.stdin(Stdio::null()).stdout(shown.try_clone().expect("the file")).stderr(shown).spawn().expect("it starts");
    let in_force = async |saves: usize| {
        until(&format!("save {saves} is in force"), || async {
            (told().matches("is in force").count() >= saves).then_some(())
        })
        .await;
    };
    in_force(1).await;
    let plain = read();
    write(plain.replacen("    let cents =", "    log::info(\"scored\");\n    let cents =", 1));
    in_force(2).await;
    walk.shell(ORDER).await;
    until("the new line is shown", || async { told().contains("  scored").then_some(()) }).await;
    let falls = "    let none: Option<i64> = std::hint::black_box(None);\n    let cents = none.unwrap() +";
    write(plain.replacen("    let cents =", falls, 1));
    in_force(3).await;
    walk.shell(ORDER).await;
    let line = read().lines().position(|line| line.contains("none.unwrap()")).expect("it is there") + 1;
    let place = format!("(src/lib.rs:{line})");
    until(&format!("it is shown that it fell at {place}"), || async {
        let told = told();
        let of_it = told.lines().filter(|line| line.contains(&place)).collect::<Vec<_>>();
        let panics = of_it.iter().any(|line| line.contains("called `Option::unwrap()`"));
        let breaks_off = of_it.iter().any(|line| line.contains("the call broke off") && line.contains("spending"));
        (panics && breaks_off).then_some(())
    })
    .await;
    dev.kill().await.expect("it ends");
    assert_eq!(Policy::read(&plugin).expect("its policy").version, "0.4.0", "its number in plugin.toml stays");
    let versions = walk.shell("openhub plugin versions our-shop").await;
    let active = versions.lines().find(|line| line.contains(" active "));
    assert!(active.is_some_and(|line| line.starts_with("0.4.1-dev.")), "{versions}");
    walk.end().await;
}

/// What the pages show beside the guide: TOML and JSON are that, and the binary has each command with its flags.
#[test]
fn what_the_pages_show_is_there() {
    let mut commands = Vec::new();
    for name in ["README.md", "docs/plugins.md", "docs/plugin-versions.md", "docs/operating.md", "docs/faults.md"] {
        let page = page(name);
        let guide = blocks(&page, Some(SECTION)).len();
        let shown = blocks(&page, None);
        for Block { info, text, line } in &shown {
            let whole = |text: &str| !text.contains('…');
            match info.first().map(String::as_str) {
                Some("toml") if whole(text) => {
                    assert!(text.parse::<toml::Table>().is_ok(), "{name}:{line}: this is no TOML\n{text}");
                }
                Some("json") if whole(text) => {
                    assert!(
                        serde_json::from_str::<serde_json::Value>(text).is_ok(),
                        "{name}:{line}: this is no JSON\n{text}"
                    );
                }
                Some("sh") => {
                    commands.extend(of_openhub(text).into_iter().map(|command| (format!("{name}:{line}"), command)))
                }
                _ => {}
            }
        }
        if name == "docs/plugins.md" {
            let in_guide = |line: usize| blocks(&page, Some(SECTION)).iter().any(|block| block.line == line);
            let unsaid: Vec<usize> = shown
                .iter()
                .filter(|block| !in_guide(block.line) && block.info.get(1).is_none_or(|word| word != "part"))
                .map(|block| block.line)
                .collect();
            assert!(
                guide > 30 && unsaid.is_empty(),
                "blocks that are neither done nor said to be parts: lines {unsaid:?}"
            );
        }
    }
    assert!(commands.len() > 40, "{}", commands.len());
    for (place, command) in commands {
        let asked = format!("{command} --help");
        let mut shell = std::process::Command::new("bash");
        let shell =
            shell.args(["-c", &format!("openhub() {{ \"$HUB\" \"$@\"; }}\n{asked}")]).env("HUB", &programs().hub);
        let output = shell.stdin(Stdio::null()).output().expect("there is a shell");
        assert!(output.status.success(), "{place}: {asked}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The commands of the binary in a block, without comments, pipes and redirections.
fn of_openhub(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| line.starts_with("openhub "));
    let ends = [" #", " | ", " > ", " && ", " 2>"];
    let cut = |line: &str| ends.iter().filter_map(|end| line.find(end)).min().map_or(line.len(), |end| end);
    lines.map(|line| line[..cut(line)].trim().to_owned()).collect()
}

/// A link within the documentation leads to a page and a heading that are there.
#[test]
fn links_between_pages_lead_somewhere() {
    let docs = root().join("docs");
    let mut pages = vec![root().join("README.md")];
    for folder in [&docs, &docs.join("decisions")] {
        let entries = std::fs::read_dir(folder).expect("a folder");
        pages.extend(
            entries
                .map(|entry| entry.expect("an entry").path())
                .filter(|path| path.extension().is_some_and(|end| end == "md")),
        );
    }
    let (mut links, mut lost) = (0, Vec::new());
    for path in &pages {
        let text = std::fs::read_to_string(path).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '\n']).next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") || !(file.is_empty() || file.ends_with(".md")) {
                continue;
            }
            links += 1;
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            let there = std::fs::read_to_string(&target)
                .is_ok_and(|page| anchor.is_empty() || anchors(&page).any(|found| found == anchor));
            if !there {
                lost.push(format!("{}: {link}", path.strip_prefix(root()).unwrap_or(path).display()));
            }
        }
    }
    assert!(links > 100 && lost.is_empty(), "of {links} links, these lead nowhere: {lost:#?}");
}

/// The headings of a page as links name them.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings.map(|heading| {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .collect::<String>();
        kept.replace(' ', "-")
    })
}
