"""The results of a sweep: statistics, tables, the report, and what the terminal shows."""
