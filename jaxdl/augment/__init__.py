"""Random changes of training examples, inside the compiled step."""
