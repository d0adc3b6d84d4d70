"""An unmodified library, pointed at a hub: python libraries.py LIBRARY URL WRITE_KEY"""

import sys
from datetime import datetime, timezone
from importlib import import_module

library, host, key = sys.argv[1:]
failures = []
module = import_module({"rudder-python": "rudderstack.analytics", "customerio-python": "customerio.analytics"}[library])
module.write_key = key
if library == "rudder-python":
    module.dataPlaneUrl = host
    module.gzip = True
else:
    module.host = host
module.on_error = lambda error, items: failures.append(error)
module.max_retries = 0

at = {"timestamp": datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)}
user = f"{library}-1"
order = {"total": 29.33, "products": [{"sku": "A-1"}, {"sku": "中文"}]}
module.identify(user, {"plan": "pro", "seats": 3, "city": "Zürich"}, **at)
module.track(user, "Order Completed", order, message_id=f"{library}-order-1", **at)
module.page(user, None, "Pricing", {"url": "https://example.com/pricing"}, **at)
module.group(user, "acme", {"industry": "music"}, **at)
module.track(None, "Visited", anonymous_id=f"{library}-visitor", **at)
module.flush()
module.shutdown()
sys.exit(f"the library reports {failures}" if failures else 0)
