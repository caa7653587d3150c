# SPDX-License-Identifier: MIT
"""Threads map views, unmap them by address, and close or drop the objects over them later, at
addresses used again.

What must hold: a view that is there has the bytes of its section, and a closed one takes nothing
else away.
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parents[2] / "src"),
]

from support.storms import Storm, main  # noqa: E402  (after the path)

THREADS, SECTIONS = 4, 6


def run(storm: Storm) -> None:
    from memsection import Section, View
    from memsection.nt import kernel
    from memsection.vocabulary import structs as s

    sections = [Section.create(size=65536, commit=number % 3 != 2) for number in range(SECTIONS)]
    for number, section in enumerate(sections):
        with section.map() as view:
            view.commit()
            view[:] = bytes([number]) * len(view)
    counting = threading.Lock()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        stale: list[View] = []
        while storm.left > 0:
            number = chance.randrange(SECTIONS)
            view = sections[number].map()
            if chance.random() < 0.5:
                kernel.unmap_view(s.CURRENT_PROCESS, view.address)
                stale.append(view)
            else:
                torn = bytes(view[::4096]) != bytes([number]) * 16
                while stale and chance.random() < 0.7:
                    stale.pop(chance.randrange(len(stale))).close()
                torn |= bytes(view[::4096]) != bytes([number]) * 16
                view.close()
                with counting:
                    storm.count("views")
                    storm.count("torn", torn)
            del view
            if len(stale) > 50:
                stale.clear()  # collected, and not closed

    def guarded(seed: int) -> None:
        try:
            work(seed)
        except BaseException as problem:
            with counting:
                storm.count("raw", example=repr(problem))

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    while storm.goes_on():
        threads[0].join(0.5)
    for thread in threads:
        thread.join(30)
        storm.count("stuck", thread.is_alive())
    for section in sections:
        section.close()


if __name__ == "__main__":
    main(run)
