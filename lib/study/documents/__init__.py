"""Parts of the documentation that the code writes."""
