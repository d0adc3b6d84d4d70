//! A rule over lists: the items of an order with the discounts of each, and an attribute that is a list.

use openhub_sdk::prelude::*;

#[derive(Reads)]
pub struct Order<'a> {
    #[list("event.properties.items", bind)]
    pub items: Vec<Item<'a>>,
    #[read("customer.attributes.articles[]")]
    pub articles: Vec<&'a str>,
    #[read("event.properties.notes[].text")]
    pub notes: Vec<Option<&'a str>>,
}

#[derive(Reads)]
pub struct Item<'a> {
    #[read("sku", bind)]
    pub sku: &'a str,
    #[list("discounts")]
    pub discounts: Vec<Discount>,
    #[read("labels[]")]
    pub labels: Vec<&'a str>,
}

#[derive(Reads)]
pub struct Discount {
    #[read("off")]
    pub off: Decimal<2>,
}

#[derive(Params)]
pub struct Params {
    /// How many articles are kept.
    #[field(default = 3)]
    pub most: i64,
    /// Put before each label.
    pub prefix: Option<String>,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.articles")]
    pub articles: Set<Vec<String>>,
    #[write("customer.attributes.labels")]
    pub labels: Set<Vec<String>>,
    #[write("customer.attributes.off")]
    pub off: Set<Decimal<2>>,
    #[write("customer.attributes.notes")]
    pub notes: Set<i64>,
}

/// The last articles, each once, and the labels of the last order; an order without items forgets them.
#[rule(on = "Order Completed")]
pub fn lists(order: Order<'_>, params: &Params) -> Effects {
    let mut articles: Vec<String> = order.articles.iter().map(|&article| article.to_owned()).collect();
    articles.retain(|article| order.items.iter().all(|item| item.sku != article));
    articles.extend(order.items.iter().map(|item| item.sku.to_owned()));
    let most = usize::try_from(params.most).unwrap_or_default();
    articles.drain(..articles.len().saturating_sub(most));
    let prefix = params.prefix.as_deref().unwrap_or_default();
    let labels = order.items.iter().flat_map(|item| &item.labels).map(|label| format!("{prefix}{label}"));
    let discounts = order.items.iter().flat_map(|item| &item.discounts);
    let forgets = order.items.is_empty();
    Effects {
        articles: if forgets { Unset } else { To(articles) },
        labels: To(labels.collect()),
        off: To(Decimal::from_units(discounts.map(|discount| discount.off.units()).sum())),
        notes: To(order.notes.iter().flatten().count() as i64),
    }
}

openhub_sdk::plugin! { rules: [lists] }
