"""Trackers: other tools that are given what a run records, while it runs."""
