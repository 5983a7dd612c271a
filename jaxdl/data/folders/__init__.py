"""Folders of pictures: what lies in them, files of labels, and decoding."""
