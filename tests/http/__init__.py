"""HTTP: every way a request may come in, and what it is answered."""
