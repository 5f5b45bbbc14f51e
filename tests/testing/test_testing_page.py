"""The examples of docs/testing.md are test files that pass."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest
from suites import run_suite

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("library", ["sklearn", "torch", "keras"])
def test_examples_pass(library: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}: pip install 'rsgadvise[integrations]'")
    (example,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
        if re.search(rf"^(from|import) {library}", block, re.M)
    )
    torch = importlib.util.find_spec("torch") is not None
    environment = {"KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "torch")} if torch else {}
    shown = run_suite(tmp_path, example, **environment)
    assert f"== {example.count('def test_')} passed" in shown, shown


def test_the_message_on_the_page_is_real() -> None:
    from rsgadvise.testing import assert_trains

    ends = [2.5, 0.21, float("nan"), 1.25, float("inf"), 3.0]
    with pytest.raises(AssertionError) as caught:
        assert_trains(ends.__getitem__, below=0.5)
    assert f"```text\n{caught.value}\n```" in PAGE
