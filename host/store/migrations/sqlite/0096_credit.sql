-- What the provider lets a subscription come to in a period at most, beside the partner's own cap.
ALTER TABLE subscriptions ADD COLUMN credit TEXT;
