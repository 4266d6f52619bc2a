"""Pure code by example: no database, no network, no clock."""
