"""Pictures of the lifecycle, made from the table: one small model, many renderers.

>>> from serverfsm.diagram import draw
>>> draw("lifecycle").title.split(":")[0]
'The lifecycle of a server'
"""

from serverfsm.diagram.drawing import Drawing
from serverfsm.diagram.formats import FORMATS
from serverfsm.diagram.model import Diagram, Grid
from serverfsm.diagram.views import VIEWS, draw

__all__ = ["FORMATS", "VIEWS", "Diagram", "Drawing", "Grid", "draw"]
