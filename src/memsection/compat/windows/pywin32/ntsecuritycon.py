# SPDX-License-Identifier: MIT
"""pywin32's ntsecuritycon: rights, as far as ``memsection.win32`` has them."""

from memsection.win32 import winnt as _winnt

globals().update({name: value for name, value in vars(_winnt).items() if name.isupper()})
