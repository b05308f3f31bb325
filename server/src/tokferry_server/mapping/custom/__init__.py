"""Custom mappings: a user's own rows, by the paths, rules and checks of the table."""
