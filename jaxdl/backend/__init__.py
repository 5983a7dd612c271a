"""JAX, XLA and the machine: settings, memory, time, signals, and what can be read off a traced program."""
