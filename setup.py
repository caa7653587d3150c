# SPDX-License-Identifier: MIT
"""Builds the compiled core.  Everything else about the package is in pyproject.toml.

``EXTENSIONS`` is the whole list: each compiled module with the plain C files it is a door to, and
whether it is for Linux only.  Generated C goes to ``build/``, never beside the sources, and is not
shipped: the sdist holds the ``.pyx`` files.
"""

import copy
import glob
import os
import shlex
import shutil
import sys
import sysconfig

try:
    from Cython.Build import cythonize
except ImportError:
    raise SystemExit(
        "memsection: building from source needs Cython, which this Python does not have. Build "
        "with "
        "'pip install .', which brings it, or run 'sh tools/setup.sh' for a checkout."
    ) from None
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

CORE = "src/memsection/_native"

#: the core of channels
CHANNEL = [
    "ms_futex.c",
    "ms_spin.c",
    "ms_lives.c",
    "channel/ms_end.c",
    "channel/ms_recover.c",
    "channel/ms_place.c",
    "channel/ms_ring.c",
    "channel/ms_hints.c",
    "channel/ms_bell.c",
    "channel/ms_sleep.c",
    "channel/ms_process.c",
    "channel/ms_topic.c",
    "channel/ms_subscriber.c",
    "channel/ms_holders.c",
    "channel/ms_observer.c",
    "channel/ms_call.c",
]

#: module, of memsection._native where nothing else is said: (its C files, whether it is for Linux
#: only)
EXTENSIONS: dict[str, tuple[list[str], bool]] = {
    "view": (["ms_view.c"], False),
    "sync": (
        [
            "ms_futex.c",
            "ms_spin.c",
            "ms_number.c",
            "sync/ms_state.c",
            "sync/ms_object.c",
            "sync/ms_slot.c",
            "sync/ms_mutex.c",
            "sync/ms_event.c",
            "sync/ms_hold.c",
            "sync/ms_timer.c",
            "sync/ms_take.c",
            "sync/ms_take_all.c",
            "sync/ms_sleep_on.c",
            "sync/ms_wait.c",
        ],
        True,
    ),
    "seqlock": (["ms_seqlock.c", "ms_view.c"], False),
    "ends": (CHANNEL, False),
    "observing": (CHANNEL, False),
    "readers": (["ms_readers.c", "ms_lives.c", "ms_futex.c"], False),
    "atomics": ([], False),
    "guard": (["ms_guard.c", "ms_guard_handler.c"], True),
    "system": ([], True),
    "ending": (["ms_ending.c"], True),
    "ledger": (["ms_ledger.c"], True),
    "protocol": (
        [
            "protocol/ms_description.c",
            "protocol/ms_body.c",
            "protocol/ms_name.c",
            "protocol/ms_mapping.c",
        ],
        True,
    ),
    "records": ([], True),
}

#: the same, for Windows only
WINDOWS_ONLY: dict[str, list[str]] = {"handles": []}

if sys.platform == "win32":
    EXTENSIONS.update((name, (files, False)) for name, files in WINDOWS_ONLY.items())
    COMPILE = ["/O2", "/std:c11"]
else:
    COMPILE = [
        "-std=gnu11",
        "-O2",
        "-g0",  # what Python says of debugging takes a third of the time and of the room
        "-Wall",
        "-Wextra",
        "-Wno-unused-parameter",
        "-fvisibility=hidden",
    ]


def extensions() -> list[Extension]:
    """The extensions of this system."""
    return [
        Extension(
            name if "." in name else f"memsection._native.{name}",
            [
                f"src/{name.replace('.', '/')}.pyx" if "." in name else f"{CORE}/{name}.pyx",
                *(f"{CORE}/{file}" for file in files),
            ],
            depends=[
                *glob.glob(f"{CORE}/*.h"),
                *glob.glob(f"{CORE}/*/*.h"),
                f"{CORE}/include/ms_atomic.h",
            ],
            include_dirs=[CORE, f"{CORE}/include"],
            extra_compile_args=COMPILE,
        )
        for name, (files, linux_only) in EXTENSIONS.items()
        if not linux_only or sys.platform == "linux"
    ]


def require_compiler() -> None:
    """End with what is missing, before anything is built, and not with the log of a build that
    fails."""
    building = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}
    if sys.platform == "win32" or not building & set(sys.argv):
        return
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise SystemExit(
            f"memsection: building from source needs a C compiler, and there is no {compiler!r}. "
            f"Install one "
            "(Debian, Ubuntu: 'apt install gcc python3-dev'), or install a wheel, which needs none."
        )
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.exists(header):
        raise SystemExit(
            f"memsection: building from source needs Python's C headers, and there is no {header}. "
            f"Install "
            "them (Debian, Ubuntu: 'apt install python3-dev'), or install a wheel, which needs "
            "none."
        )


class build_py_with_examples(build_py):
    """Puts the example programs into the package, where ``memsection demo`` looks for them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for program in sorted(glob.glob("examples/*/*.py")):
                target = os.path.join(self.build_lib, "memsection", program)
                self.mkpath(os.path.dirname(target))
                self.copy_file(program, target)


class build_ext_side_by_side(build_ext):
    """Builds as many extensions at a time as there are processors."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count() or 1

    def build_extension(self, ext: Extension) -> None:
        # Extensions share C files: each has objects of its own, so that none reads what another one
        # is writing.
        own = copy.copy(self)
        own.build_temp = os.path.join(self.build_temp, ext.name)
        super(build_ext_side_by_side, own).build_extension(ext)


require_compiler()
setup(
    cmdclass={"build_py": build_py_with_examples, "build_ext": build_ext_side_by_side},
    ext_modules=cythonize(
        extensions(),
        include_path=["src"],
        build_dir="build/cython",
        # by processes, which begin as a copy of this one only here
        nthreads=(os.cpu_count() or 1) if sys.platform == "linux" else 0,
        compiler_directives={
            "language_level": 3,
            "freethreading_compatible": True,
            "embedsignature": True,
            "boundscheck": False,
            "wraparound": False,
        },
    ),
)
