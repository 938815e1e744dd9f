"""Facts about single modules."""
