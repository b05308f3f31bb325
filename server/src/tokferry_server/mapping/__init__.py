"""The mapping: what becomes of each mParticle event, without clock or I/O."""
