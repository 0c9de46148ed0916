"""What values in a request body look like: JSON Schema fragments, draft 2020-12, by name.

Only shapes that parameters of `table.py` have belong here. Their wording is Nova's, and so is the
order of their keywords: it decides which of two complaints is the answer. A `format` that the
standard does not know is tested by `formats.py`.
"""

# Literal tables are to be read at a glance.
# fmt: off

from __future__ import annotations

from collections.abc import Mapping

Shape = Mapping[str, object]

ANYTHING: Shape = {}
TEXT: Shape = {"type": "string"}
WORD: Shape = {"type": "string", "minLength": 1}
REASON: Shape = {"type": "string", "minLength": 1, "maxLength": 255}
# nova.api.validation.parameter_types
NAME: Shape = {"type": "string", "format": "name", "minLength": 1, "maxLength": 255}
NAME_OR_NULL: Shape = {
    "oneOf": [{"type": "string", "minLength": 1, "maxLength": 255}, {"type": "null"}]
}
DESCRIPTION: Shape = {
    "type": ["string", "null"], "format": "printable", "minLength": 0, "maxLength": 255
}
TEXT_OR_NULL: Shape = {"type": ["string", "null"]}
UUID: Shape = {"type": "string", "format": "uuid"}
FLAVOR: Shape = {"type": ["string", "integer"], "minLength": 1}
IPV4: Shape = {"type": "string", "format": "ipv4"}
IPV6: Shape = {"type": "string", "format": "ipv6"}
ADDRESS: Shape = {"type": "string", "oneOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
NETWORK: Shape = {"type": ["string", "number"], "minLength": 1, "maxLength": 36}
HOSTNAME: Shape = {
    "type": "string", "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$",
    "minLength": 2, "maxLength": 63
}
FQDN: Shape = {
    "type": "string", "pattern": "^[a-zA-Z0-9-._]*$", "minLength": 1, "maxLength": 255
}
HOST_OR_NULL: Shape = {**FQDN, "type": ["string", "null"]}
YES = (True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes")
NO = (False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no")
BOOLEAN: Shape = {"type": ["boolean", "string"], "enum": [*YES, *NO]}
BOOLEAN_OR_AUTO: Shape = {"type": ["boolean", "string"], "enum": [*YES, *NO, "auto"]}
COUNT: Shape = {"type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 0, "minLength": 1}
LINES: Shape = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1}
METADATA: Shape = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": "string", "maxLength": 255}},
    "additionalProperties": False
}
FILES: Shape = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}
        },
        "additionalProperties": False,
        "required": ["path", "contents"]  # Nova forgets this, and answers 500
    }
}
USER_DATA: Shape = {"type": ["string", "null"], "format": "base64", "maxLength": 65535}
CERTIFICATES: Shape = {
    "type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": True,
    "items": {"type": "string", "minLength": 1}
}


def one_of(*words: str) -> Shape:
    return {"type": "string", "enum": list(words)}


DISK_CONFIG = one_of("AUTO", "MANUAL")
REBOOT_TYPE = one_of("HARD", "Hard", "hard", "SOFT", "Soft", "soft")
RESET_STATE = one_of("active", "error")
