# SPDX-License-Identifier: MIT
"""The model of the readers-writer lock: no state breaks an invariant, and each rule left out is
found out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "tools" / "rwlock_model.py"
spec = importlib.util.spec_from_file_location("rwlock_model", SOURCE)
assert spec is not None and spec.loader is not None
rwlock_model = importlib.util.module_from_spec(spec)
sys.modules["rwlock_model"] = rwlock_model
sys.path.insert(0, str(SOURCE.parent))
spec.loader.exec_module(rwlock_model)


@pytest.mark.invariant("S5")
@pytest.mark.parametrize("name", rwlock_model.CONFIGURATIONS)
def test_every_state_of_the_readers_writer_lock_is_as_it_must_be(name: str) -> None:
    assert rwlock_model.CONFIGURATIONS[name].explore() > 1000


@pytest.mark.parametrize("fault", rwlock_model.FAULTS)
def test_a_rule_of_the_lock_left_out_is_found_out(fault: str) -> None:
    with pytest.raises(rwlock_model.Violation):
        rwlock_model.FAULTY[fault].explore()
