# SPDX-License-Identifier: MIT
"""Passes the Python programs of the documentation through mypy and pyright, as their readers would
who check theirs.

A page's blocks without a title are one program, because they are run as one; a block with a title
is a file beside it.  Pages about what Windows programs do are checked as for Windows, where
``OSError`` has ``winerror``.  Functions may be without annotations: examples are short.  Run it in
the environment that has both checkers (the extra ``dev``).
"""

from __future__ import annotations

import doctest
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import snippets  # noqa: E402

MYPY = (
    "--strict",
    "--allow-redefinition",
    "--allow-untyped-defs",
    "--allow-untyped-calls",
    "--config-file=",
    "--ignore-missing-imports",
    "--follow-imports=silent",
    "--explicit-package-bases",
)
WINDOWS = ("rows", "reference")
#: What the types of others do not know, by page: the rules of mypy, and of pyright, that are not
#: asked there.
UNKNOWN = {
    # typeshed: a SharedMemory may have no buf
    "howto/drop-in.md": ("index", "reportOptionalSubscript"),
    "reference/compat.md": ("index", "reportOptionalSubscript"),
    # pyarrow makes its functions when it is imported
    "howto/table-for-workers.md": ("", "reportAttributeAccessIssue"),
}


def extract(page: Path, directory: Path) -> None:
    """Write the programs of a page into a directory of its own."""
    _, rule = UNKNOWN.get(page.relative_to(ROOT / "docs").as_posix(), ("", ""))
    heading = f"# pyright: {rule}=false\n" if rule else ""
    together = []
    for block in snippets.blocks(page.read_text(encoding="utf-8")):
        if block.language != "python":
            continue
        if block.title is not None:
            target = directory / block.title.replace(".conf.", "_conf.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(heading + block.text, encoding="utf-8")
        elif block.text.lstrip().startswith(">>>"):
            together += [
                example.source for example in doctest.DocTestParser().get_examples(block.text)
            ]
        else:
            together.append(block.text)
    if together:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"page_{page.stem.replace('-', '_')}.py").write_text(
            heading + "\n".join(together), encoding="utf-8"
        )


def main() -> int:
    """Check all pages; 1 when a checker finds something."""
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        groups: dict[tuple[str, str], list[Path]] = {}
        for page in sorted((ROOT / "docs").rglob("*.md")):
            name = page.relative_to(ROOT / "docs")
            directory = Path(work) / name.parent / name.stem.replace("-", "_")
            extract(page, directory)
            if directory.exists():
                platform = "win32" if name.parts[0] in WINDOWS else "linux"
                groups.setdefault((platform, UNKNOWN.get(name.as_posix(), ("", ""))[0]), []).append(
                    directory
                )
        for (platform, rule), directories in groups.items():
            rules = ["--disable-error-code", rule] if rule else []
            files = [
                str(file) for directory in directories for file in sorted(directory.rglob("*.py"))
            ]
            done = subprocess.run(
                [sys.executable, "-m", "mypy", *MYPY, *rules, "--platform", platform, *files],
                cwd=work,
                check=False,
            )
            failed += done.returncode != 0
        for platform, part in (
            ("Windows", WINDOWS),
            ("Linux", ("howto", "tutorial", "explanation")),
        ):
            paths = [str(Path(work) / name) for name in part if (Path(work) / name).exists()]
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pyright",
                    "--pythonpath",
                    sys.executable,
                    "--pythonplatform",
                    platform,
                    "--level",
                    "error",
                    *paths,
                ],
                cwd=work,
                check=False,
            )
            failed += done.returncode != 0
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
