"""Training: the loop, the function that starts it, and the files that it writes."""
