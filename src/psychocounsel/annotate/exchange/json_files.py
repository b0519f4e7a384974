"""JSON that others wrote: read whole, and nothing in it believed before it is looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from psychocounsel.errors import InputError

LARGEST = 512 * 1024 * 1024
"""Bytes of a JSON file at most; it is read whole."""


def read_json(path: Path) -> Any:
    """Return what a JSON file holds. Raises InputError where it is not JSON in UTF-8, or larger than LARGEST."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path.name} is larger than {LARGEST >> 20} MiB. Cut it into several files.")
        return json.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: byte {error.start} is not UTF-8. Was it opened and saved elsewhere?") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} is damaged: not JSON at line {error.lineno} ({error.msg}). It may be cut off; fetch it again."
        ) from None
    except (RecursionError, ValueError):
        raise InputError(f"{path.name} is damaged: nested too deep, or with a number too long.") from None
    except PermissionError:
        raise InputError(f"{path.name} may not be read by this user. Check its permissions (chmod u+r).") from None


def dict_of(value: Any) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """Return a JSON array, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """Return a whole number; None for anything else, true and false too."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
