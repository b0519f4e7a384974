"""The coordinator's pages. Written next."""

from fastapi import APIRouter

router = APIRouter()


class Tries:
    """Counts failed sign-ins."""
