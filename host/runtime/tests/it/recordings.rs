//! Calls of the I/O lane are recorded at the host's boundary: without secrets and without personal data, and made again without a network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openhub_runtime::{
    CallContext, IoContext, LogLine, Observed, Observer, OutMessage, Plugin, Recorded, RecordedAnswer, Recording,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::channel::{SECRET, context, message, posting, serve, settling};

/// Keeps what is recorded: of what fails, or of all.
#[derive(Default)]
struct Keeps {
    all: bool,
    kept: Mutex<Vec<Recording>>,
}

impl Observer for Keeps {
    fn logged(&self, _: LogLine) {}

    fn called(&self, _: Duration) {}

    fn tapes(&self) -> bool {
        true
    }

    fn draws(&self, _: &Value) -> bool {
        self.all
    }

    fn recorded(&self, recording: Recording) {
        self.kept.lock().unwrap().push(recording);
    }
}

/// Has messages sent by the channel `c`, and answers what was recorded.
async fn recorded(plugin: &Plugin, hosts: &[&str], all: bool, messages: Vec<OutMessage>) -> Vec<Recording> {
    let keeps = Arc::new(Keeps { all, ..Keeps::default() });
    let observed = Observed::by(Arc::clone(&keeps) as Arc<dyn Observer>);
    let call = CallContext { observed, ..context(hosts).call };
    plugin.send(IoContext { call, ..context(hosts) }, "c", messages).await;
    let kept = keeps.kept.lock().unwrap().clone();
    // As it is stored, and read by another.
    kept.iter().map(|recording| serde_json::from_str(&recording.to_text()).expect("it can be read")).collect()
}

fn to(address: &str, name: &str) -> OutMessage {
    let content = serde_json::json!({"hello": name}).to_string();
    OutMessage { content, customer: "018f3c2a-77aa-7bbb-8ccc-0123456789ab".to_owned(), ..message(address, 1) }
}

#[tokio::test]
async fn a_recorded_channel_is_called_again_without_a_network_and_shows_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(serve(listener));
    let plugin = posting(vec![at.parse().unwrap()]).await;
    let messages = vec![to(&format!("http://{at}/echo"), "ada lovelace"), to("http://169.254.169.254/", "Bob")];
    let kept = recorded(&plugin, &[at.as_str(), "169.254.169.254"], true, messages).await;
    server.abort();
    let [recording] = &kept[..] else { panic!("{kept:?}") };
    let Recorded::Io { kind, name, asked, .. } = &recording.call else { panic!("{recording:?}") };
    let calls: Vec<&str> = asked.iter().map(|asked| asked.call.as_str()).collect();
    assert_eq!((kind.as_str(), name.as_str(), &calls[..]), ("channel", "c", &["http.fetch"][..]));
    let text = recording.to_text();
    for somebody in ["ada lovelace", "Bob", SECRET, "018f3c2a"] {
        assert!(!text.contains(somebody), "{somebody}: {text}");
    }
    assert!(text.contains("POST") && text.contains("denied"), "what programs say stays: {text}");
    let settled = |recording: &Recording| match &recording.answer {
        Some(RecordedAnswer::Io { settled, .. }) => settled.clone(),
        other => panic!("{other:?}"),
    };
    assert!(settled(recording)["verdicts"][0]["accepted"].is_object(), "{text}");

    let again = plugin.replay_io(recording).await.expect("it is called");
    assert_eq!((&again.fault, &again.strayed_at), (&None, &None));
    assert_eq!(again.answer, recording.answer);
    assert_eq!(again.receipt, recording.receipt, "the same fuel, and what the host did counts as before");

    // Another plugin asks for something else: it is told so, and nothing goes out.
    let other = settling("unreachable").await.replay_io(recording).await.expect("it is called");
    assert_eq!(other.strayed_at.as_deref(), Some("http.fetch"));
    let mut shorter = recording.clone();
    if let Recorded::Io { asked, .. } = &mut shorter.call {
        asked.clear();
    }
    let strays = plugin.replay_io(&shorter).await.expect("it is called").fault.expect("it breaks off");
    assert!(strays.message.contains("asks `http.fetch`"), "{strays:?}");
}

#[tokio::test]
async fn a_channel_that_breaks_off_is_recorded_by_itself() {
    let plugin = settling("unreachable").await;
    let three = || vec![message("a", 1), message("b", 1), message("c", 1)];
    let kept = recorded(&plugin, &[], false, three()).await;
    let [recording] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(recording.fault.as_ref().map(|fault| &*fault.kind), Some("trap"));
    let again = plugin.replay_io(recording).await.expect("it is called");
    assert_eq!((&again.fault, again.receipt), (&recording.fault, recording.receipt));
    let fine = settling("(i32.const 5000)").await;
    assert_eq!(recorded(&fine, &[], false, three()).await, [], "nobody has drawn it");
    assert_eq!(recorded(&fine, &[], true, three()).await.len(), 1);
}
