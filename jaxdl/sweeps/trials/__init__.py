"""The trials of a sweep: what each is, which comes next, and how it is run."""
