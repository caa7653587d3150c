# SPDX-License-Identifier: MIT
"""pywin32's winnt: numbers, as far as ``memsection.win32`` has them."""

from memsection.compat.windows.pywin32 import security_numbers as _numbers

globals().update({name: value for name, value in vars(_numbers).items() if name[0] != "_"})
