"""The revision of the tables that this version of the code knows, as it says it to a database."""

from __future__ import annotations

HEAD = "0002_since_0002"

APPLICATION = f"calyx {HEAD}"
"""What connections to PostgreSQL are called, so that a migration sees who is there."""
