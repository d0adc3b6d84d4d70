//! `rudderanalytics` 2.0: one request a call, or a batch, in which each call has its type twice.

use crate::{AT, Outcome, Story};
use chrono::{DateTime, Utc};
use rudderanalytics::client::RudderAnalytics;
use rudderanalytics::message::{Batch, BatchMessage, Group, Identify, Message, Page, Track};

pub fn one_by_one(story: &Story) -> Outcome {
    let client = RudderAnalytics::load(story.key.clone(), story.url.clone());
    for message in messages(story) {
        client.send(&alone(message)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

pub fn batched(story: &Story) -> Outcome {
    let client = RudderAnalytics::load(story.key.clone(), story.url.clone());
    let batch = Message::Batch(Batch { batch: messages(story), original_timestamp: Some(at()), ..Default::default() });
    Ok(client.send(&batch).map_err(|error| error.to_string())?)
}

fn alone(message: BatchMessage) -> Message {
    match message {
        BatchMessage::Identify(it) => Message::Identify(it),
        BatchMessage::Track(it) => Message::Track(it),
        BatchMessage::Page(it) => Message::Page(it),
        BatchMessage::Screen(it) => Message::Screen(it),
        BatchMessage::Group(it) => Message::Group(it),
        BatchMessage::Alias(it) => Message::Alias(it),
    }
}

fn messages(story: &Story) -> Vec<BatchMessage> {
    let user_id = Some(story.user.clone());
    let original_timestamp = Some(at());
    vec![
        BatchMessage::Identify(Identify {
            user_id: user_id.clone(),
            traits: Some(story.traits()),
            original_timestamp,
            ..Default::default()
        }),
        BatchMessage::Track(Track {
            user_id: user_id.clone(),
            event: "Order Completed".into(),
            properties: Some(story.order()),
            original_timestamp,
            ..Default::default()
        }),
        BatchMessage::Page(Page {
            user_id: user_id.clone(),
            name: "Pricing".into(),
            properties: Some(story.page()),
            original_timestamp,
            ..Default::default()
        }),
        BatchMessage::Group(Group {
            user_id,
            group_id: "acme".into(),
            traits: Some(story.group()),
            original_timestamp,
            ..Default::default()
        }),
        BatchMessage::Track(Track {
            anonymous_id: Some(story.visitor.clone()),
            event: "Visited".into(),
            original_timestamp,
            ..Default::default()
        }),
    ]
}

fn at() -> DateTime<Utc> {
    AT.parse().expect("a time")
}
