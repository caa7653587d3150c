# SPDX-License-Identifier: MIT
"""The services of the Linux object manager: ``nt.interface.Kernel``, delegating by object type.

What a service does stands in the module of its object.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.services.directories import DirectoryServices
from memsection.nt.linux.services.memory import MemoryServices
from memsection.nt.linux.services.objects import ObjectServices
from memsection.nt.linux.transfer import adopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsection.nt.linux.services.files import FileServices
    from memsection.nt.linux.services.processes import ProcessServices
    from memsection.nt.linux.services.synchronisation import SynchronisationServices
    from memsection.nt.linux.services.timers import TimerServices

    class _LaterServices(FileServices, SynchronisationServices, TimerServices, ProcessServices):
        """All of them, for type checkers."""

else:

    class _LaterServices:
        """Services that a program with nothing but sections does not use: they are imported when
        the first of them is asked for, or before a fork."""

        def __getattr__(self, name: str) -> object:
            from memsection.nt.linux.services.files import FileServices
            from memsection.nt.linux.services.processes import ProcessServices
            from memsection.nt.linux.services.synchronisation import SynchronisationServices
            from memsection.nt.linux.services.timers import TimerServices

            for group in (FileServices, SynchronisationServices, TimerServices, ProcessServices):
                if name in vars(group):
                    setattr(LinuxKernel, name, vars(group)[name])
                    return getattr(self, name)
            raise AttributeError(f"the object manager has no service {name!r}")


class LinuxKernel(ObjectServices, DirectoryServices, MemoryServices, _LaterServices):
    """The object manager of this process; all of its state is in ``handles.state`` and
    ``views.regions``."""

    def __init__(self) -> None:
        adopt.connect()
