"""Floor 3: what a license may hand over, built as its shared tables: eligible, redact, package."""
