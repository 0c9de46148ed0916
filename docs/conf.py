"""How Sphinx builds the manual.

`python -m sphinx -W --keep-going -b html docs docs/_build/html`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import serverfsm  # noqa: E402

project = "serverfsm"
copyright = "the serverfsm authors"  # noqa: A001 - Sphinx's name
release = version = serverfsm.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "table_pages",
    "serverfsm.diagram.sphinx",
]
exclude_patterns = ["_build", "_ext", "_data", "_inventories", "**/__pycache__"]
source_suffix = {".md": "markdown"}
smartquotes = False  # messages are shown byte for byte

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
# The strategies have a class of this name, too.
autodoc_type_aliases = {"Options": "serverfsm.options.Options"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

intersphinx_mapping = {
    # Built from the documentation in Nova's own source distribution: no network is needed.
    "nova": ("https://docs.openstack.org/nova/latest/", str(HERE / "_inventories" / "nova.inv")),
}
intersphinx_disabled_reftypes = ["*"]

html_theme = "furo"
html_title = "serverfsm"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["manual.css"]


def _tidy(app: Sphinx, name: str, source: list[str]) -> None:
    """Take away the empty line that ends an example for doctest, and that readers need not see."""
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("source-read", _tidy)
