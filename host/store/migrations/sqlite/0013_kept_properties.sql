-- What conditions asked of an event's properties when the engine passed it; none: see its body.
ALTER TABLE customer_events ADD COLUMN properties TEXT;
