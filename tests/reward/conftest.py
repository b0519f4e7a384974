from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def tokenizer():
    from psychocounsel.base.made import make_tokenizer
    from psychocounsel.hyperparameters import MadeModel

    texts = ["I feel so tired of work and my sister.", "What would you like to change?", "It sounds heavy."] * 5
    return make_tokenizer(texts, MadeModel(vocabulary=400))
