"""JAX, XLA and the machine: settings, memory, time, signals, and what a traced program tells about itself."""
