"""Local de-identification of English text: direct identifiers out, quasi-identifiers listed for a person to review."""

from psychocounsel.deidentify.quasi import Quasi, QuasiItem, quasi_identifiers
from psychocounsel.deidentify.redaction import TYPES, Found, Redacted, Surrogates, redact, redact_turns

__all__ = [
    "TYPES",
    "Found",
    "Quasi",
    "QuasiItem",
    "Redacted",
    "Surrogates",
    "quasi_identifiers",
    "redact",
    "redact_turns",
]
