# SPDX-License-Identifier: MIT
"""The services of the Linux object manager: ``nt.interface.Kernel``, delegating by object type.

What a service does stands in the module of its object.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

from memsection.nt.linux.services import quick
from memsection.nt.linux.services.files import FileServices
from memsection.nt.linux.services.memory import MemoryServices
from memsection.nt.linux.services.objects import ROOT_DIRECTORY, ObjectServices
from memsection.nt.linux.services.processes import ProcessServices
from memsection.nt.linux.services.synchronisation import SynchronisationServices
from memsection.nt.linux.services.wrapping import translated
from memsection.nt.linux.transfer import adopt


class LinuxKernel(
    ObjectServices, MemoryServices, FileServices, SynchronisationServices, ProcessServices
):
    """The object manager of this process; all of its state is in ``handles.state`` and
    ``views.regions``."""

    def __init__(self) -> None:
        adopt.connect()
        # What is called most has a short way in native code, which calls the service here for all
        # that is unusual.
        vars(self).update(quick.services(self, ROOT_DIRECTORY, translated))
