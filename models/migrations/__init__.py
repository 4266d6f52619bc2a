"""The steps from each version's tables to the next."""
