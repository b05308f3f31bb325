"""Client of Tokferry."""
