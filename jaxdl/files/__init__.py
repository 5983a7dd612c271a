"""The disk: files that are written whole or not at all, and folders that one process holds alone."""
