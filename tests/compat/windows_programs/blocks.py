# SPDX-License-Identifier: MIT
"""Blocks of multiprocessing that have the names of sections, as programs for Windows open them."""

import importlib
import mmap
import multiprocessing as mp
import multiprocessing.shared_memory as by_import
import pickle
from ctypes import wintypes  # noqa: F401  # for whom sees Windows
from multiprocessing import shared_memory
from multiprocessing.shared_memory import ShareableList, SharedMemory

NAME = "Local\\blocks-of-a-program"
by_name = importlib.import_module("multiprocessing.shared_memory")
print(by_import is shared_memory, by_name is shared_memory, mp.shared_memory is shared_memory)


def refused(*arguments, **words):
    try:
        SharedMemory(*arguments, **words).close()
    except OSError as e:
        print(isinstance(e, FileExistsError), isinstance(e, FileNotFoundError), e.errno)


refused(NAME)
memory = mmap.mmap(-1, 5000, tagname=NAME)
memory[:5] = b"hello"
block = SharedMemory(NAME)
print(block.name == NAME, block.size, bytes(block.buf[:5]))
refused(NAME, create=True, size=10)
again = pickle.loads(pickle.dumps(block))
again.buf[0] = 74
print(memory[:5], type(again) is type(block))
again.close()
block.unlink()  # says nothing there
print(SharedMemory(NAME).size)
block.close()
memory.close()
refused(NAME)

made = SharedMemory(create=True, size=100)
print(made.size, made.name[:5], SharedMemory(made.name).size)
made.close()
listed = ShareableList([1, "two", 3.5, None])
other = ShareableList(name=listed.shm.name)
other[0] = 7
print(list(listed))
listed.shm.close()
other.shm.close()
