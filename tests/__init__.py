"""What Calyx promises, each promise as a test."""
