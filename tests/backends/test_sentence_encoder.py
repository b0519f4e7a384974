"""The offline encoder, on the real weights where the extra is installed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from psychocounsel.backends import sentence_encoder
from psychocounsel.backends.sentence_encoder import checked, open_encoder, packaged
from psychocounsel.errors import BackendError, MissingExtraError

TEXTS = [
    "I cannot sleep at night.",
    "I lie awake until the morning, every night, and my mind goes round and round for hours and hours.",
    "My boss gives all the good shifts to somebody else.",
    "insomnia",
]


@pytest.fixture(scope="module")
def encoder():
    if packaged() is None:
        pytest.skip("the encoder extra is not installed (pip install 'psychocounsel[encoder]')")
    return open_encoder()


def test_what_means_the_same_is_near_and_lengths_are_one(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (4, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    near = vectors @ vectors[0]
    assert near[1] > near[2] + 0.2
    assert near[3] > near[2] + 0.2
    assert encoder.encode([]).shape == (0, 384)


def test_a_vector_does_not_depend_on_its_batch(encoder):
    together = encoder.encode(TEXTS, batch=4)
    for batch in (1, 3):
        assert np.abs(encoder.encode(TEXTS[::-1], batch)[::-1] - together).max() < 1e-4


def test_vectors_equal_those_of_sentence_transformers(encoder):
    library = pytest.importorskip("sentence_transformers")
    theirs = library.SentenceTransformer(str(packaged()), device="cpu").encode(TEXTS)
    assert np.abs(encoder.encode(TEXTS) - theirs).max() < 1e-4


def test_weights_that_differ_by_a_byte_are_refused(encoder, tmp_path):
    shutil.copytree(packaged(), tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BackendError, match="is not the upstream"):
        checked(tmp_path / "model")


def test_what_is_not_there_is_told_with_its_mend(monkeypatch, tmp_path):
    with pytest.raises(BackendError, match="there is no folder"):
        open_encoder(str(tmp_path / "no"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackendError, match="no sentence encoder can be loaded"):
        open_encoder(str(tmp_path / "empty"))
    monkeypatch.setattr(sentence_encoder, "packaged", lambda: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(sentence_encoder, "HUB_NAME", "nobody/no-such-model")
    with pytest.raises(MissingExtraError, match=r"pip install 'psychocounsel\[encoder\]'"):
        open_encoder()
