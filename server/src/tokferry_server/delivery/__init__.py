"""Delivery: encoded events to TikTok, and what became of each one."""
