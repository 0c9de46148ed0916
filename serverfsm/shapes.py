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


# What a server is created with: nova.api.openstack.compute.schemas.servers
COUNT_FROM_1: Shape = {**COUNT, "minimum": 1}
UUID_OR_EMPTY: Shape = {
    "oneOf": [{"type": "string", "format": "uuid"}, {"type": "string", "maxLength": 0}]
}
TAG: Shape = {"type": "string", "pattern": "^[^,/]*$", "minLength": 1, "maxLength": 60}
TAGS: Shape = {"type": "array", "items": TAG, "maxItems": 50}
ENCODED: Shape = {"type": "string", "format": "base64", "maxLength": 65535}
GROUPS: Shape = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": NAME}, "additionalProperties": False}
}


def networks(uuid: Shape, tag: bool) -> Shape:
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "fixed_ip": ADDRESS,
                "port": {"type": ["string", "null"], "format": "uuid"},
                "uuid": uuid,
                **({"tag": TAG} if tag else {}),
            },
            "additionalProperties": False
        }
    }


def networks_or_word(tag: bool) -> Shape:
    return {"oneOf": [networks(UUID, tag), {"type": "string", "enum": ["none", "auto"]}]}


SHORT: Shape = {"type": "string", "maxLength": 255}
DISK: Shape = {
    "virtual_name": SHORT,
    "volume_id": UUID,
    "snapshot_id": UUID,
    "volume_size": {
        "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": 0x7FFFFFFF
    },
    "device_name": {
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._/-]*$"
    },
    "delete_on_termination": BOOLEAN,
    "no_device": {},
    "connection_info": {"type": "string", "maxLength": 16777215},
}
DISK_V2: Shape = {
    **DISK,
    "source_type": {"type": "string", "enum": ["volume", "image", "snapshot", "blank"]},
    "uuid": {
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$"
    },
    "image_id": UUID,
    "destination_type": {"type": "string", "enum": ["local", "volume"]},
    "guest_format": SHORT,
    "device_type": SHORT,
    "disk_bus": SHORT,
    "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"},
}
VOLUME_TYPE: Shape = {"type": ["string", "null"], "minLength": 0, "maxLength": 255}


def disks(disk: Shape, **more: Shape) -> Shape:
    items = {
        "type": "object", "properties": {**disk, **more}, "additionalProperties": False
    }
    return {"type": "array", "items": items}


UUIDS: Shape = {"type": "array", "items": UUID}
HINTS: Shape = {
    "type": "object",
    "properties": {
        "group": {"oneOf": [UUIDS, UUID]},
        "different_host": {"oneOf": [UUID, UUIDS]},
        "same_host": {"type": ["string", "array"], "items": UUID},
        "query": {"type": ["string", "object"]},
        "target_cell": NAME,
        "different_cell": {"type": ["string", "array"], "items": {"type": "string"}},
        "build_near_host_ip": ADDRESS,
        "cidr": {"type": "string", "pattern": "^/[0-9a-f.:]+$"},
    },
    "additionalProperties": True
}


def one_of(*words: str) -> Shape:
    return {"type": "string", "enum": list(words)}


DISK_CONFIG = one_of("AUTO", "MANUAL")
REBOOT_TYPE = one_of("HARD", "Hard", "hard", "SOFT", "Soft", "soft")
RESET_STATE = one_of("active", "error")
