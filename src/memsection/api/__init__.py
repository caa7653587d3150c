# SPDX-License-Identifier: MIT
"""The Pythonic face over ``nt``: objects with methods, exceptions, context managers.

The public names are re-exported by the package itself.  Nothing here knows which system it is on.
"""
