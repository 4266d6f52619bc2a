"""What Calyx carries, measured beside services written for the comparison; nothing is judged."""
