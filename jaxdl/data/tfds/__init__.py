"""Sets of tensorflow-datasets: found, downloaded, prepared without TensorFlow, and stored as arrays."""
