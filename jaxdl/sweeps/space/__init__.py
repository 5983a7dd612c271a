"""The search space of a sweep, and the values of each trial."""
