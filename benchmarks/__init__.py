"""The same recipes side by side in jaxdl and its peers: ``python -m benchmarks.compare``."""
