from __future__ import annotations

import pytest
import yaml

from psychocounsel.errors import RecipeError, TooLittleDataError
from psychocounsel.pair.exchange import KEYS
from psychocounsel.principles import default_rubric, load_rubric


def test_the_default_rubric_is_the_papers_seven_with_anchors_and_literature():
    rubric = default_rubric()
    assert tuple(rubric.keys) == KEYS
    for principle in rubric.principles:
        assert sorted(principle.anchors) == [1, 2, 3, 4, 5]
        assert principle.literature
        assert principle.weight == 1


def test_overall_is_a_weighted_mean_that_refuses_a_missing_principle():
    rubric = default_rubric()
    scores = dict(zip(KEYS, (1, 2, 3, 4, 5, 5, 5), strict=True))
    assert rubric.overall(scores) == pytest.approx(25 / 7)
    with pytest.raises(TooLittleDataError, match="safety"):
        rubric.overall({k: 3 for k in KEYS if k != "safety"})


def test_a_users_rubric_replaces_ours_and_its_faults_are_told_together(tmp_path):
    raw = default_rubric().model_dump(mode="json")
    raw["principles"] = raw["principles"][:2]
    raw["principles"][0]["weight"] = 3
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(raw))
    assert load_rubric(path).overall({"empathy": 5, "relevance": 1}) == 4
    raw["principles"][0]["weight"] = -1
    del raw["principles"][1]["definition"]
    raw["colour"] = "blue"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(RecipeError) as caught:
        load_rubric(path)
    assert len(caught.value.faults) == 3
    with pytest.raises(RecipeError, match="no such file"):
        load_rubric(tmp_path / "absent.yaml")
