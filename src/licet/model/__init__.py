"""Floor 0: the nouns. Pure values, no clock, file, socket or database."""
