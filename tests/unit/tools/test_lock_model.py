# SPDX-License-Identifier: MIT
"""The model of the lock word: no state breaks an invariant, and each rule left out is found out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "tools" / "lock_model.py"
spec = importlib.util.spec_from_file_location("lock_model", SOURCE)
assert spec is not None and spec.loader is not None
lock_model = importlib.util.module_from_spec(spec)
sys.modules["lock_model"] = lock_model
sys.path.insert(0, str(SOURCE.parent))
spec.loader.exec_module(lock_model)


@pytest.mark.invariant("S3")
@pytest.mark.invariant("S4")
@pytest.mark.parametrize("name", lock_model.CONFIGURATIONS)
def test_every_state_of_the_lock_word_is_as_it_must_be(name: str) -> None:
    assert lock_model.CONFIGURATIONS[name].explore() > 1000


@pytest.mark.parametrize("fault", lock_model.FAULTS)
def test_a_rule_left_out_is_found_out(fault: str) -> None:
    with pytest.raises(lock_model.Violation):
        lock_model.FAULTY[fault].explore()
