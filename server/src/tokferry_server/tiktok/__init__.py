"""TikTok's side: what its Events API takes, and what its answers mean."""
