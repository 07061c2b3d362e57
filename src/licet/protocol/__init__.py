"""Floor 1: what goes over the wire. Pure: values in, values out."""
