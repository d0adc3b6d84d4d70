"""The unmodified `segment-analytics-python`, pointed at a hub: python python.py URL WRITE_KEY"""

import sys
from datetime import datetime, timezone

import segment.analytics as analytics

failures = []
analytics.host, analytics.write_key = sys.argv[1:]
analytics.max_retries = 0
analytics.gzip = True
analytics.on_error = lambda error, items: failures.append(error)

at = {"timestamp": datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)}
user = "python-1"
order = {"total": 29.33, "products": [{"sku": "A-1"}, {"sku": "中文"}]}
analytics.identify(user, {"plan": "pro", "seats": 3}, **at)
analytics.track(user, "Order Completed", order, message_id="python-order-1", **at)
analytics.page(user, None, "Pricing", {"url": "https://example.com/pricing"}, **at)
analytics.screen(user, None, "Cart", **at)
analytics.group(user, "acme", {"industry": "music"}, **at)
analytics.alias("python-anonymous", user, **at)
analytics.track(None, "Visited", anonymous_id="python-visitor", **at)
analytics.flush()
# The same id again, in a request of its own: one event.
analytics.track(user, "Order Completed", message_id="python-order-1", **at)
analytics.flush()
analytics.shutdown()
sys.exit(f"the library reports {failures}" if failures else 0)
