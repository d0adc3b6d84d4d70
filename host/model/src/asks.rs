//! What a plugin asks for, in plain words: one line a thing, so that two versions are compared line by line. Shown before
//! anybody agrees, and when a manifest's lock changes.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::access::Access;
use crate::endpoint::EndpointShape;
use crate::manifest::{ChannelShape, Limits, ListShape, Manifest, PrivacyShape, RuleShape, SecretShape, StepShape};
use crate::schedule::{in_chinese, in_words};

/// Who imports it appends events that it declares.
const EVENTS: &str = "openhub:events/events";

/// One thing that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ask {
    pub of: Subject,
    /// In plain English, and in plain Chinese.
    pub en: String,
    pub zh: String,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// An event that it runs on.
    Trigger,
    Read,
    Write,
    /// An event that it causes, or says happened.
    Event,
    Object,
    Channel,
    Source,
    /// A part of its own HTTP API.
    Endpoint,
    /// A customer who is given their data, or was erased.
    Privacy,
    Schedule,
    /// A node of journeys.
    Step,
    /// A function of their templates.
    Function,
    Host,
    Secret,
    /// An interface of the hub.
    Capability,
    Limit,
    /// Who vouches for it.
    Publisher,
}

impl Ask {
    pub fn new(of: Subject, en: String, zh: String) -> Ask {
        Ask { of, en, zh }
    }
}

/// What one version asks for beyond another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub more: Vec<Ask>,
    /// What is asked for no more.
    pub less: Vec<Ask>,
}

impl Difference {
    /// `old` is the version that is active; none if there is none: then it is all that `new` asks for.
    pub fn between(old: Option<&Manifest>, new: &Manifest) -> Difference {
        let (old, mut more) = (old.map(all).unwrap_or_default(), versions(old, new));
        let new = all(new);
        let without = |lines: &[Ask], other: &[Ask]| -> Vec<Ask> {
            lines.iter().filter(|line| !other.contains(line)).cloned().collect()
        };
        more.extend(without(&new, &old));
        Difference { more, less: without(&old, &new) }
    }

    /// Names this difference of these two components: who agrees to it agrees to nothing else.
    pub fn digest(&self, from: Option<&str>, to: &str) -> String {
        let told = serde_json::json!({"from": from, "to": to, "more": self.more, "less": self.less});
        blake3::hash(told.to_string().as_bytes()).to_hex().to_string()
    }
}

/// Object types whose objects become others.
fn versions(old: Option<&Manifest>, new: &Manifest) -> Vec<Ask> {
    let old = old.map(|old| old.objects.as_slice()).unwrap_or_default();
    let changed = new.objects.iter().filter_map(|shape| {
        let before = old.iter().find(|before| before.name == shape.name && before.version != shape.version)?;
        let (name, from, to) = (&shape.name, before.version, shape.version);
        Some(Ask::new(
            Subject::Object,
            format!("changes objects of the type `{name}` from version {from} to version {to}"),
            format!("将 `{name}` 类型的对象从版本 {from} 变更为版本 {to}"),
        ))
    });
    changed.collect()
}

/// Every line in English, in a fixed order; none twice.
pub fn asks(manifest: &Manifest) -> Vec<String> {
    all(manifest).into_iter().map(|ask| ask.en).collect()
}

/// What `new` asks for and `old` did not, and what it asks for no more, in English.
pub fn difference(old: &Manifest, new: &Manifest) -> (Vec<String>, Vec<String>) {
    let Difference { more, less } = Difference::between(Some(old), new);
    let english = |asks: Vec<Ask>| asks.into_iter().map(|ask| ask.en).collect();
    (english(more), english(less))
}

/// Every line, in a fixed order; none twice.
pub fn all(manifest: &Manifest) -> Vec<Ask> {
    let mut lines = Vec::new();
    for rule in &manifest.rules {
        of_rule(rule, &mut lines);
    }
    for object in &manifest.objects {
        let name = &object.name;
        lines.push(Ask::new(
            Subject::Object,
            format!("keeps objects of the type `{name}` and decides which are valid"),
            format!("保存 `{name}` 类型的对象，并决定哪些有效"),
        ));
    }
    for channel in &manifest.channels {
        lines.push(of_channel(channel));
    }
    for source in &manifest.sources {
        let (plugin, name) = (&manifest.name, &source.name);
        lines.push(Ask::new(
            Subject::Source,
            format!("answers calls from outside at /hooks/<tenant>/{plugin}/{name} (source `{name}`)"),
            format!("在 /hooks/<tenant>/{plugin}/{name} 应答外部调用（来源 `{name}`）"),
        ));
        lines.extend(source.events.iter().map(|event| {
            Ask::new(
                Subject::Event,
                format!("says that the event \"{event}\" happened (source `{name}`)"),
                format!("报告事件“{event}”已发生（来源 `{name}`）"),
            )
        }));
    }
    for endpoint in &manifest.endpoints {
        let EndpointShape { name, method, path } = endpoint;
        let (method, plugin) = (method.as_str(), &manifest.name);
        lines.push(Ask::new(
            Subject::Endpoint,
            format!("answers {method} /x/{plugin}{path} to keys that may call it (endpoint `{name}`)"),
            format!("向有权调用的密钥应答 {method} /x/{plugin}{path}（接口 `{name}`）"),
        ));
    }
    if let Some(PrivacyShape { identities }) = &manifest.privacy {
        let (en, zh) = match identities.is_empty() {
            true => ("id alone".to_owned(), "客户 ID".to_owned()),
            false => (format!("id and {}", identities.join(", ")), format!("客户 ID 和 {}", identities.join("、"))),
        };
        lines.push(Ask::new(
            Subject::Privacy,
            format!("is told of customers who ask for their data or are erased, by their {en}"),
            format!("在客户索取数据或被删除时获知该客户（{zh}）"),
        ));
    }
    for step in &manifest.steps {
        of_step(step, &mut lines);
    }
    lines.extend(manifest.functions.iter().map(|function| {
        let signature = function.signature();
        Ask::new(
            Subject::Function,
            format!("makes values for templates of journeys (function `{signature}`)"),
            format!("为旅程的模板生成值（函数 `{signature}`）"),
        )
    }));
    lines.extend(manifest.jobs.iter().map(|job| {
        let name = &job.name;
        Ask::new(
            Subject::Schedule,
            format!("runs the job `{name}` {}", in_words(job)),
            format!("运行任务 `{name}`：{}", in_chinese(job)),
        )
    }));
    lines.extend(manifest.access.iter().filter_map(|access| Access::parse(access)).map(of_access));
    lines.extend(manifest.hosts.iter().map(|host| of_host(host)));
    lines.extend(manifest.secrets.iter().map(of_secret));
    if manifest.imports.iter().any(|import| import.starts_with(EVENTS)) {
        lines.extend(manifest.events.iter().map(|event| {
            let name = &event.name;
            Ask::new(
                Subject::Event,
                format!("says by itself that the event \"{name}\" happened"),
                format!("自行报告事件“{name}”已发生"),
            )
        }));
    }
    lines.extend(manifest.imports.iter().map(|import| of_import(import)));
    of_limits(&manifest.limits, &mut lines);
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

/// What an interface of the hub is for, in English and Chinese.
const INTERFACES: [(&str, &str, &str); 10] = [
    ("openhub:call/call", "is given its settings and the work that it is called for", "获取其设置以及每次调用的任务"),
    ("openhub:channel/settlement", "says what became of each message that it sends", "报告其发送的每条消息的结果"),
    ("openhub:clock/clock", "reads the time", "读取当前时间"),
    ("openhub:customers/customers", "looks up customers, where other lines allow it", "在其他条目允许的范围内查询客户"),
    ("openhub:events/events", "sends events into the hub, which other lines name", "发送其他条目列出的事件"),
    (
        "openhub:http/http",
        "sends HTTP requests to the hosts that other lines name",
        "向其他条目列出的主机发送 HTTP 请求",
    ),
    ("openhub:kv/kv", "keeps data of its own in the hub", "在系统中保存自己的数据"),
    ("openhub:log/log", "writes lines to the hub's log", "写入系统日志"),
    (
        "openhub:objects/objects",
        "looks up objects and changes them, where other lines allow it",
        "在其他条目允许的范围内查询和修改对象",
    ),
    ("openhub:secrets/secrets", "uses the secrets that other lines name", "使用其他条目列出的密钥"),
];

fn of_import(import: &str) -> Ask {
    let name = import.split('@').next().unwrap_or(import);
    let (en, zh) = INTERFACES
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or(("calls the hub", "调用系统"), |(_, en, zh)| (*en, *zh));
    Ask::new(Subject::Capability, format!("{en} (interface {import})"), format!("{zh}（接口 {import}）"))
}

fn of_rule(rule: &RuleShape, lines: &mut Vec<Ask>) {
    let name = &rule.name;
    let mut add = |of, en: String, zh: String| {
        lines.push(Ask::new(of, format!("{en} (rule `{name}`)"), format!("{zh}（规则 `{name}`）")));
    };
    for event in &rule.on {
        add(Subject::Trigger, format!("runs on the event \"{event}\""), format!("在事件“{event}”发生时运行"));
    }
    for read in &rule.reads {
        add(Subject::Read, format!("reads {}", read.path), format!("读取 {}", read.path));
    }
    for list in &rule.lists {
        of_list(list, "", &mut add);
    }
    for write in &rule.writes {
        match write.path.strip_prefix("customer.counters.") {
            Some(counter) => {
                add(Subject::Write, format!("adds to the counter {counter}"), format!("累加计数器 {counter}"));
            }
            None => add(Subject::Write, format!("writes {}", write.path), format!("写入 {}", write.path)),
        }
    }
    for (number, event) in rule.events.iter().enumerate() {
        let (en, zh) = (format!("causes the event \"{event}\""), format!("触发事件“{event}”"));
        match rule.recipient(number) {
            None => add(Subject::Event, en, zh),
            Some(read) => {
                let path = &read.path;
                add(Subject::Event, format!("{en} of the customer in {path}"), format!("{zh}，对象为 {path} 中的客户"));
            }
        }
    }
    for kind in &rule.objects {
        let en = format!("makes and changes objects of the type `{kind}`");
        add(Subject::Object, en, format!("创建和修改 `{kind}` 类型的对象"));
    }
}

fn of_step(step: &StepShape, lines: &mut Vec<Ask>) {
    let name = &step.name;
    let mut add = |of, en: String, zh: String| {
        lines.push(Ask::new(of, format!("{en} (step `{name}`)"), format!("{zh}（步骤 `{name}`）")));
    };
    add(Subject::Step, "decides how runs of journeys go on".to_owned(), "决定旅程如何继续".to_owned());
    for field in &step.input {
        let field = &field.name;
        add(Subject::Read, format!("is given `{field}` by journeys"), format!("从旅程得到 `{field}`"));
    }
    for event in &step.events {
        let en = format!("is told of the event \"{event}\" while a run waits");
        add(Subject::Trigger, en, format!("在等待期间得知事件“{event}”"));
    }
}

fn of_list(list: &ListShape, within: &str, add: &mut impl FnMut(Subject, String, String)) {
    let path = format!("{within}{}[].", list.path);
    for read in &list.reads {
        add(Subject::Read, format!("reads {path}{}", read.path), format!("读取 {path}{}", read.path));
    }
    for list in &list.lists {
        of_list(list, &path, add);
    }
}

fn of_channel(channel: &ChannelShape) -> Ask {
    let ChannelShape { name, address, purpose, .. } = channel;
    let en = format!("sends messages by the channel `{name}` to customers' `{address}`");
    let zh = format!("通过渠道 `{name}` 向客户的 `{address}` 发送消息");
    let (en, zh) = match purpose {
        Some(purpose) => {
            (format!("{en}, to those who agreed to `{purpose}`"), format!("{zh}，仅限同意 `{purpose}` 的客户"))
        }
        None => (format!("{en}, for the purpose that each journey names"), format!("{zh}，用途由各旅程指定")),
    };
    Ask::new(Subject::Channel, en, zh)
}

fn of_access(access: Access<'_>) -> Ask {
    let of = match access {
        Access::Field(_) | Access::Members(_) => Subject::Read,
        Access::Objects(_) | Access::ObjectWrites(_) => Subject::Object,
    };
    Ask::new(of, access.in_words(), access.in_chinese())
}

fn of_host(host: &str) -> Ask {
    let (en, zh) = match host.strip_prefix("setting:") {
        Some(setting) => (
            format!("reaches the host of the URL in its setting `{setting}`"),
            format!("访问设置 `{setting}` 中网址的主机"),
        ),
        None => (format!("reaches the host {host}"), format!("访问主机 {host}")),
    };
    Ask::new(Subject::Host, en, zh)
}

fn of_secret(secret: &SecretShape) -> Ask {
    let place = |place: Value| match place {
        Value::String(word) => word,
        Value::Object(named) => {
            let words = named.into_iter().map(|(word, of)| match of {
                Value::String(of) => format!("{word} {of}"),
                of => format!("{word} {of}"),
            });
            words.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let places = secret.places.iter().filter_map(|it| serde_json::to_value(it).ok()).map(place);
    let (name, places) = (&secret.name, places.collect::<Vec<_>>().join("; "));
    if let Some(pointer) = &secret.capture {
        return Ask::new(
            Subject::Secret,
            format!("lets the hub take the secret `{name}` from an answer ({pointer}) and use it: {places}"),
            format!("让系统从应答（{pointer}）中取得密钥 `{name}` 并使用：{places}"),
        );
    }
    Ask::new(
        Subject::Secret,
        format!("lets the hub use the secret `{name}`: {places}"),
        format!("让系统使用密钥 `{name}`：{places}"),
    )
}

fn of_limits(limits: &Limits, lines: &mut Vec<Ask>) {
    let asked = [
        (
            limits.pure_ms,
            "ms of CPU for each call of a rule, a check, a step or a function",
            "每次规则、检查、步骤或函数调用最多使用",
            "毫秒 CPU",
        ),
        (
            limits.io_ms,
            "ms of CPU for each call of a channel, a source, an endpoint or a job",
            "每次渠道、来源、接口或任务调用最多使用",
            "毫秒 CPU",
        ),
        (limits.memory_mib, "MiB of memory", "最多使用", "MiB 内存"),
    ];
    for (most, en, before, after) in asked {
        let Some(most) = most else { continue };
        let (en, zh) = (format!("takes up to {most} {en}"), format!("{before} {most} {after}"));
        lines.push(Ask::new(Subject::Limit, en, zh));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Type, Write};

    #[test]
    fn findings14_f22_each_interface_is_told_in_plain_words() {
        let worlds = include_str!("../../../wit/plugin.wit");
        let imports = worlds.split("import openhub:").skip(1).filter_map(|rest| rest.split(';').next());
        let imports: BTreeSet<String> = imports.map(|import| format!("openhub:{import}")).collect();
        assert!(imports.len() > 5, "{imports:?}");
        for import in imports {
            let told = of_import(&import);
            assert!(
                !told.en.starts_with("calls the hub") && told.en.ends_with(&format!("(interface {import})")),
                "{told:?}"
            );
        }
        assert_eq!(of_import("openhub:new/new").en, "calls the hub (interface openhub:new/new)");
    }

    #[test]
    fn a_new_version_is_told_by_what_it_asks_for() {
        let rule = |writes: &[&str]| RuleShape {
            name: "tier".into(),
            on: vec!["Order Completed".into()],
            reads: vec![],
            lists: vec![],
            writes: writes
                .iter()
                .map(|path| Write { name: "it".into(), path: (*path).into(), of: Type::Text, list: false })
                .collect(),
            events: vec![],
            to: vec![],
            objects: vec![],
            params: vec![],
        };
        let old = Manifest { rules: vec![rule(&["customer.attributes.tier"])], ..Manifest::default() };
        let new = Manifest {
            rules: vec![rule(&["customer.counters.spent"])],
            hosts: vec!["api.example.com".into(), "setting:url".into()],
            ..Manifest::default()
        };
        let (more, less) = difference(&old, &new);
        let expected = [
            "adds to the counter spent (rule `tier`)",
            "reaches the host api.example.com",
            "reaches the host of the URL in its setting `url`",
        ];
        assert_eq!(more, expected);
        assert_eq!(less, ["writes customer.attributes.tier (rule `tier`)"]);
        assert_eq!(difference(&new, &new), (vec![], vec![]));

        let told = Difference::between(Some(&old), &new);
        assert_eq!(
            told.more[1],
            Ask::new(Subject::Host, expected[1].to_owned(), "访问主机 api.example.com".to_owned())
        );
        let agreed = told.digest(Some("a"), "b");
        assert_eq!(agreed.len(), 64);
        for other in [
            told.digest(Some("c"), "b"),
            told.digest(None, "b"),
            told.digest(Some("a"), "c"),
            Difference::default().digest(Some("a"), "b"),
        ] {
            assert_ne!(agreed, other, "it names these two components and these lines");
        }
    }
}
