# SPDX-License-Identifier: MIT
"""What the bytes of a section mean: descriptions, layouts, and what the modules that users import
have in common.

``arrays``, ``records``, ``latest``, ``arrow`` and ``pickling`` are built on this package; nothing
here is imported by users.
"""
