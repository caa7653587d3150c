# SPDX-License-Identifier: MIT
"""The model of a service's calls: no state breaks an invariant, and each rule left out is found
out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "tools" / "call_model.py"
spec = importlib.util.spec_from_file_location("call_model", SOURCE)
assert spec is not None and spec.loader is not None
call_model = importlib.util.module_from_spec(spec)
sys.modules["call_model"] = call_model
sys.path.insert(0, str(SOURCE.parent))
spec.loader.exec_module(call_model)


@pytest.mark.invariant("Q1")
@pytest.mark.invariant("Q3")
@pytest.mark.parametrize("name", call_model.CONFIGURATIONS)
def test_every_state_of_calls_is_as_it_must_be(name: str) -> None:
    assert call_model.CONFIGURATIONS[name].explore() > 100


@pytest.mark.parametrize("fault", call_model.FAULTS)
def test_a_rule_left_out_is_found_out(fault: str) -> None:
    with pytest.raises(call_model.Violation):
        call_model.FAULTY[fault].explore()
