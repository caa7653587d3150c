# SPDX-License-Identifier: MIT
"""pywin32's ntsecuritycon: rights, privileges and well-known numbers."""

from memsection.compat.windows.pywin32 import security_numbers as _numbers

globals().update({name: value for name, value in vars(_numbers).items() if name[0] != "_"})
