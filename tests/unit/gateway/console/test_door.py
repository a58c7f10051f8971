"""The door: who may enter, by the head of a request alone."""

from __future__ import annotations

import pytest

from gateway.console import door
from gateway.console.door import Door, Refusal, Way

PORT = 8088
TOKEN = door.new_token()
HERE = f"127.0.0.1:{PORT}"
OURS = ("Origin", f"http://{HERE}")
COOKIE = ("Cookie", f"{door.COOKIE}={TOKEN}")


def decided(target: str, *head: tuple[str, str], method: str = "GET", host: str | None = HERE):
    named = [] if host is None else [("Host", host)]
    return Door(TOKEN, PORT).decide(method, target, [*named, *head])


def test_a_token_has_256_bits_and_none_is_made_twice():
    assert len(TOKEN) == 43
    assert len({door.new_token() for _ in range(100)}) == 100


def test_the_link_enters_and_the_cookie_goes_on():
    target = door.link(TOKEN, PORT).removeprefix(f"http://{HERE}")
    assert decided(target) is Way.ENTER
    name, value = Door(TOKEN, PORT).cookie()
    assert (name, value.split("; ")[1:]) == ("Set-Cookie", ["HttpOnly", "SameSite=Strict", "Path=/"])
    assert decided("/", ("cookie", value.partition(";")[0])) is Way.PAGE


@pytest.mark.parametrize("host", [HERE, f"localhost:{PORT}", f"LOCALHOST:{PORT}"])
def test_both_names_of_ours_are_ours(host):
    assert decided("/", COOKIE, host=host) is Way.PAGE


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "127.0.0.1", "127.0.0.1:80", f"evil.example:{PORT}", f"127.0.0.1.evil.example:{PORT}"),
        *(f"127.0.0.2:{PORT}", f"{HERE}.", f"user@{HERE}", f"[::1]:{PORT}", f"0.0.0.0:{PORT}", f"{HERE}, evil.example"),
    ],
)
@pytest.mark.parametrize("target", ["/", "/live", f"/?token={TOKEN}"], ids=["page", "live", "link"])
def test_every_other_host_is_refused_with_the_token_too(host, target):
    assert decided(target, COOKIE, OURS, host=host) is Refusal.HOST


def test_two_hosts_are_refused():
    assert decided("/", COOKIE, ("host", HERE)) is Refusal.HOST


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "null", "", f"https://{HERE}", "http://127.0.0.1", "http://127.0.0.1:9999"),
        *(f"http://{HERE}/", f"http://{HERE}.evil.example", "file://"),
    ],
)
@pytest.mark.parametrize(("target", "method"), [("/", "GET"), ("/live", "GET"), ("/logout", "POST")])
def test_every_other_origin_is_refused(origin, target, method):
    assert decided(target, COOKIE, ("Origin", origin), method=method) is Refusal.ORIGIN


@pytest.mark.parametrize(("target", "method"), [("/live", "GET"), ("/logout", "POST")])
def test_what_only_the_page_asks_for_needs_its_origin_once(target, method):
    assert decided(target, COOKIE, method=method) is Refusal.ORIGIN
    assert decided(target, COOKIE, OURS, OURS, method=method) is Refusal.ORIGIN
    assert decided(target, COOKIE, OURS, ("Sec-Fetch-Site", "same-site"), method=method) is Refusal.ORIGIN
    assert decided(target, COOKIE, OURS, ("Sec-Fetch-Site", "same-origin"), method=method) is Way(target.strip("/"))


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ([], Refusal.NO_TOKEN),
        ([("Cookie", f"other={TOKEN}")], Refusal.NO_TOKEN),
        ([("Authorization", f"Bearer {TOKEN}")], Refusal.NO_TOKEN),
        ([("Cookie", "zegel=")], Refusal.WRONG_TOKEN),
        ([("Cookie", f"zegel={TOKEN[:-1]}")], Refusal.WRONG_TOKEN),
        ([("Cookie", f"zegel={TOKEN}x")], Refusal.WRONG_TOKEN),
        ([("Cookie", f"zegel={TOKEN.swapcase()}")], Refusal.WRONG_TOKEN),
        ([("Cookie", "zegel=\xe9")], Refusal.WRONG_TOKEN),
    ],
)
def test_nothing_is_given_without_the_token(head, why):
    assert decided("/", *head) is why
    assert decided("/live", OURS, *head) is why
    assert decided("/logout", OURS, *head, method="POST") is why


@pytest.mark.parametrize(
    "query",
    ["token=", f"token={TOKEN[:-1]}", f"token={TOKEN}&a=b", f"token=%7A{TOKEN[1:]}", "token=\u0130"],
    ids=["none", "shorter", "and more", "escaped", "not ASCII"],
)
def test_a_link_with_another_token_is_refused_also_with_a_good_cookie(query):
    assert decided(f"/?{query}", COOKIE) is Refusal.WRONG_TOKEN


def test_a_cookie_that_another_port_has_set_is_passed_over():
    assert decided("/", ("Cookie", f"zegel=tossed; a=b; zegel={TOKEN}")) is Way.PAGE
    many = "; ".join(f"zegel={number}" for number in range(door.COOKIES_MAX))
    assert decided("/", ("Cookie", f"{many}; zegel={TOKEN}")) is Refusal.WRONG_TOKEN


@pytest.mark.parametrize(
    ("target", "method"), [("/", "POST"), ("/", "HEAD"), ("/live", "POST"), ("/logout", "GET"), ("/", "CONNECT"), ("/", "")]
)
def test_another_method_is_refused(target, method):
    assert decided(target, COOKIE, OURS, method=method) is Refusal.METHOD


def test_the_earlier_token_is_out():
    one = Door(TOKEN, PORT)
    one.token = door.new_token()
    assert one.decide("GET", "/", [("Host", HERE), COOKIE]) is Refusal.WRONG_TOKEN
    assert one.decide("GET", f"/?token={TOKEN}", [("Host", HERE)]) is Refusal.WRONG_TOKEN


def test_a_browser_leaves_out_the_port_of_http():
    at_80 = Door(TOKEN, 80)
    assert at_80.decide("GET", "/", [("Host", "127.0.0.1"), ("Origin", "http://127.0.0.1"), COOKIE]) is Way.PAGE


def test_each_answer_lets_the_page_ask_us_alone():
    said = dict(Door(TOKEN, PORT).headers)
    policy = said["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert f"connect-src 'self' ws://{HERE} ws://localhost:{PORT}" in policy
    assert "frame-ancestors 'none'" in policy
    assert not [each for each in policy if "unsafe" in each or "*" in each]
    assert said["Cache-Control"] == "no-store"
    assert said["Referrer-Policy"] == "no-referrer"
    assert said["X-Content-Type-Options"] == "nosniff"
    assert said["Cross-Origin-Resource-Policy"] == said["Cross-Origin-Opener-Policy"] == "same-origin"
