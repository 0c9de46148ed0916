"""The picture of the lifecycle as an element of a page.

Only what has to be done to an SVG document so that it may stand inside HTML belongs here.
"""

from __future__ import annotations

import re

from serverfsm.diagram import draw
from serverfsm.rulebook import Rulebook

__all__ = ["element", "lifecycle_picture"]


def lifecycle_picture(rulebook: Rulebook) -> str:
    """Return the picture of the lifecycle by this rulebook, as an SVG element.

    Raises:
        MissingPackageError: there is no layout program.
    """
    return element(draw("lifecycle", rulebook=rulebook).to_text("svg"))


def element(document: str) -> str:
    """Return the root element of an SVG document, without what stands before it.

    >>> element('<?xml version="1.0"?><!DOCTYPE svg><!-- made --><svg width="1"/>')
    '<svg width="1"/>'
    """
    found = re.search(r"<svg[\s>]", document)
    if found is None:
        raise ValueError("the picture is no SVG document")
    return document[found.start() :].strip()
