"""Texts as ids: how they are cut into units, which units have an id, and where texts lie in files."""
