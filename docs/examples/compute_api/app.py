"""The endpoints: who asks and at which microversion, then the store, then the answer."""

import json
import re
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Row

from compute_api import documents
from compute_api.cloud import Asking, caller, filled, log_in
from compute_api.store import REQUESTS, SERVERS, RefusedError, Store, clean
from serverfsm import ActionName, Actor, check, negotiate
from serverfsm.verdict import fault

LARGEST_BODY = 114_688  # oslo.middleware's default
JSON_TYPES = ("application/json", "application/vnd.openstack.compute+json", "text/plain", "")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
api = APIRouter()


def create_app(store: Store, *, noauth: bool = True) -> FastAPI:
    """Return the service; `noauth` takes "user:project" for a token, besides those given out."""
    app = FastAPI(title="compute_api")
    app.state.store, app.state.noauth = store, noauth
    app.middleware("http")(_with_headers)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(404, _refused)
    app.include_router(api)
    return app


async def _with_headers(request: Request, answer: Any) -> Response:
    request.state.id, request.state.headers = f"req-{uuid.uuid4()}", {}
    response: Response = await answer(request)
    response.headers.update({"x-openstack-request-id": request.state.id, **request.state.headers})
    return response


def _refused(_: Request, error: Exception) -> Response:
    answer = getattr(error, "fault", fault(404, "The resource could not be found."))
    return Response(answer.body, answer.code, media_type=answer.content_type)


async def _asking(request: Request) -> Asking:
    """Who asks, and at which microversion; refused as Nova does where there is no such one."""
    who = caller(clean(request.headers.get("X-Auth-Token", "")), noauth=request.app.state.noauth)
    if who is None:
        raise RefusedError(check(None, ActionName.DELETE, Actor.ANONYMOUS).fault(""))
    asked = negotiate(request.headers)
    request.state.headers = asked.headers
    if asked.fault is not None:
        raise RefusedError(asked.fault)
    assert asked.microversion is not None
    return who._replace(
        request=request.state.id, microversion=asked.microversion, base=_base(request)
    )


async def _body(request: Request) -> bytes:
    """The body, if it is not too large and says that it is JSON."""
    if request.headers.get("Content-Type", "").partition(";")[0] not in JSON_TYPES:
        raise RefusedError(fault(415, "Unsupported Content-Type"))
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise RefusedError(fault(413, "Request is too large."))
    return body


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def _stored(request: Request) -> Store:
    return request.app.state.store  # type: ignore[no-any-return]


Asked = Annotated[Asking, Depends(_asking)]
Body = Annotated[bytes, Depends(_body)]
Stored = Annotated[Store, Depends(_stored)]


def _found(store: Store, asking: Asking, server_id: str) -> Row[Any]:
    for row in store.rows(SERVERS, id=server_id, deleted=False):
        if asking.towards(row.project) is not Actor.STRANGER:
            return row
    raise RefusedError(check(None, ActionName.DELETE).fault(server_id))


def _answered(asking: Asking, store: Store, server_id: str = "", **what: Any) -> Response:
    action, given, row = store.request(asking, server_id, **what)
    document, headers = documents.answer(action, given, row, asking, store)
    content = b"" if document is None else json.dumps(document).encode()
    return Response(content, action.normal, headers, media_type="application/json")


@api.get("/v2.1/servers")
@api.get("/v2.1/servers/detail")
def index(request: Request, store: Stored, asking: Asked) -> Any:
    show = documents.detail if request.url.path.endswith("detail") else documents.summary
    query, limit = request.query_params, request.query_params.get("limit", "")
    if not re.fullmatch("[0-9]{0,9}", limit):
        where = f"Invalid input for query parameters limit. Value: {limit}."
        raise RefusedError(fault(400, f"{where} {limit!r} does not match '^[0-9]*$'"))
    is_everywhere = asking.role is Actor.ADMIN and "all_tenants" in query
    mine = {} if is_everywhere else {"project": asking.project}
    rows = {row.id: row for row in store.rows(SERVERS, deleted=False, **mine)}
    marker, most = query.get("marker", ""), min(int(limit or 1000), 1000)
    if marker not in ("", *rows):
        raise RefusedError(fault(400, f"marker [{marker}] not found"))
    first = ["", *rows].index(marker)
    page = {"servers": [show(row, asking) for row in [*rows.values()][first : first + most]]}
    if 0 < most == len(page["servers"]):
        following = request.url.include_query_params(marker=page["servers"][-1]["id"])
        page["servers_links"] = [{"rel": "next", "href": str(following)}]
    return page


@api.post("/v2.1/servers")
def create(body: Body, store: Stored, asking: Asked) -> Response:
    return _answered(asking, store, action=ActionName.CREATE, body=body)


@api.get("/v2.1/servers/{server_id}")
def show(server_id: str, store: Stored, asking: Asked) -> Any:
    return {"server": documents.server(_found(store, asking, server_id), asking)}


@api.delete("/v2.1/servers/{server_id}")
def delete(server_id: str, store: Stored, asking: Asked) -> Response:
    return _answered(asking, store, server_id, action=ActionName.DELETE)


@api.post("/v2.1/servers/{server_id}/action")
def act(server_id: str, body: Body, store: Stored, asking: Asked) -> Response:
    return _answered(asking, store, server_id, body=body)


@api.get("/v2.1/servers/{server_id}/os-instance-actions")
def requests(server_id: str, store: Stored, asking: Asked) -> Any:
    rows = store.rows(REQUESTS, server=_found(store, asking, server_id).id)
    return {"instanceActions": [documents.request(row, asking, store) for row in rows]}


@api.get("/v2.1/servers/{server_id}/os-instance-actions/{request_id}")
def one_request(server_id: str, request_id: str, store: Stored, asking: Asked) -> Any:
    for row in store.rows(REQUESTS, server=_found(store, asking, server_id).id, id=request_id):
        return {"instanceAction": documents.request(row, asking, store, events=True)}
    raise RefusedError(fault(404, f"Action {request_id} not found"))


@api.post("/identity/v3/auth/tokens")
def tokens(request: Request, body: Body) -> Response:
    if (found := log_in(body)) is None:
        message = check(None, ActionName.DELETE, Actor.ANONYMOUS).message
        error = {"code": 401, "title": "Unauthorized", "message": message}
        return JSONResponse({"error": error}, 401)
    token, who = found
    words = {"base": _base(request), "user": who.user, "project": who.project, "role": who.role}
    return JSONResponse({"token": filled("token", **words)}, 201, {"X-Subject-Token": token})


@api.post("/control/{what}", status_code=204)
def control(what: str, body: Body, store: Stored, asking: Asked) -> None:
    """For tests: order a failure ("fail"), end work under way ("run"), move the clock ("tick")."""
    if asking.role is not Actor.ADMIN or what not in ("fail", "run", "tick"):
        raise HTTPException(404)
    try:
        getattr(store, what)(**json.loads(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise RefusedError(fault(400, str(error))) from None


@api.api_route("/{path:path}", methods=METHODS, include_in_schema=False)
def page(path: str, request: Request) -> Any:
    """What clients look up beside servers: versions, flavors, images, networks."""
    pages = filled("pages", base=_base(request))
    if path not in pages or request.method != "GET":
        raise HTTPException(404)
    return pages[path]
