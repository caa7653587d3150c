# SPDX-License-Identifier: MIT
"""A program written for Windows: mmap by tag names."""

import mmap
import os
import tempfile

TAG = "mapping-of-a-program"
one = mmap.mmap(-1, 1024, TAG)
one.write(b"hello from the writer\n")
two = mmap.mmap(0, 1024, tagname=TAG, access=mmap.ACCESS_READ)
print(two.readline(), len(two), two.size(), repr(two)[:28])
for length in (0, 8192):
    try:
        mmap.mmap(-1, length, tagname=TAG)
    except OSError as problem:
        print(length, isinstance(problem, PermissionError), problem.winerror)
for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY, mmap.ACCESS_WRITE):
    three = mmap.mmap(-1, 1024, TAG, access)
    try:
        three[0:1] = b"H"
        print(access, one[:1], three[:1])
    except TypeError as problem:
        print(access, problem)
    three.close()
for arguments in ((-1, 10, 5), (-1, -1, TAG), (-1, 10, TAG, 7), (-1, 10, TAG, 0, -1)):
    try:
        mmap.mmap(*arguments)
    except (TypeError, ValueError, OverflowError) as problem:
        print(type(problem).__name__)
try:
    one.resize(2048)
except OSError as problem:
    print(problem.winerror, len(one))
two.close()
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 10)
    file.flush()
    with mmap.mmap(file.fileno(), 5000) as grown:
        print(len(grown), grown[:11], os.fstat(file.fileno()).st_size)
    with mmap.mmap(file.fileno(), 0, tagname=TAG + "-file", access=mmap.ACCESS_READ) as whole:
        print(len(whole), whole[9:11])
one.close()
with mmap.mmap(-1, 100, TAG) as fresh:
    print(fresh[:5])
