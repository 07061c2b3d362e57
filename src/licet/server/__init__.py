"""Floor 3: one ASGI app that answers recipients (Delta Sharing) and members (their settings)."""
