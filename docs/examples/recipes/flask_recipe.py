"""Flask: answer a refused request with Nova's own fault."""

from flask import Flask, Response

from serverfsm import RefusedError

app = Flask(__name__)  # yours


@app.errorhandler(RefusedError)
def refuse(error: RefusedError) -> Response:
    fault = error.fault
    return Response(fault.body, fault.code, content_type=fault.content_type)
