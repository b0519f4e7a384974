"""Preference learning for psycho-counselling language models."""

__version__ = "0.1.0"
