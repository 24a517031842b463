"""What the browser tests steer the server by: a log of requests, faults, and expiry at will.

It lives in the server's process; the tests reach it through the views at its end.
"""

import json
import socket
import threading
from dataclasses import dataclass, field
from datetime import timedelta

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from token_lifecycle import lifecycle
from token_lifecycle.models import Session, SessionEvent

USERNAME = "anna"
PASSWORD = "correct horse battery staple"


@dataclass
class Stage:
    log: list = field(default_factory=list)
    faults: dict = field(default_factory=dict)
    """By path, what happens to the next requests; the last one stays."""
    honoured: set = field(default_factory=set)
    """The ``jti`` of the access tokens that have not been declared expired."""
    gate: threading.Event = field(default_factory=threading.Event)
    """Opens for the requests that a fault holds."""


STAGE = Stage()
LOCK = threading.Lock()

CORS = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Headers": "authorization, content-type, x-csrftoken",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
}


def stage(get_response):
    """The middleware: outermost, so that it sees what the browser sees."""

    def middleware(request):
        if request.path.startswith("/stage/"):
            return get_response(request)
        if request.method == "OPTIONS" and "Origin" in request.headers:
            response = HttpResponse(status=204)
        else:
            response = perform(request, get_response)
        if origin := request.headers.get("Origin"):
            for name, value in {**CORS, "Access-Control-Allow-Origin": origin}.items():
                response.headers[name] = value
        return response

    return middleware


def perform(request, get_response):
    entry = note(request)
    fault = next_fault(request.path)
    response = JsonResponse({}, status=503) if fault == "503" else get_response(request)
    remember_issued(response)
    entry["status"] = response.status_code
    match fault:
        case "drop":
            request.META["stage.connection"].shutdown(socket.SHUT_RDWR)
        case "hold":
            STAGE.gate.wait(timeout=60)
    return response


def note(request):
    entry = {
        "path": request.path,
        "method": request.method,
        "host": request.get_host(),
        "query": request.META["QUERY_STRING"],
        "bearer": request.headers.get("Authorization", "").startswith("Bearer "),
        "csrf": "X-CSRFToken" in request.headers,
        "cookies": sorted(request.COOKIES),
        "status": None,
    }
    with LOCK:
        STAGE.log.append(entry)
    return entry


def next_fault(path):
    with LOCK:
        faults = STAGE.faults.get(path)
        if not faults:
            return None
        return faults.pop(0) if len(faults) > 1 else faults[0]


def remember_issued(response):
    access = getattr(response, "data", None)
    access = access.get("access") if isinstance(access, dict) else None
    if access:
        claims = jwt.decode(access, options={"verify_signature": False})
        STAGE.honoured.add(claims["jti"])


# --- The tests' end -----------------------------------------------------------------------------


@csrf_exempt
def control(request, action):
    """``POST /stage/<action>/`` with JSON arguments."""
    arguments = json.loads(request.body or "{}")
    return JsonResponse({"result": ACTIONS[action](**arguments)})


def reset():
    configure()
    users = get_user_model().objects
    if not users.filter(username=USERNAME).exists():
        users.create_user(USERNAME, password=PASSWORD)
    SessionEvent.objects.all().delete()
    Session.objects.all().delete()
    with LOCK:
        STAGE.gate.set()  # whoever is still held belongs to a test that is over
        STAGE.gate = threading.Event()
        STAGE.log.clear()
        STAGE.faults.clear()
        STAGE.honoured.clear()


def log():
    return STAGE.log


def clear_log():
    STAGE.log.clear()


def fault(path, faults):
    """``faults`` for the next requests to ``path``: ``drop``, ``503``, ``hold``, or null."""
    with LOCK:
        STAGE.faults[path] = faults


def release():
    STAGE.gate.set()


def expire():
    """Every access token that is out there counts as expired from now on."""
    STAGE.honoured.clear()


def revoke():
    """An administrator ends all sessions."""
    for session in Session.objects.live(timezone.now()):
        lifecycle.revoke_session(session.pk, reason="admin")


def sessions():
    return [
        {"generation": generation, "reason": reason, "live": revoked_at is None}
        for generation, reason, revoked_at in Session.objects.order_by("created_at").values_list(
            "generation", "revocation_reason", "revoked_at"
        )
    ]


def configure(grace=10, refused_status=401):
    """The app's settings are read live."""
    settings.TOKEN_LIFECYCLE["REUSE_GRACE_PERIOD"] = timedelta(seconds=grace)
    settings.TOKEN_LIFECYCLE["REFRESH_REFUSED_STATUS"] = refused_status


ACTIONS = {
    action.__name__: action
    for action in (reset, log, clear_log, fault, release, expire, revoke, sessions, configure)
}
