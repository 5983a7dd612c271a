"""The disk: files that are written whole or not at all, and folders locked by one process."""
