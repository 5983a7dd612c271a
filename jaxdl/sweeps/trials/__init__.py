"""The trials of a sweep: their values, their order, and how each is run."""
