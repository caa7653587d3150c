# SPDX-License-Identifier: MIT
"""Values over Arrow Flight, for the comparison with a replica: one stream of record batches for each
size, which the sender puts values into."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

try:
    import pyarrow as pa
    from pyarrow import flight
except ImportError:
    flight = None

_endings: list[Callable[[], None]] = []
WAITING = 2  #: values that may wait in the sender, as pyzmq's high-water mark


def sources(address: str, port: int, sizes: Iterable[int]) -> dict[int, Callable[[Any], None]]:
    """A server, and for each size what puts a value into its stream."""
    if flight is None:
        return {}
    schema = pa.schema([("value", pa.uint8())])
    waiting: dict[int, queue.Queue[Any]] = {size: queue.Queue(WAITING) for size in sizes}

    def batches(size: int) -> Iterator[Any]:
        while (value := waiting[size].get()) is not None:
            content = pa.py_buffer(value)
            yield pa.record_batch(
                [pa.Array.from_buffers(pa.uint8(), size, [None, content])], schema=schema
            )

    class Server(flight.FlightServerBase):  # type: ignore[misc]
        def do_get(self, context: Any, ticket: Any) -> Any:
            return flight.GeneratorStream(schema, batches(int(ticket.ticket)))

    server = Server(f"grpc+tcp://{address}:{port}")
    threading.Thread(target=server.serve, daemon=True).start()
    _endings.append(lambda: [one.put(None) for one in waiting.values()] and server.shutdown())
    return {size: lambda value, size=size: waiting[size].put(bytes(value)) for size in waiting}


def sinks(address: str, port: int, sizes: Iterable[int]) -> dict[int, Callable[[bytearray], None]]:
    """For each size what takes the next value of its stream."""
    if flight is None:
        return {}
    client = flight.connect(f"grpc+tcp://{address}:{port}")

    def sink(size: int) -> Callable[[bytearray], None]:
        stream = client.do_get(flight.Ticket(str(size)))

        def take(value: bytearray) -> None:
            value[:] = stream.read_chunk().data.column(0).buffers()[1]

        return take

    return {size: sink(size) for size in sizes}


def end() -> None:
    """End the streams and the server, which would keep their process."""
    for one in _endings:
        one()
