"""What is changed at random in training examples, inside the compiled step."""
