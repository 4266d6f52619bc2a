"""What is stored, in a real database."""
