"""What the report shows of a trained model itself: its layers, predictions for test examples, filters, activations."""
