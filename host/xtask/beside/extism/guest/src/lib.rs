//! The rule of our plugin `points`, as one writes it for Extism: orders in as JSON, effects out as JSON.

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub struct Order {
    cents: i64,
    points: Option<i64>,
    tier: Option<Tier>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Bronze,
    Silver,
    Gold,
}

#[derive(Serialize)]
pub struct Effects {
    points: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<TierChanged>,
}

#[derive(Serialize)]
pub struct TierChanged {
    from: Tier,
    to: Tier,
    points: i64,
}

fn tier_of(points: i64) -> Tier {
    match points {
        500.. => Tier::Gold,
        200.. => Tier::Silver,
        _ => Tier::Bronze,
    }
}

fn effects(order: Order) -> Effects {
    let points = order.points.unwrap_or(0).saturating_add(order.cents / 100);
    let (from, to) = (order.tier.unwrap_or(Tier::Bronze), tier_of(points));
    Effects {
        points,
        tier: (order.tier != Some(to)).then_some(to),
        event: (from != to).then_some(TierChanged { from, to, points }),
    }
}

#[plugin_fn]
pub fn points(Json(orders): Json<Vec<Order>>) -> FnResult<Json<Vec<Effects>>> {
    Ok(Json(orders.into_iter().map(effects).collect()))
}
