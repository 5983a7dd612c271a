"""Runs beside each other: found in folders, filtered and sorted, and compared with each other."""
