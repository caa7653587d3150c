# SPDX-License-Identifier: MIT
"""The pages of the documentation: their code runs, their commands are the ones that are tested,
their links lead somewhere."""

from __future__ import annotations

import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import snippets

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WITH_CODE = [
    page
    for page in PAGES
    if any(
        block.language in snippets.RUN
        for block in snippets.blocks(page.read_text(encoding="utf-8"))
    )
]
SETUP, TEST = "sh tools/setup.sh && .venv/bin/memsection demo", "sh tools/test.sh"


def _run(page: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    work, tools = directory / "work", directory / "bin"
    work.mkdir()
    tools.mkdir()
    # as an installed environment has them
    for name, command in (("python", ""), ("memsection", "-m memsection ")):
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {command}"$@"\n')
        (tools / name).chmod(0o755)
    with tempfile.TemporaryDirectory(
        prefix=f"memsection-docs-{os.getpid()}-", dir="/dev/shm"
    ) as root:
        return _run_in(page, work, tools, Path(root))


def _run_in(page: Path, work: Path, tools: Path, root: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MEMSECTION_ROOT": str(root),
        "COLUMNS": "120",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
        ),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", snippets.__file__, str(page)],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    left = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    assert not left, f"names are left behind: {left}"
    return done


@pytest.mark.linux_only("the commands in the pages are for bash")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    done = _run(page, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    assert int(done.stdout.splitlines()[-1]) > 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```python\nassert 1 == 2\n```\n", "AssertionError"),
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected"),
        ("```sh\nfalse\n```\n", "exit status 1"),
        ("```console\n$ echo one\ntwo\n```\n", "expected"),
        ("```pyhton\n1\n```\n", "language"),
        ('```python title="/dev/shm/here.py"\n1\n```\n', "outside of the current directory"),
        ("```python\n1\n", "does not end"),
    ],
)
@pytest.mark.linux_only("the commands in the pages are for bash")
def test_code_that_does_not_do_what_the_page_says_is_noticed(
    text: str, says: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = _run(page, tmp_path)
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.parametrize("command", [SETUP, TEST])
def test_the_readme_has_the_command_on_a_line_of_its_own(command: str) -> None:
    assert command in [
        line.strip() for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    ]


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    lines = [
        line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    ]
    assert TEST in lines


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_to_pages(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        where = (page.parent / path) if path else page
        assert where.exists(), f"{target} leads nowhere"
        if anchor.startswith("memsection."):
            pkgutil.resolve_name(anchor)  # a heading that is made from the docstring
        elif anchor and where.suffix == ".md":
            assert anchor in _anchors(where), f"{target}: no such heading"


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]
    assert pages and len(set(numbers)) == len(numbers)
    for page in pages:
        assert page.read_text(encoding="utf-8").startswith(f"# {page.name[:4]}: "), page.name


def test_what_the_walk_through_names_is_there() -> None:
    text = (ROOT / "docs" / "design" / "walk-through.md").read_text(encoding="utf-8")
    core = ROOT / "src" / "memsection"
    named = re.findall(r"`((?:api|nt|_native)/\S+\.\w+)`(?:, `(\w+)`)?(?: and `(\w+)`)?", text)
    for file, *functions in named:
        code = (core / file).read_text(encoding="utf-8")
        for function in filter(None, functions):
            assert re.search(rf"(def|class) {function}\b|^{function}\b", code, re.M), (
                file,
                function,
            )
    steps = "".join(file.read_text() for file in (core / "_native" / "protocol").glob("*.c"))
    for step in re.findall(r"`(ms_\w+)`", text):
        assert f"int {step}(" in steps, step
    assert len(named) > 15
