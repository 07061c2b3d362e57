"""Floor 3: take the rows of withdrawn members and deleted records out of what is shared."""
