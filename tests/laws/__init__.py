"""Laws: the fold against a model, over histories that chance makes up."""
