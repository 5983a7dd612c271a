"""The results of a sweep: statistics, tables, the report, and the display in the terminal."""
