"""What came of a sweep: tables, report and display."""
