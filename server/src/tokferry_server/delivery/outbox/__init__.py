"""The durable outbox: events that are promised, until TikTok has answered for them."""
