"""The house rules, and that documents and schema say what is true."""
