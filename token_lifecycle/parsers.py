"""Strict JSON: what is not a plain JSON document of bearable size gets a 4xx, never a crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, UnreadablePostError
from django.utils.translation import gettext
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from .api_errors import LengthRequired, PayloadTooLarge


def media_type(request: Any) -> str:
    """What a request says its body is, without parameters; empty where it does not say."""
    mime, _, _ = request.content_type.partition(";")
    return str(mime.strip().lower())


def settle_length(request: HttpRequest) -> None:
    """Let Django see a body that came in chunks and whose length nobody has told.

    Django and REST framework would take it for an empty one, without a word: a member that says
    "all but this session" would be lost on the way.

    :raises LengthRequired: nobody can say where the body ends; ParseError: it ends too early.
    """
    meta = request.META
    if "HTTP_TRANSFER_ENCODING" not in meta or meta.get("CONTENT_LENGTH"):
        return
    if isinstance(request, ASGIRequest):
        stream: Any = request  # Django has read it to its end
    elif meta.get("wsgi.input_terminated"):
        stream = meta["wsgi.input"]  # the server says that its stream ends where the body does
    else:
        raise LengthRequired
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        body = stream.read() if limit is None else stream.read(limit + 1)
    except OSError:
        raise ParseError(gettext("Malformed JSON.")) from None
    meta["CONTENT_LENGTH"] = str(len(body))
    # As HttpRequest.body leaves them.
    request._body, request._stream = body, BytesIO(body)


class StrictJSONParser(BaseParser):
    """JSON and nothing else, up to ``DATA_UPLOAD_MAX_MEMORY_SIZE``.

    DRF's parser lets a deeply nested document escape as a RecursionError, reads a body of any size,
    and tells where in the document it gave up.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The parsed document.

        :raises ParseError: 400; PayloadTooLarge: 413; UnsupportedMediaType: 415, compressed.
        """
        request = (parser_context or {}).get("request")
        encoding = request.META.get("HTTP_CONTENT_ENCODING", "") if request is not None else ""
        if encoding.lower() not in ("", "identity"):
            raise UnsupportedMediaType(encoding)
        try:
            return json.loads(_read(stream), parse_constant=_refuse_constant)
        except (ValueError, RecursionError, UnreadablePostError):
            raise ParseError(gettext("Malformed JSON.")) from None


def _read(stream: IO[Any]) -> str:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        body: bytes = stream.read() if limit is None else stream.read(limit + 1)
    except RequestDataTooBig:
        raise PayloadTooLarge from None
    if limit is not None and len(body) > limit:
        raise PayloadTooLarge
    return body.decode()


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON (RFC 8259 §6)."""
    raise ValueError(name)
