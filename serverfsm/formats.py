"""The `format`s of `shapes.py`, as Nova tests them.

Only tests of a single text belong here: of one argument, true where the text has the format.
Where Nova has a test of its own, its answers are these; for the rest it has jsonschema's.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
import uuid

__all__ = ["is_base64", "is_name", "is_printable", "is_uuid"]

# Nova's classes of characters end before this one.
_FIRST_UNKNOWN = "\uffff"


def is_printable(text: str) -> bool:
    r"""Whether all characters are printable, save one newline at the end, which Nova overlooks.

    nova.api.validation.parameter_types:valid_description_regex

    >>> is_printable("a b\n"), is_printable("a\tb"), is_printable("a\U0001f600")
    (True, False, False)
    """
    return all(map(_is_printable, text.removesuffix("\n")))


def is_name(text: str) -> bool:
    r"""Whether all is printable and neither the first nor the last character is a space.

    nova.api.validation.parameter_types:valid_name_regex

    >>> is_name("web 1"), is_name(" web"), is_name("web\x00")
    (True, False, False)
    """
    inner = text.removesuffix("\n")
    if not inner:
        return not text
    return is_printable(text) and not any(unicodedata.category(inner[at]) == "Zs" for at in (0, -1))


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in any of the usual spellings.

    oslo_utils.uuidutils:is_uuid_like

    >>> is_uuid("{F7A8D0F0-7B1E-4D5B-9C3A-1E2D3C4B5A69}"), is_uuid("f7a8d0f0")
    (True, False)
    """
    plain = text.replace("urn:", "").replace("uuid:", "").strip("{}").replace("-", "").lower()
    try:
        return uuid.UUID(text).hex == plain
    except (TypeError, ValueError, AttributeError):
        return False


def is_base64(text: str) -> bool:
    """Whether it can be decoded as base64; ASCII characters that are none of it are passed over.

    oslo_serialization.base64:decode_as_bytes, which does not expect other characters: Nova answers
    500.

    >>> is_base64("YQ=="), is_base64("YQ"), is_base64("%"), is_base64("é")
    (True, False, True, False)
    """
    try:
        base64.b64decode(text.encode("ascii"))
    except (binascii.Error, ValueError):
        return False
    return True


def _is_printable(char: str) -> bool:
    category = unicodedata.category(char)
    return char < _FIRST_UNKNOWN and category[0] != "C" and (category[0] != "Z" or category == "Zs")
