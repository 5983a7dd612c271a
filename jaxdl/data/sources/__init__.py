"""Where examples come from, a module for each source."""
