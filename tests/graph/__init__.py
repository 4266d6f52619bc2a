"""GraphQL answers, compared with what plain Python makes of the same rows."""
