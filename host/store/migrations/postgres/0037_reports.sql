-- What a provider reports on a message names it by the provider's own id.
CREATE INDEX messages_reported ON messages (tenant_id, provider_id) WHERE provider_id IS NOT NULL;
