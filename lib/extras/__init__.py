"""What builds on a finished study: meta-modules and models in production."""
