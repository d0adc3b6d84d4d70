//! `segment` 0.2: one request a call, or its batcher.

use crate::{AT, Outcome, Story};
use segment::message::{BatchMessage, Group, Identify, Message, Page, Track, User};
use segment::{AutoBatcher, Batcher, Client, HttpClient};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub fn one_by_one(story: &Story) -> Outcome {
    wait(async {
        let client = client(story);
        for message in messages(story) {
            client.send(story.key.clone(), alone(message)).await?;
        }
        Ok(())
    })
}

pub fn batched(story: &Story) -> Outcome {
    wait(async {
        let mut batcher = AutoBatcher::new(client(story), Batcher::new(None), story.key.clone());
        for message in messages(story) {
            batcher.push(message).await?;
        }
        Ok(batcher.flush().await?)
    })
}

fn wait(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn client(story: &Story) -> HttpClient {
    HttpClient::new(reqwest::Client::new(), story.url.clone())
}

fn alone(message: BatchMessage) -> Message {
    match message {
        BatchMessage::Identify(it) => it.into(),
        BatchMessage::Track(it) => it.into(),
        BatchMessage::Page(it) => it.into(),
        BatchMessage::Screen(it) => it.into(),
        BatchMessage::Group(it) => it.into(),
        BatchMessage::Alias(it) => it.into(),
    }
}

fn messages(story: &Story) -> Vec<BatchMessage> {
    let user = User::UserId { user_id: story.user.clone() };
    let visitor = User::AnonymousId { anonymous_id: story.visitor.clone() };
    let timestamp = Some(OffsetDateTime::parse(AT, &Rfc3339).expect("a time"));
    let context = Some(json!({"app": {"name": story.library}}));
    let extra = Map::from_iter([("messageId".to_owned(), Value::from(format!("{}-order-1", story.library)))]);
    vec![
        Identify {
            user: user.clone(),
            traits: story.traits(),
            timestamp,
            context: context.clone(),
            ..Default::default()
        }
        .into(),
        Track {
            user: user.clone(),
            event: "Order Completed".into(),
            properties: story.order(),
            timestamp,
            context: context.clone(),
            extra,
            ..Default::default()
        }
        .into(),
        Page {
            user: user.clone(),
            name: "Pricing".into(),
            properties: story.page(),
            timestamp,
            context: context.clone(),
            ..Default::default()
        }
        .into(),
        Group {
            user,
            group_id: "acme".into(),
            traits: story.group(),
            timestamp,
            context: context.clone(),
            ..Default::default()
        }
        .into(),
        Track { user: visitor, event: "Visited".into(), timestamp, context, ..Default::default() }.into(),
    ]
}
