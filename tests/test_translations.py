"""German and Spanish: both catalogues are whole, and every page and answer speaks them."""

import ast
import gettext
import html
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import django
import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import include, path
from django.utils import timezone, translation
from rest_framework.exceptions import APIException
from rest_framework.test import APIClient

from tests import urls
from tests.browser.conftest import missing
from tests.catalogues import FOLDER, LANGUAGES, entries_of, header_of, kept_in, path_of
from tests.test_admin import EVENTS, LIST, all_of, hidden_fields, page_of, select
from tests.test_commands import run
from token_lifecycle import api_errors, exceptions, lifecycle
from token_lifecycle.admin import counting
from token_lifecycle.models import EventKind, RevocationReason, SessionEvent, SessionStatus
from token_lifecycle.testing import SessionFactory, UserFactory, authorization, sign_in

pytestmark = pytest.mark.urls(__name__)

urlpatterns = [*urls.urlpatterns, path("devices/", include("token_lifecycle.device_urls"))]

in_each_language = pytest.mark.parametrize("language", LANGUAGES)

#: Stored in English by ``migrate``, and shown as the database has them, as Django's own are.
STORED = ("Can end sessions", "Can view the overview of all sessions")


# The catalogues


@in_each_language
def test_every_text_is_translated_and_no_translation_is_in_doubt(language):
    header = header_of(path_of(language))
    entries = entries_of(path_of(language))
    forms = int(re.match(r"nplurals=(\d)", header["Plural-Forms"])[1])
    assert len(entries) > 200
    assert [entry.key for entry in entries if "fuzzy" in entry.flags] == []
    for entry in entries:
        assert len(entry.forms) == (forms if entry.plural else 1), entry.key
        assert all(form.strip() for form in entry.forms), entry.key


@in_each_language
def test_what_is_put_into_a_text_is_put_into_its_translation(language):
    """Also markup, options and names of commands."""
    for entry in entries_of(path_of(language)):
        singular, *others = [kept_in(form) for form in entry.forms]
        assert singular == kept_in(entry.text), entry.key
        assert all(kept == kept_in(entry.plural) for kept in others), entry.key


@in_each_language
def test_a_translation_ends_as_its_text_does(language):
    """With the same mark, or with none; and a sentence begins with a capital letter."""
    for entry in entries_of(path_of(language)):
        for text, form in zip([entry.text, *[entry.plural] * 2], entry.forms, strict=False):
            ends = [
                (re.search(r"[.:?!]?$", each)[0], each.strip() == each) for each in (text, form)
            ]
            assert ends[0] == ends[1], (text, form)
            assert not (text[0].isupper() and form[0].islower()), (text, form)


@in_each_language
def test_the_header_says_what_the_catalogue_is_and_not_who_made_it_where(language):
    header = header_of(path_of(language))
    assert (header["Project-Id-Version"], header["Language"]) == ("token_lifecycle", language)
    assert header["Content-Type"] == "text/plain; charset=UTF-8"
    djangos = Path(django.__file__).parent / "conf"
    assert header["Plural-Forms"] == header_of(path_of(language, folder=djangos))["Plural-Forms"]
    text = path_of(language).read_text(encoding="utf-8")
    assert "@" not in text
    assert "#: " not in text
    assert "YEAR" not in text


@in_each_language
def test_what_django_says_too_is_said_in_its_words(language):
    """Catalogues are merged: ours would change Django's own pages, or theirs would ours."""
    ours = {(entry.context, entry.text): entry.forms for entry in entries_of(path_of(language))}
    apps = [Path(django.__file__).parent / "conf"]
    apps += [apps[0].parent / "contrib" / name for name in ("admin", "auth", "sessions")]
    for app in apps:
        for entry in entries_of(path_of(language, folder=app)):
            key = (entry.context, entry.text)
            assert ours.get(key, entry.forms) == entry.forms, key


@in_each_language
def test_the_compiled_catalogue_says_exactly_what_the_other_says(language):
    with path_of(language, "mo").open("rb") as file:
        compiled = dict(gettext.GNUTranslations(file)._catalog)
    header = dict(line.split(": ", 1) for line in compiled.pop("").splitlines())
    assert header.items() <= header_of(path_of(language)).items()
    said = {}
    for entry in entries_of(path_of(language)):
        said |= entry.compiled
    assert compiled == said


def test_both_languages_translate_the_same_texts():
    german, spanish = ({entry.key for entry in entries_of(path_of(each))} for each in LANGUAGES)
    assert german == spanish


@in_each_language
def test_the_catalogue_holds_every_text_that_the_source_marks_and_no_other(language, tmp_path):
    if shutil.which("xgettext") is None:
        missing("gettext is not installed")
    copy = shutil.copytree(FOLDER, tmp_path / FOLDER.name)
    command = ["makemessages", "--locale", language, "--no-obsolete", "--no-location"]
    subprocess.run(
        [sys.executable, "-m", "django", *command],
        cwd=copy,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": ""},
        check=True,
        capture_output=True,
    )
    found = {entry.key for entry in entries_of(path_of(language, folder=copy))}
    assert found == {entry.key for entry in entries_of(path_of(language))}


MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "pgettext"}


def calls_that_mark():
    for file in sorted(FOLDER.glob("**/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in MARKS:
                yield f"{file.relative_to(FOLDER)}:{node.lineno}", node


def test_no_text_is_marked_where_makemessages_does_not_look():
    """Within an f-string, for one."""
    known = {(entry.context, entry.text) for entry in entries_of(path_of("de"))}
    marked = 0
    for place, call in calls_that_mark():
        values = [each.value for each in call.args if isinstance(each, ast.Constant)]
        match call.func.id, values:
            case _, []:  # what has been marked elsewhere
                continue
            case "pgettext", [context, text]:
                key = (context, text)
            case _, [text, *_]:
                key = ("", text)
        marked += 1
        assert key in known, place
    assert marked > 150


# Errors of the API


def subclasses_of(kind):
    for each in kind.__subclasses__():
        yield each
        yield from subclasses_of(each)


OURS = [exceptions.TokenLifecycleError, *subclasses_of(exceptions.TokenLifecycleError)]
ANSWERS = [
    error
    for error in [*OURS, *subclasses_of(APIException)]
    if error.__module__ in (exceptions.__name__, api_errors.__name__)
    and error is not api_errors.BearerRefused
]


@in_each_language
@pytest.mark.parametrize("error", ANSWERS)
def test_the_sentence_of_every_error_is_translated_and_its_code_is_not(error, language):
    english = api_errors.exception_handler(error(), {}).data
    with translation.override(language):
        told = api_errors.exception_handler(error(), {}).data
    known = {entry.text: entry.forms[0] for entry in entries_of(path_of(language))}
    assert told == english | {"detail": known[english["detail"]]}


@in_each_language
@pytest.mark.parametrize("error", [error for error in OURS if error is not exceptions.Unavailable])
def test_a_sentence_that_a_project_gave_an_error_stays_as_it_is(error, language):
    with translation.override(language):
        told = api_errors.exception_handler(error("No such tenant."), {}).data
    assert told["detail"] == "No such tenant."


def refused_sign_in(api, user):
    credentials = {user.USERNAME_FIELD: user.get_username(), "password": "wrong"}
    return api.post("/auth/obtain/", credentials)


REFUSALS = {
    "sign-in": (
        refused_sign_in,
        "Die Anmeldung ist fehlgeschlagen. Bitte prüfen Sie die Anmeldedaten.",
        "No se pudo iniciar sesión. Compruebe las credenciales.",
    ),
    "no field": (
        lambda api, user: api.post("/auth/refresh/", {}),
        "Die Anfrage ist ungültig.",
        "La solicitud no es válida.",
    ),
    "no JSON": (
        lambda api, user: api.post("/auth/refresh/", "{", content_type="application/json"),
        "Fehlerhaftes JSON.",
        "JSON con formato incorrecto.",
    ),
    "no token": (
        lambda api, user: api.post("/auth/refresh/", {"refresh": "nonsense"}),
        "Das Token ist ungültig.",
        "El token no es válido.",
    ),
    "another site": (
        lambda api, user: api.post("/browser/refresh/", {}, headers={"Origin": "https://evil"}),
        "CSRF-Verifizierung fehlgeschlagen.",
        "La verificación CSRF ha fallado.",
    ),
    "ended": (
        lambda api, user: api.get("/whoami/", **authorization(ended_sign_in(user))),
        "Die Sitzung wurde beendet.",
        "Se ha finalizado la sesión.",
    ),
}


def ended_sign_in(user):
    issued = sign_in(Client(), user)
    lifecycle.revoke_session(issued.session.pk)
    return issued


@pytest.fixture
def _by_header(settings):
    """Whoever asks is answered in the language of the request."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    # The middleware leaves its language behind.
    with translation.override(None, deactivate=True):
        yield


@pytest.mark.usefixtures("_by_header")
@pytest.mark.parametrize("name", REFUSALS)
@in_each_language
def test_the_api_refuses_in_the_language_of_the_request(user, language, name):
    ask, *sentences = REFUSALS[name]
    api = APIClient(headers={"Accept-Language": language}, enforce_csrf_checks=True)
    api.default_format = "json"
    response = ask(api, user)
    assert response.status_code in (400, 401, 403)
    assert response.json()["detail"] == dict(zip(LANGUAGES, sentences, strict=True))[language]


@pytest.mark.usefixtures("_by_header")
@in_each_language
def test_what_is_said_of_a_missing_field_is_djangos_own_sentence(db, language):
    api = APIClient(headers={"Accept-Language": language})
    response = api.post("/auth/logout/", {}, format="json")
    with translation.override(language):
        assert response.json()["refresh"] == [translation.gettext("This field is required.")]


# Pages

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")


def english_sentences():
    """Every text of ours of three words or more, cut where something is put in."""
    texts = set()
    for entry in entries_of(path_of("de")):
        texts |= {entry.text, entry.plural}
    for text in sorted(texts):
        pieces = PLACEHOLDER.split(text)
        words = re.findall(r"[A-Za-z\u2019']+", re.sub(r"<[^>]*>", "", " ".join(pieces)))
        if len(words) > 2 and text not in STORED:
            yield text, [piece.casefold() for piece in pieces]


ENGLISH = dict(english_sentences())


def english_in(page):
    """The texts of ours that stand on a page in English, whatever was put into them."""
    folded = page.casefold()
    return {
        text
        for text, pieces in ENGLISH.items()
        if all(piece in folded for piece in pieces)
        and re.search(".{0,80}?".join(map(re.escape, pieces)), folded)
    }


def words_of(response):
    """The page as one line."""
    return " ".join(html.unescape(response.content.decode()).split())


def test_what_looks_for_english_finds_it_on_the_pages_in_english(stage):
    page = words_of(stage.browser("en").get(f"{LIST}overview/"))
    found = english_in(page)
    assert len(ENGLISH) > 100
    assert "Each bar is an hour; the last one is not over yet." in found
    assert "A refresh token that had been used came back. Its session was ended." in found
    assert "More than %(count)s live sessions" not in found
    assert "%(count)s rows so far" in english_in("7 rows so far")


class Stage:
    """People, sessions in every state, and an event of every kind."""

    def __init__(self):
        now = timezone.now()
        self.boss = UserFactory(is_staff=True, is_superuser=True, username="boss")
        self.anna = UserFactory(username="anna")
        self.phone = SessionFactory(user=self.anna, device_name="Phone")
        self.nameless = SessionFactory(user=self.anna, user_agent="", ip_address=None)
        self.idle = SessionFactory(user=self.anna, idle=True)
        self.old = SessionFactory(user=self.anna, expired=True)
        self.stolen = SessionFactory(user=self.anna, reused=True)
        self.orphan = SessionFactory(user=None, ended=True)
        for minutes, kind in enumerate(EventKind):
            self.happened(kind, now - timedelta(minutes=2 * minutes + 2))
        self.happened(EventKind.ROTATED, now - timedelta(minutes=4))
        self.happened(EventKind.REUSE_DETECTED, now, ip_address=None, user_agent="")
        for reason in RevocationReason:
            self.happened(EventKind.REVOKED, now, reason=reason)

    def happened(self, kind, at, **columns):
        given = {"ip_address": "192.0.2.1", "user_agent": "Phone/1.0", **columns}
        if kind == EventKind.REVOKED:
            given.setdefault("reason", RevocationReason.ADMIN)
        return SessionEvent.objects.create(
            kind=kind, created_at=at, session=self.phone, user=self.anna, actor=self.boss, **given
        )

    def browser(self, language, person=None):
        client = Client(headers={"Accept-Language": language})
        client.force_login(person or self.boss)
        return client


@pytest.fixture
def stage(db, _by_header):
    return Stage()


YES = {"confirmed": "yes"}


def asked(b, stage, action):
    return b.post(LIST, select(action, stage.phone, stage.old, stage.stolen))


def answered(b, stage, action):
    response = asked(b, stage, action)
    return b.post(LIST, hidden_fields(response), follow=True)


def crowded(b, stage, monkeypatch):
    """The list where there are more rows than are counted."""
    monkeypatch.setattr(counting, "BOUND", 1)
    return b.get(f"{LIST}?q=anna")


def history(b, stage):
    """Of a session that somebody has ended."""
    b.post(page_of(stage.phone, "end"), YES)
    return b.get(page_of(stage.phone, "history"))


def log_everyone_out(b):
    """With what the page asks for."""
    asked = words_of(b.get(f"{LIST}end-everybody/"))
    (phrase,) = re.findall(r"alle abmelden(?=“)|cerrar la sesión de todos(?=”)", asked)
    return b.post(f"{LIST}end-everybody/", {"phrase": phrase}, follow=True)


def overview_of_nothing(b):
    SessionEvent.objects.all().delete()
    return b.get(f"{LIST}overview/")


def sign_out_the_only_other(b, stage):
    stage.nameless.delete()
    return b.post("/devices/sign-out-others/", follow=True)


#: The page, and what tells that it is in German and in Spanish.
PAGES = {
    "index": (
        lambda b, s, m: b.get("/admin/"),
        ["Anmeldungen", "Sitzungsereignisse"],
        ["Inicios de sesión", "Eventos de sesión"],
    ),
    "list": (
        lambda b, s, m: b.get(LIST),
        ["Name, E-Mail-Adresse oder", "Ausgewählte Sitzungen beenden", "Übersicht"],
        ["Nombre, correo electrónico", "Finalizar sesiones seleccionadas", "Resumen"],
    ),
    "crowded list": (
        lambda b, s, m: crowded(b, s, m),
        ["mehr als 1 Sitzungen", "Alle Sitzungen auswählen: mehr als 1"],
        ["más de 1 sesiones", "Seleccionar todo (sesiones): más de 1"],
    ),
    "filters": (
        lambda b, s, m: b.get(f"{LIST}?status=idle"),
        ["abgelaufen, zu lange inaktiv", "vom Benutzer von einem anderen Gerät aus beendet"],
        ["caducada, inactiva durante demasiado tiempo", "finalizada por el personal"],
    ),
    "session": (
        lambda b, s, m: b.get(page_of(s.phone)),
        [
            "Auf einen Blick",
            "Was geschehen ist",
            "Diese Sitzung beenden",
            "Ein bereits verwendetes Aktualisierungstoken kam zurück: von 192.0.2.1,",
            "von einer unbekannten Adresse, einem unbekannten Client.",
            "Ab hier nennt sich der Client anders.",
            "Minuten später",
        ],
        [
            "En resumen",
            "Qué ha ocurrido",
            "Finalizar esta sesión",
            "volvió desde una dirección desconocida, un cliente desconocido.",
            "minutos después",
        ],
    ),
    "nameless session": (
        lambda b, s, m: b.get(page_of(s.nameless)),
        ["unbekanntes Gerät", "unbekannte Adresse", "Es ist nichts verzeichnet."],
        ["dispositivo desconocido", "dirección desconocida", "No hay nada registrado."],
    ),
    "stolen session": (
        lambda b, s, m: b.get(page_of(s.stolen)),
        ["beendet: Aktualisierungstoken zweimal verwendet"],
        ["finalizada: token de actualización usado dos veces"],
    ),
    "orphan": (
        lambda b, s, m: b.get(page_of(s.orphan)),
        ["gelöschter Benutzer", "beendet: abgemeldet"],
        ["usuario eliminado", "finalizada: sesión cerrada"],
    ),
    "history": (
        lambda b, s, m: history(b, s),
        ["Sitzung beendet."],
        ["Sesión finalizada."],
    ),
    "end": (
        lambda b, s, m: b.get(page_of(s.phone, "end")),
        ["1 aktive Sitzung wird beendet.", "Ein Benutzer ist betroffen.", "Ja, beenden"],
        ["Finalizará 1 sesión activa.", "Afecta a un usuario.", "Sí, finalizarla"],
    ),
    "end others": (
        lambda b, s, m: b.get(page_of(s.phone, "end-others")),
        ["Die anderen Sitzungen dieses Benutzers beenden", "3 weitere sind bereits vorbei"],
        ["Finalizar las demás sesiones de este usuario", "3 más ya terminaron"],
    ),
    "end all": (
        lambda b, s, m: b.get(page_of(s.phone, "end-all")),
        ["2 aktive Sitzungen werden beendet.", "werden bei ihrer nächsten Anfrage abgelehnt."],
        ["Finalizarán 2 sesiones activas.", "se rechazarán en su próxima solicitud."],
    ),
    "end all of": (
        lambda b, s, m: b.get(all_of(s.anna.pk)),
        ["Alle Sitzungen dieses Benutzers beenden", "Nein, bitte abbrechen"],
        ["Finalizar todas las sesiones de este usuario", "No, llévame atrás"],
    ),
    "nothing to end": (
        lambda b, s, m: b.get(page_of(s.old, "end")),
        ["Keine dieser Sitzungen ist noch aktiv. Es gibt nichts zu beenden.", "Zurück"],
        ["Ninguna de estas sesiones sigue activa. No hay nada que finalizar.", "Volver"],
    ),
    "ask to end some": (
        lambda b, s, m: asked(b, s, "end_selected"),
        ["Die ausgewählten Sitzungen beenden", "2 weitere sind bereits vorbei"],
        ["Finalizar las sesiones seleccionadas", "2 más ya terminaron y quedan como están."],
    ),
    "end some": (
        lambda b, s, m: answered(b, s, "end_selected"),
        ["1 Sitzung wurde beendet."],
        ["Se finalizó 1 sesión."],
    ),
    "end those of users": (
        lambda b, s, m: answered(b, s, "end_all_of_users"),
        ["2 Sitzungen wurden beendet."],
        ["Se finalizaron 2 sesiones."],
    ),
    "ask to delete some": (
        lambda b, s, m: asked(b, s, "delete_selected"),
        [
            "Sitzungen löschen",
            "1 Sitzung ist aktiv und wird beendet.",
            "1 Sitzung ist vorbei und wird entfernt.",
            "2 beendete Sitzungen bleiben in der Liste",
        ],
        [
            "Eliminar sesiones",
            "1 sesión está activa y se finalizará.",
            "1 sesión ya terminó y se eliminará.",
            "2 sesiones finalizadas permanecen en la lista",
        ],
    ),
    "delete some": (
        lambda b, s, m: answered(b, s, "delete_selected"),
        ["1 Sitzung wurde entfernt.", "2 beendete Sitzungen bleiben"],
        ["Se eliminó 1 sesión.", "2 sesiones finalizadas permanecen"],
    ),
    "ask to delete": (
        lambda b, s, m: b.get(page_of(s.stolen, "delete")),
        ["1 beendete Sitzung bleibt in der Liste, bis ihr letztes Zugriffstoken abgelaufen ist"],
        ["1 sesión finalizada permanece en la lista hasta que caduque su último token de acceso"],
    ),
    "user": (
        lambda b, s, m: b.get(f"/admin/auth/user/{s.anna.pk}/change/"),
        [
            ">Sitzungen</h2>",
            "Was zuletzt geschehen ist",
            "Alle Sitzungen dieses Benutzers",
            "zuletzt verwendet:",
        ],
        [
            ">Sesiones</h2>",
            "Lo último que ha ocurrido",
            "Todas las sesiones de este usuario",
            "último uso:",
        ],
    ),
    "overview": (
        lambda b, s, m: b.get(f"{LIST}overview/"),
        ["2 aktive Sitzungen", "Jeder Balken steht für eine Stunde;", "Die neuesten Alarme"],
        ["2 sesiones activas", "Cada barra es una hora;", "Las alarmas más recientes"],
    ),
    "overview of nothing": (
        lambda b, s, m: overview_of_nothing(b),
        ["In den letzten 30 Tagen wurde keine Sitzung beendet.", "Es ist keiner verzeichnet."],
        ["No se finalizó ninguna sesión en los últimos 30 días.", "No hay ninguna registrada."],
    ),
    "everybody": (
        lambda b, s, m: b.get(f"{LIST}end-everybody/"),
        ["2 aktive Sitzungen werden beendet, wem auch immer", "geben Sie „alle abmelden“ ein"],
        ["Finalizarán 2 sesiones activas, sean de", "escriba “cerrar la sesión de todos”"],
    ),
    "everybody, the wrong phrase": (
        lambda b, s, m: b.post(f"{LIST}end-everybody/", {"phrase": "everyone"}),
        ["Fehler:", "Das ist nicht der verlangte Text. Niemand wurde abgemeldet."],
        ["Error:", "Esa no es la frase. No se cerró la sesión de nadie."],
    ),
    "everybody, the phrase": (
        lambda b, s, m: log_everyone_out(b),
        ["Alle sind abgemeldet. Bereits ausgestellte", "0 aktive Sitzungen"],
        ["Se ha cerrado la sesión de todos. Los tokens", "0 sesiones activas"],
    ),
    "events": (
        lambda b, s, m: b.get(EVENTS),
        ["Als CSV exportieren", "neuer Client gesehen", "beendet: von Mitarbeitern beendet"],
        ["Exportar como CSV", "nuevo cliente detectado", "finalizada: finalizada por el personal"],
    ),
    "event": (
        lambda b, s, m: b.get(f"{EVENTS}{SessionEvent.objects.latest('pk').pk}/change/"),
        ["Alle Ereignisse dieser Sitzung", "Durchgeführt von", "User-Agent"],
        ["Todos los eventos de esta sesión", "Realizado por", "Agente de usuario"],
    ),
    "devices": (
        lambda b, s, m: b.get("/devices/"),
        ["Ihre Geräte", "Unbekanntes Gerät", "Passwort", "Überall abmelden"],
        ["Sus dispositivos", "Dispositivo desconocido", "contraseña", "en todas partes"],
    ),
    "sign out others": (
        lambda b, s, m: b.get("/devices/sign-out-others/"),
        ["Alle anderen Geräte abmelden?", "Dieser Browser bleibt angemeldet.", "Nein, zurück"],
        ["¿Cerrar la sesión en todos los demás dispositivos?", "No, volver"],
    ),
    "sign out everywhere": (
        lambda b, s, m: b.get("/devices/sign-out-all/"),
        ["Überall abmelden?", "auch in diesem Browser."],
        ["¿Cerrar la sesión en todas partes?", "también en este navegador."],
    ),
    "two others signed out": (
        lambda b, s, m: b.post("/devices/sign-out-others/", follow=True),
        ["2 Geräte sind abgemeldet.", "Es gibt nichts anzuzeigen."],
        ["Se ha cerrado la sesión en 2 dispositivos.", "No hay nada que mostrar."],
    ),
    "one other signed out": (
        lambda b, s, m: sign_out_the_only_other(b, s),
        ["1 Gerät ist abgemeldet."],
        ["Se ha cerrado la sesión en 1 dispositivo."],
    ),
    "one signed out": (
        lambda b, s, m: b.post(f"/devices/{s.phone.pk}/sign-out/", follow=True),
        ["Das Gerät ist abgemeldet."],
        ["Se ha cerrado la sesión en el dispositivo."],
    ),
    "one signed out already": (
        lambda b, s, m: b.post(f"/devices/{s.stolen.pk}/sign-out/", follow=True),
        ["Das Gerät war bereits abgemeldet."],
        ["La sesión en el dispositivo ya estaba cerrada."],
    ),
}
OF_DEVICES = ("devices", "sign out", "signed out")


@in_each_language
@pytest.mark.parametrize("name", PAGES)
def test_every_page_speaks_the_language_and_no_sentence_of_it_is_english(
    stage, monkeypatch, settings, name, language
):
    settings.LANGUAGE_CODE = language  # in which the admin log is written
    ask, *telling = PAGES[name]
    is_of_devices = any(word in name for word in OF_DEVICES)
    browser = stage.browser(language, stage.anna if is_of_devices else None)
    response = ask(browser, stage, monkeypatch)
    assert response.status_code == 200
    page = words_of(response)
    assert f'<html lang="{language}"' in page
    assert english_in(page) == set()
    for words in dict(zip(LANGUAGES, telling, strict=True))[language]:
        assert words in page


@in_each_language
def test_the_admin_log_is_written_in_the_language_of_the_project(stage, settings, language):
    settings.LANGUAGE_CODE = language
    stage.browser("en").get(f"{EVENTS}export/?format=csv&q=anna").getvalue()
    said = {"de": "Als CSV exportiert: q=anna.", "es": "Exportado como CSV: q=anna."}
    assert LogEntry.objects.get().change_message == said[language]


@in_each_language
@pytest.mark.parametrize("labels", [EventKind, RevocationReason, SessionStatus])
def test_every_kind_reason_and_status_has_a_name_of_its_own(labels, language):
    with translation.override(language):
        translated = [str(label) for label in labels.labels]
    assert len(set(translated)) == len(translated)
    assert not {str(label) for label in labels.labels} & set(translated)


# Commands


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "sessions", "events", "expected"),
    [
        ("de", 1, 2, "Entfernt: 1 Sitzung und 2 Ereignisse.\n"),
        ("de", 2, 1, "Entfernt: 2 Sitzungen und 1 Ereignis.\n"),
        ("es", 1, 2, "Eliminado: 1 sesión y 2 eventos.\n"),
        ("es", 2, 1, "Eliminado: 2 sesiones y 1 evento.\n"),
    ],
)
def test_a_command_tells_what_it_did(language, sessions, events, expected):
    long_ago = timezone.now() - timedelta(days=365)
    SessionFactory.create_batch(sessions, created_at=long_ago, user=UserFactory())
    for _ in range(events):
        SessionEvent.objects.create(kind=EventKind.STARTED, created_at=long_ago)
    with translation.override(language):
        assert run("prune_sessions") == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "question", "yes"),
    [
        ("de", "Das beendet 1 aktive Sitzung von 1 Benutzer. Fortfahren? [j/N] ", ["j", "Ja"]),
        (
            "es",
            "Se dispone a finalizar 1 sesión activa de 1 usuario. ¿Continuar? [s/N] ",
            ["s", "Sí", "si"],
        ),
    ],
)
def test_a_command_asks_and_takes_the_yes_of_the_language(monkeypatch, language, question, yes):
    asked = []
    for answer in [*yes, "y"]:
        monkeypatch.setattr("builtins.input", lambda text, said=answer: asked.append(text) or said)
        session = SessionFactory()
        with translation.override(language):
            if answer == "y":
                with pytest.raises(CommandError, match=r"nichts beendet|finalizó nada"):
                    run("end_sessions", "--all")
            else:
                run("end_sessions", "--all")
        session.refresh_from_db()
        assert (session.revoked_at is not None) == (answer in yes)
    assert asked == [question] * (len(yes) + 1)


@in_each_language
def test_the_report_speaks_the_language(stage, language):
    with translation.override(language):
        said = run("session_report")
    assert {"de": "jetzt aktiv", "es": "activas ahora"}[language] in said
    assert english_in(" ".join(said.split())) == set()


@pytest.mark.django_db
@in_each_language
def test_what_a_command_refuses_is_refused_in_the_language(language):
    said = {
        "de": "Es gibt keinen Benutzer mit dem Namen oder Schlüssel 'nobody'.",
        "es": "No hay ningún usuario con el nombre o la clave 'nobody'.",
    }
    with (
        translation.override(language),
        pytest.raises(CommandError, match=re.escape(said[language])),
    ):
        call_command("end_sessions", "--user", "nobody")
