"""How an event gets in: the log, what messages mean, and the fold."""
