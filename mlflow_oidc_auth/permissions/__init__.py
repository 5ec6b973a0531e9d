"""What somebody may do with one resource: the one expression that every check, list and explanation uses."""
