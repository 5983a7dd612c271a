"""What a sweep varies, and which values each trial gets."""
