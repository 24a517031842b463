"""Who is calling: nothing a client sends gets further than bounded, printable and stored."""

import dataclasses
import unicodedata

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from token_lifecycle.device import (
    DEVICE_NAME_LENGTH,
    TIDY,
    USER_AGENT_LENGTH,
    Device,
    clean,
    client_address,
)
from token_lifecycle.models import Session
from token_lifecycle.testing import SessionFactory

patient = hypothesis_settings(deadline=None)
any_text = st.text(st.characters(exclude_categories=[]))


class TestClean:
    @pytest.mark.parametrize(
        ("text", "cleaned"),
        [
            ("Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
            ("", ""),
            ("   ", ""),
            ("  Anna's   phone ", "Anna's phone"),
            ("line\r\nSet-Cookie: x", "line Set-Cookie: x"),
            ("tab\there", "tab here"),
            ("nul\0byte", "nulbyte"),
            ("escape\x1b[31mred", "escape[31mred"),
            ("paragraph\N{PARAGRAPH SEPARATOR}end", "paragraph end"),
            ("lone \ud800 surrogate", "lone surrogate"),
            ("reordered \N{RIGHT-TO-LEFT OVERRIDE}txet", "reordered txet"),
            ("isolated \N{LEFT-TO-RIGHT ISOLATE}text", "isolated text"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("family \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}", "family \U0001f468\u200d\U0001f469"),
        ],
        ids=ascii,
    )
    def test_text_is_brought_onto_one_printable_line(self, text, cleaned):
        assert clean(text, 100) == cleaned

    def test_text_is_cut_to_its_length(self):
        assert clean("a" * 101, 100) == "a" * 100
        assert clean("ab " * 100, 8) == "ab ab ab"

    @patient
    @given(text=st.from_regex(TIDY, fullmatch=True))
    def test_tidy_text_comes_back_as_it_is(self, text):
        assert clean(text, len(text)) == " ".join(text.split()) == text

    @pytest.mark.parametrize(
        "text", ["a  b", " a", "a ", "a\n", "a\tb", "\x7f", "é", ""], ids=ascii
    )
    def test_what_may_have_to_be_changed_is_not_tidy(self, text):
        assert not TIDY.fullmatch(text)

    def test_text_that_only_begins_with_rubbish_keeps_its_end_up_to_a_bound(self):
        assert clean("\0" * 300 + "phone", 100) == "phone"
        assert clean("\0" * 400 + "phone", 100) == ""

    @patient
    @given(text=any_text, length=st.integers(0, 50))
    def test_whatever_comes_fits_its_column_and_any_database(self, text, length):
        cleaned = clean(text, length)
        assert len(cleaned) <= length
        assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(c) for c in cleaned}
        assert cleaned == cleaned.strip()
        cleaned.encode()


class TestAddress:
    @pytest.mark.parametrize(
        ("peer", "address"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:0DB8:0::0001", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("", None),
            ("unix:", None),
            ("192.0.2.7:443", "192.0.2.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("unknown", None),
            ("<script>", None),
            ("1.2.3.4.5", None),
            ("1" * 10_000, None),
            ("\N{ARABIC-INDIC DIGIT ONE}.2.3.4", None),
        ],
        ids=lambda value: ascii(value)[:30],
    )
    def test_the_peer_is_the_client_where_no_proxy_is_trusted(self, peer, address):
        meta = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "203.0.113.66"}
        assert client_address(meta, trusted_proxies=0) == address

    def test_no_address_at_all_is_none(self):
        assert client_address({}, trusted_proxies=0) is None
        assert client_address({}, trusted_proxies=1) is None

    @pytest.mark.parametrize(
        ("forwarded", "proxies", "address"),
        [
            ("192.0.2.7", 1, "192.0.2.7"),
            ("203.0.113.66, 192.0.2.7", 1, "192.0.2.7"),
            ("203.0.113.66, 192.0.2.7, 198.51.100.1", 2, "192.0.2.7"),
            ("192.0.2.7,198.51.100.1", 2, "192.0.2.7"),
            ("192.0.2.7", 2, None),
            ("", 1, None),
            (",", 1, None),
            ("192.0.2.7,", 1, None),
            ("unknown", 1, None),
            ("203.0.113.66, 192.0.2.7:51234", 1, "192.0.2.7"),
            ("[2001:db8::1]:443", 1, "2001:db8::1"),
            ("[2001:db8::1]", 1, "2001:db8::1"),
            ('"192.0.2.7"', 1, "192.0.2.7"),
            ('"192.0.2.7:443"', 1, "192.0.2.7"),
            ('"[2001:db8::1]:443"', 1, "2001:db8::1"),
            ("192.0.2.7:", 1, None),
            ("192.0.2.7:https", 1, None),
            ("192.0.2.7:1:2", 1, None),
            ("[2001:db8::1", 1, None),
            ("[2001:db8::1]x", 1, None),
            ("[]:443", 1, None),
            (":443", 1, None),
            ('"', 1, None),
            ("<script>alert(1)</script>", 1, None),
            ("203.0.113.66," * 5000 + "192.0.2.7", 1, "192.0.2.7"),
            ("fe80::1%eth0", 1, "fe80::1"),
        ],
        ids=lambda value: ascii(value)[:30],
    )
    def test_of_forwarded_addresses_the_one_the_outermost_trusted_proxy_saw_counts(
        self, forwarded, proxies, address
    ):
        meta = {"REMOTE_ADDR": "198.51.100.9", "HTTP_X_FORWARDED_FOR": forwarded}
        assert client_address(meta, trusted_proxies=proxies) == address

    @patient
    @given(forwarded=any_text, proxies=st.integers(0, 5))
    def test_no_header_is_ever_an_error(self, forwarded, proxies):
        client_address({"HTTP_X_FORWARDED_FOR": forwarded}, trusted_proxies=proxies)


class TestDevice:
    def test_it_is_described_by_the_request(self):
        request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="curl/8 \0")
        device = Device.from_request(request, name=" Anna's\nphone ")
        assert device == Device(ip_address="192.0.2.7", user_agent="curl/8", name="Anna's phone")

    def test_a_request_that_tells_nothing_is_described_by_nothing(self):
        request = RequestFactory().get("/", REMOTE_ADDR="")
        assert Device.from_request(request) == Device(ip_address=None, user_agent="", name="")

    @pytest.mark.parametrize(("configured", "address"), [(0, "198.51.100.1"), (1, "192.0.2.7")])
    def test_as_many_proxies_are_trusted_as_the_setting_says_or_the_caller(
        self, settings, configured, address
    ):
        settings.TOKEN_LIFECYCLE = {"TRUSTED_PROXIES": configured}
        forwarded = {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}
        request = RequestFactory().get("/", REMOTE_ADDR="198.51.100.1", **forwarded)
        assert Device.from_request(request).ip_address == address
        assert Device.from_request(request, trusted_proxies=0).ip_address == "198.51.100.1"
        assert Device.from_request(request, trusted_proxies=1).ip_address == "192.0.2.7"

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("unknown", None),
            ("", None),
            (None, None),
            ("203.0.113.7:51234", "203.0.113.7"),
            ("2001:0DB8::1", "2001:db8::1"),
        ],
    )
    def test_an_address_that_a_project_passes_on_is_one_or_none(self, given, kept):
        assert Device(ip_address=given).ip_address == kept

    def test_what_a_project_passes_on_is_cleaned_like_what_is_read_from_a_request(self):
        device = Device(user_agent="curl/8 \0" + "x" * 500, name=" Anna's\nphone " + "x" * 500)
        assert device.user_agent == clean("curl/8 \0" + "x" * 500, USER_AGENT_LENGTH)
        assert device.name == clean(" Anna's\nphone " + "x" * 500, DEVICE_NAME_LENGTH)
        assert dataclasses.replace(device, name="\0").name == ""

    def test_it_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            Device().name = "x"

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "text",
        ["x" * 100_000, "\0\r\n\x1b", "\N{PILE OF POO}" * 1000, "\ud800", "\U0010ffff", "\ufffe"],
        ids=ascii,
    )
    def test_whatever_a_client_calls_itself_can_be_stored(self, text):
        request = RequestFactory().get("/", HTTP_USER_AGENT=text)
        device = Device.from_request(request, name=text)
        assert Device(ip_address="127.0.0.1", user_agent=text, name=text) == device
        session = SessionFactory(user_agent=device.user_agent, device_name=device.name)
        stored = Session.objects.get(pk=session.pk)
        assert (stored.user_agent, stored.device_name) == (device.user_agent, device.name)
        assert len(stored.user_agent) <= USER_AGENT_LENGTH
        assert len(stored.device_name) <= DEVICE_NAME_LENGTH
