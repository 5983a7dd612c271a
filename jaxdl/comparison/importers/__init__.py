"""Reads runs of other tools from their files, without these tools; nothing in a file is unpickled or executed."""
