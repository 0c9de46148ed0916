"""Django: answer a refused request with Nova's own fault. Name the class in MIDDLEWARE."""

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from serverfsm import RefusedError


class RefusalMiddleware(MiddlewareMixin):
    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, RefusedError):
            return None
        return HttpResponse(error.fault.body, error.fault.content_type, error.fault.code)
