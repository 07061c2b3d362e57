"""The recipient's trainer kit: plan, fit, forget and certify models that lose a member exactly."""
