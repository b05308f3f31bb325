"""A strict stand-in of the Events API on loopback, with scripted faults."""
