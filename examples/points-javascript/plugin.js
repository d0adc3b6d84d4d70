// Loyalty points from orders: one for each whole dollar, and the tier that they make. `plugins/points` is the same rule in Rust.

import { RowFault, TierChanged } from "./.openhub/openhub.js";

/** The tier that so many points make. */
function tierOf(points) {
  if (points >= 500) return "gold";
  return points >= 200 ? "silver" : "bronze";
}

/**
 * Adds an order's points and settles the tier.
 *
 * @param {import("./.openhub/openhub.js").PointsRow} row
 * @returns {import("./.openhub/openhub.js").PointsEffects}
 */
export function points(row) {
  const earned = row.total.whole();
  if (earned < 0) throw new RowFault("negative-total", "an order's total is at least zero");
  const points = (row.points ?? 0) + earned;
  const tier = tierOf(points);
  // Everybody starts at bronze, so the first bronze is no change.
  const from = row.tier ?? "bronze";
  return {
    points,
    // What is not there stays as it is.
    tier: tier === row.tier ? undefined : tier,
    events: tier === from ? [] : [new TierChanged({ from, to: tier, points })],
  };
}
