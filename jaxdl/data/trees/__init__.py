"""Trees in brackets: parsed, made binary, and encoded as arrays of nodes."""
