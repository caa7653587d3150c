# SPDX-License-Identifier: MIT
"""How long is a round trip between two processes that wake each other through two events?

Across two processors, where waking a sleeping one costs most, and on one processor, where spinning
would be in vain. The alternative is two semaphores of ``multiprocessing``, which always sleep.
"""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Callable
from itertools import repeat
from typing import Any

from measure import Samples, arguments, compare, median
from two_processes import meet, processors

from memsection import Event

TRIPS = 2000


def events() -> tuple[Any, Any, Callable[[], object]]:
    ping = Event.create(f"bench-ping-{os.getpid()}", manual_reset=False)
    pong = Event.create(f"bench-pong-{os.getpid()}", manual_reset=False)

    def close() -> None:
        ping.close()
        pong.close()

    return (ping.set, ping.wait), (pong.set, pong.wait), close


def semaphores() -> tuple[Any, Any, Callable[[], object]]:
    ping, pong = multiprocessing.Semaphore(0), multiprocessing.Semaphore(0)
    return (ping.release, ping.acquire), (pong.release, pong.acquire), lambda: None


def main() -> None:
    rounds = arguments(__doc__, 60).rounds
    first, second = processors()
    for title, cpus, target in (
        ("two processors", (first, second), 0.1),
        ("one processor", (first, first), 1.2),
    ):
        samples: Samples = {"memsection": [], "multiprocessing.Semaphore": []}
        makers = [("memsection", events), ("multiprocessing.Semaphore", semaphores)]
        for _ in range(rounds):
            random.shuffle(makers)
            for name, make in makers:
                (send, receive), (answer, hear), close = make()

                def here(send: Any = send, hear: Any = hear) -> None:
                    for _ in repeat(None, TRIPS):
                        send()
                        hear()

                def there(receive: Any = receive, answer: Any = answer) -> None:
                    for _ in repeat(None, TRIPS):
                        receive()
                        answer()

                samples[name].append(meet(here, there, cpus) / TRIPS)
                close()
        compare(f"round trip, {title}", samples, "multiprocessing.Semaphore", target)
        print(
            f"{median(samples['multiprocessing.Semaphore']) / median(samples['memsection']):.1f} "
            f"times as fast\n"
        )


if __name__ == "__main__":
    main()
