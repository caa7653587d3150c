# SPDX-License-Identifier: MIT
"""pywin32's winerror: the error codes that ``memsection.win32`` has."""

from memsection.win32 import winerror as _winerror

globals().update({name: value for name, value in vars(_winerror).items() if name.isupper()})
ERROR_NONE_MAPPED, ERROR_NO_SUCH_DOMAIN, ERROR_HANDLE_EOF, ERROR_IO_PENDING = 1332, 1355, 38, 997
ERROR_PROC_NOT_FOUND, ERROR_MOD_NOT_FOUND, ERROR_FILENAME_EXCED_RANGE = 127, 126, 206
TRUST_E_PROVIDER_UNKNOWN = -2146762751
S_OK, S_FALSE = 0, 1


def SUCCEEDED(result: int) -> bool:  # noqa: N802  # the name of the original
    """Whether an HRESULT is a success."""
    return result >= 0


def FAILED(result: int) -> bool:  # noqa: N802
    """Whether an HRESULT is a failure."""
    return result < 0


def HRESULT_FROM_WIN32(code: int) -> int:  # noqa: N802
    """The HRESULT of an error code."""
    return code if code <= 0 else (code & 0xFFFF | 0x80070000) - (1 << 32)


def HRESULT_CODE(result: int) -> int:  # noqa: N802
    """The error code in an HRESULT."""
    return result & 0xFFFF
