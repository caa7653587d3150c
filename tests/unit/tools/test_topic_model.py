# SPDX-License-Identifier: MIT
"""The model of a topic's words: no state breaks an invariant, and each rule left out is found
out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "tools" / "topic_model.py"
spec = importlib.util.spec_from_file_location("topic_model", SOURCE)
assert spec is not None and spec.loader is not None
topic_model = importlib.util.module_from_spec(spec)
sys.modules["topic_model"] = topic_model
sys.path.insert(0, str(SOURCE.parent))
spec.loader.exec_module(topic_model)


@pytest.mark.invariant("Q2")
@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("name", topic_model.CONFIGURATIONS)
def test_every_state_of_a_topics_words_is_as_it_must_be(name: str) -> None:
    assert topic_model.CONFIGURATIONS[name].explore() > 1000


@pytest.mark.parametrize("fault", topic_model.FAULTS)
def test_a_rule_left_out_is_found_out(fault: str) -> None:
    with pytest.raises(topic_model.Violation):
        topic_model.FAULTY[fault].explore()
