"""The shipped application, by its own doors."""
