"""The training state and its pure functions: init, train, eval and predict."""
