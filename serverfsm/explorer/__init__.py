"""The explorer: one HTML page that shows the whole table, and needs no network and no server."""

from serverfsm.explorer.page import explorer_page

__all__ = ["explorer_page"]
