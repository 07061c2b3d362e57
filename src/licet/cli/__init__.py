"""Floor 4: one module per command family; the only room that reads configuration and environment."""
