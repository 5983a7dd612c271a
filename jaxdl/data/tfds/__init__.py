"""Sets of tensorflow-datasets: found, downloaded, prepared without TensorFlow, and kept as arrays."""
