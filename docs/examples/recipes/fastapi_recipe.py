"""FastAPI: answer a refused request with Nova's own fault."""

from fastapi import FastAPI, Request, Response

from serverfsm import RefusedError

app = FastAPI()  # yours


@app.exception_handler(RefusedError)
async def refuse(request: Request, error: RefusedError) -> Response:
    fault = error.fault
    return Response(fault.body, fault.code, media_type=fault.content_type)
