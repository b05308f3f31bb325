"""DURABLE delivery: a worker that takes events from an outbox to TikTok."""
