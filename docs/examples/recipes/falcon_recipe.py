"""Falcon: answer a refused request with Nova's own fault."""

from falcon import App, Request, Response

from serverfsm import RefusedError


def refuse(_: Request, response: Response, error: RefusedError, params: dict[str, str]) -> None:
    response.status, response.data = error.fault.code, error.fault.body
    response.content_type = error.fault.content_type


app = App()  # yours
app.add_error_handler(RefusedError, refuse)
