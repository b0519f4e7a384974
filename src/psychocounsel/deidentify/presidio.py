"""Microsoft Presidio as a second opinion, where it and a spaCy model of English are installed. Never needed."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

from psychocounsel.errors import MissingExtraError

MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
ENTITIES = {
    "PERSON": "PERSON",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "URL": "URL",
    "CREDIT_CARD": "ID",
    "IBAN_CODE": "ID",
    "US_SSN": "ID",
    "US_PASSPORT": "ID",
    "US_DRIVER_LICENSE": "ID",
    "UK_NHS": "ID",
    "UK_NINO": "ID",
    "IP_ADDRESS": "ID",
}
"""Its entities to our types. Its LOCATION and DATE_TIME take in countries and weekdays, which we leave."""
SURE = 0.6


@cache
def analyser() -> Any:
    """Return Presidio's analyser over the largest model there is; MissingExtraError where something is missing."""
    model = next((name for name in MODELS if importlib.util.find_spec(name)), None)
    if importlib.util.find_spec("presidio_analyzer") is None or model is None:
        raise MissingExtraError(
            "De-identification with engine='presidio' needs presidio-analyzer and a spaCy model of English. Run "
            "`pip install presidio-analyzer` and `python -m spacy download en_core_web_lg`, or use engine='rules'."
        )
    analyzer = importlib.import_module("presidio_analyzer")
    engines = importlib.import_module("presidio_analyzer.nlp_engine")

    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    return analyzer.AnalyzerEngine(nlp_engine=engines.NlpEngineProvider(nlp_configuration=settings).create_engine())


def analyse(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and type of what Presidio finds in `text` with a score of at least 0.6."""
    found = analyser().analyze(text=text, language="en", entities=list(ENTITIES), score_threshold=SURE)
    return [(result.start, result.end, ENTITIES[result.entity_type]) for result in found]
