"""GraphQL in: a selection becomes a plan, one statement, and bytes."""
