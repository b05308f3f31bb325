"""Server of Tokferry."""
