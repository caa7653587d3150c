# SPDX-License-Identifier: MIT
"""Arrow arrays over memory that somebody else may change: what leads elsewhere is copied and
checked, values stay.

An offset, an index or a bit that says what is valid is used as an address, or counted for one, long
after it was checked.  So those buffers are private here, and Arrow checks the private ones.  A
value may change at any time, and is then another value.

Arrow does not check what stands where a value is null, and some of its functions use it all the
same: a length there is added to the memory that a result needs.  So it becomes zero in the copies.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

#: The buffers, by their number, that are no addresses: everything else is copied.  (Arrow format,
#: "Buffer Listing")
_DATA_AFTER_OFFSETS = ("binary", "string", "large_binary", "large_string")
_VIEWS = ("binary_view", "string_view")
_MOST_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}  #: of decimals of so many bits
_VIEW_SIZE = 16  #: bytes of one view (Arrow format, "Variable-size Binary View Layout")


def checked_table(table: Any) -> Any:
    """The same table, over private offsets.

    Raises:
        pyarrow.ArrowInvalid: It does not hold together.
    """
    # lengths and sizes, before anything is asked of the arrays; offsets when they are private
    table.validate()
    seen: dict[Any, Any] = {}
    columns = [
        pa.chunked_array([_checked_array(chunk, seen) for chunk in column.chunks], type=column.type)
        for column in table.columns
    ]
    for column in columns:
        column.validate(full=True)
    if not columns:
        return table
    made = pa.Table.from_arrays(columns, schema=table.schema)
    made.validate()
    return made


def _checked_array(array: Any, dictionaries: dict[Any, Any]) -> Any:
    kind = array.type
    _check_scale(kind)
    if isinstance(array, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, _checked_array(array.storage, dictionaries))
    if pa.types.is_dictionary(kind):
        return _checked_dictionary(array, dictionaries)
    children = [_checked_array(child, dictionaries) for child in _children(array)]
    if pa.types.is_run_end_encoded(kind):
        ends = children[0]
        children[0] = pa.Array.from_buffers(
            ends.type, len(ends), [None, _private(ends.buffers()[1])], 0, ends.offset
        )
    made = pa.Array.from_buffers(
        kind,
        len(array),
        _own_buffers(array),
        -1 if _may_be_null(kind) else 0,
        array.offset,
        children or None,
    )
    made.validate(full=True)
    return made


def _checked_dictionary(array: Any, dictionaries: dict[Any, Any]) -> Any:
    kind, words = array.type, array.dictionary
    key = (
        str(words.type),
        len(words),
        tuple(buffer and buffer.address for buffer in words.buffers()),
    )
    if key not in dictionaries:
        # The first of a kind is kept too, so that its addresses are not given to another one
        # meanwhile.
        dictionaries[key] = words, _checked_array(words, dictionaries)
    valid, indices = map(_private, array.buffers())
    buffers = [valid, _zero_where_null(array, kind.index_type, valid, indices)]
    made = pa.DictionaryArray.from_buffers(
        kind, len(array), buffers, dictionaries[key][1], -1, array.offset
    )
    made.validate(full=True)
    return made


def _children(array: Any) -> list[Any]:
    """The arrays inside an array, whole."""
    kind = array.type
    if pa.types.is_struct(kind):
        return [array.field(index) for index in range(kind.num_fields)]
    if pa.types.is_union(kind):
        return [array.field(index) for index in range(kind.num_fields)]
    if pa.types.is_run_end_encoded(kind):
        return [array.run_ends, array.values]
    return [array.values] if kind.num_fields else []


def _own_buffers(array: Any) -> list[Any]:
    """The array's own buffers, without those of the arrays inside: in place what is known to be
    values, or else copies."""
    kind = array.type
    name = kind.id
    buffers = array.buffers()
    if name in _ids(*_VIEWS):
        valid, views = map(_private, buffers[:2])
        return [valid, _zero_where_null(array, pa.binary(_VIEW_SIZE), valid, views), *buffers[2:]]
    own = buffers[: kind.num_buffers]
    types: Any = pa.lib  # pyright: ignore[reportAttributeAccessIssue]
    for number, layout in ((pa.int32(), "LIST_VIEW"), (pa.int64(), "LARGE_LIST_VIEW")):
        if name == getattr(types, f"Type_{layout}", None):
            valid, *leading = map(_private, own)
            return [valid, *(_zero_where_null(array, number, valid, each) for each in leading)]
    if name in _ids(*_DATA_AFTER_OFFSETS):
        return [*map(_private, own[:2]), own[2]]
    in_place = not pa.types.is_boolean(kind) and (
        pa.types.is_primitive(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
    return (
        [_private(own[0]), *(buffer if in_place else _private(buffer) for buffer in own[1:])]
        if own
        else []
    )


def _ids(*names: str) -> set[int]:
    """Arrow's numbers of types, as far as this version has them."""
    return {getattr(pa, name)().id for name in names if hasattr(pa, name)}


def _may_be_null(kind: Any) -> bool:
    return not (pa.types.is_union(kind) or pa.types.is_run_end_encoded(kind))


def _zero_where_null(array: Any, kind: Any, valid: Any, data: Any) -> Any:
    """Private elements of this kind that lead elsewhere, without what stands where the array has no
    value."""
    if valid is None or data is None:
        return data
    elements = pa.Array.from_buffers(kind, array.offset + len(array), [valid, data])
    elements.validate(full=True)  # as long as they are said to be
    zero = bytes(_VIEW_SIZE) if pa.types.is_fixed_size_binary(kind) else 0
    return elements.fill_null(zero).buffers()[1] if elements.null_count else data


def _check_scale(kind: Any) -> None:
    """Arrow looks powers of ten up by the scale, in tables that end with the most digits of a
    number."""
    if pa.types.is_decimal(kind):
        most = _MOST_DIGITS[kind.bit_width]
        if not -most <= kind.scale <= most:
            raise ValueError(f"decimals of scale {kind.scale}: none within {most} digits")


def _private(buffer: Any) -> Any:
    return None if buffer is None else pa.py_buffer(bytes(buffer))
