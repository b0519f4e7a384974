"""Calls to language models: what was asked and answered is kept, and nothing is paid for twice."""

from psychocounsel.backends.calls.store import CallStore, Failure, Stored, request_key

__all__ = ["CallStore", "Failure", "Stored", "request_key"]
