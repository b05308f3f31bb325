"""mParticle's side: its batches, read from JSON or typed messages into structs."""
