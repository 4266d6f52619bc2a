"""Services that do the same in the usual way, as good as that way allows."""
