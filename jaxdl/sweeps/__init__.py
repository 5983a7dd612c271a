"""Sweeps over the fields of an experiment: search spaces, trials, where they run, and their results."""
