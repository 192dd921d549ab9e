"""sopo: preference alignment for text-to-motion models."""

__version__ = "0.1.0"
