"""Training: the loop, what starts it, and what it leaves."""
