"""What these tests write is held to its log when a module ends."""

from tests.held import database_url, held_to_the_log

__all__ = ["database_url", "held_to_the_log"]
