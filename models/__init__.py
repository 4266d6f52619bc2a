"""What we know: values, tables, and the databases they stand in."""
