"""Loyalty points from orders: one for each whole dollar, and the tier that they make. `plugins/points` is the same rule in Rust."""

from openhub import PointsEffects, PointsRow, RowFault, TierChanged


def tier_of(points: int) -> str:
    """The tier that so many points make."""
    if points >= 500:
        return "gold"
    return "silver" if points >= 200 else "bronze"


def points(row: PointsRow) -> PointsEffects:
    """Adds an order's points and settles the tier."""
    earned = int(row.total)
    if earned < 0:
        raise RowFault("negative-total", "an order's total is at least zero")
    total = (row.points or 0) + earned
    tier = tier_of(total)
    effects = PointsEffects(points=total)
    # What is not set stays as it is.
    if tier != row.tier:
        effects.tier = tier
    # Everybody starts at bronze, so the first bronze is no change.
    before = row.tier or "bronze"
    if tier != before:
        effects.events.append(TierChanged(from_=before, to=tier, points=total))
    return effects
