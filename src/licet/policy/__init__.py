"""Floor 1: a notice's rules and their interpreters: decide, explain, compile, residual. Pure."""
