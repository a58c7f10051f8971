"""Positions for a GIS: the values of the telemetry, for those who have the token, and for no page of a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from gateway import clock
from gateway.errors import ConfigError
from gateway.share import geojson, positions
from gateway.share.positions import PositionsServer, judged
from gateway.share.positions_settings import Positions
from gateway.share.sightings import Sightings
from gateway.share.view_cone import ViewCone, footprint
from gateway.view.telemetry import Position
from tests.rtsp_stage import free_port, until
from tests.tak_stage import looking, position, sightings, told

TOKEN = "0123456789abcdefghij"  # noqa: S105 - of a test
ASK = f"?token={TOKEN}"


def now_us() -> int:
    return time.time_ns() // 1000


def head(path: str, host: str = "127.0.0.1:8090", *more: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *more, "", ""]).encode()


def shown(seen: Sightings, later_s: float = 0.0) -> dict[str, dict]:
    found = json.loads(geojson.collection(seen.all(), clock.now() + later_s))
    assert found["type"] == "FeatureCollection"
    return {feature["properties"]["kind"]: feature for feature in found["features"]}


def test_values_are_those_of_the_telemetry():
    at = now_us() - 500_000
    seen = sightings(*looking(), position(), time_us=at)
    found = shown(seen)
    assert found["position"]["geometry"] == {"type": "Point", "coordinates": [4.3456789, 52.1234567]}
    said = found["position"]["properties"]
    assert (said["alt_msl_m"], said["height_above_home_m"], said["course"], said["heading"]) == (120.5, 80.0, 45.0, 90.0)
    assert "alt_ellipsoid_m" not in said
    assert 0.5 <= said["age_s"] < 5
    assert found["footprint"]["geometry"]["type"] == "Polygon"
    assert "track" not in found, "one place is no line"
    line = json.loads(geojson.line(seen.all()[0]))
    assert (line["lat"], line["lon"], line["device"]) == (52.1234567, 4.3456789, "drone-7")
    assert line["time"] == said["time"]


def test_what_is_not_heard_any_more_has_no_place_and_keeps_its_track():
    seen = sightings(position(), time_us=now_us() - 3_000_000)
    seen.take("pilot", told([position(lat=521244567)], now_us()))
    assert {*shown(seen)} == {"position", "track"}
    assert shown(seen)["track"]["geometry"]["coordinates"] == [[4.3456789, 52.1234567], [4.3456789, 52.1244567]]
    assert {*shown(seen, geojson.GONE_AFTER_S + 1)} == {"track"}


def test_a_camera_that_looks_down_sees_a_rectangle_below_it():
    where = Position(52.0, 4.0, 120.0, 100.0)
    corners = footprint(ViewCone(0.0, -90.0, 0.0, 90.0, 53.13, None), where)
    meters = [(round((lat - 52) * 111_195), round((lon - 4) * 111_195 * 0.61566)) for lat, lon in corners]
    assert meters == [(50, -100), (50, 100), (-50, 100), (-50, -100)]
    assert footprint(ViewCone(0.0, -10.0, 0.0, 60.0, 40.0, None), where) == [], "its upper corners see the sky"
    assert footprint(ViewCone(0.0, -90.0, 0.0, 90.0, None, None), where) == []


def test_a_camera_that_looks_to_the_east_sees_what_is_east():
    corners = footprint(ViewCone(90.0, -45.0, 0.0, 20.0, 20.0, None), Position(52.0, 4.0, 120.0, 100.0))
    assert all(lon > 4 for _, lon in corners)
    assert corners[0][0] > 52 > corners[1][0], "left of the picture is north"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head("/aircraft.geojson" + ASK), HTTPStatus.OK),
        (head("/positions.jsonl" + ASK, "localhost:8090"), HTTPStatus.OK),
        (head("/aircraft.geojson" + ASK, "127.0.0.1:8090", "Sec-Fetch-Site: none"), HTTPStatus.OK),
        (head("/" + ASK), HTTPStatus.NOT_FOUND),
        (head("/aircraft.geojson"), HTTPStatus.FORBIDDEN),
        (head("/aircraft.geojson?token=" + TOKEN[:-1]), HTTPStatus.FORBIDDEN),
        (head("/aircraft.geojson" + ASK + "\xe9"), HTTPStatus.FORBIDDEN),
        (head("/aircraft.geojson" + ASK, "evil.example:8090"), HTTPStatus.MISDIRECTED_REQUEST),
        (head("/aircraft.geojson" + ASK, "127.0.0.1"), HTTPStatus.MISDIRECTED_REQUEST),
        (head("/aircraft.geojson" + ASK, "127.0.0.1:8090", "Host: 127.0.0.1:8090"), HTTPStatus.MISDIRECTED_REQUEST),
        (b"GET /aircraft.geojson HTTP/1.1\r\n\r\n", HTTPStatus.MISDIRECTED_REQUEST),
        (head("/aircraft.geojson" + ASK, "127.0.0.1:8090", "Origin: http://evil.example"), HTTPStatus.FORBIDDEN),
        (head("/aircraft.geojson" + ASK, "127.0.0.1:8090", "Sec-Fetch-Site: cross-site"), HTTPStatus.FORBIDDEN),
        (head("/aircraft.geojson" + ASK, method="POST"), HTTPStatus.BAD_REQUEST),
        (b"\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (bytes(range(256)) + b"\r\n\r\n", HTTPStatus.BAD_REQUEST),
    ],
)
def test_a_request_needs_the_token_and_our_name_and_comes_from_no_page(request_head, status):
    assert judged(request_head, 8090, TOKEN)[0] == status


@contextlib.asynccontextmanager
async def serving(seen: Sightings) -> AsyncIterator[PositionsServer]:
    server = PositionsServer(Positions(port=free_port(socket.SOCK_STREAM), token=TOKEN), seen)
    task = asyncio.create_task(server.run())
    await until(lambda: server.report().up)
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def asked(server: PositionsServer, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = server._settings.port
    reader, writer = await asyncio.open_connection(positions.HOST, port, limit=1 << 22)
    writer.write(head(path, f"127.0.0.1:{port}"))
    return reader, writer


def test_a_reader_gets_the_collection_and_lines_of_new_positions_alone():
    async def test() -> None:
        seen = sightings(position(), time_us=now_us() - 1_000_000)
        async with serving(seen) as server:
            reader, _ = await asked(server, "/aircraft.geojson" + ASK)
            answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert len(json.loads(body)["features"]) == 1
            lines, writer = await asked(server, "/positions.jsonl" + ASK)
            await until(lambda: server.report().readers == 1)
            await lines.readuntil(b"\r\n\r\n")
            server.tell_new()
            seen.take("pilot", told([position(lat=521000000)], now_us()))
            server.tell_new()
            assert json.loads(await lines.readline())["lat"] == 52.1
            writer.close()
            await until(lambda: server.report().readers == 0)
            refused, _ = await asked(server, "/positions.jsonl")
            assert (await asyncio.wait_for(refused.read(), 10)).startswith(b"HTTP/1.1 403 Forbidden\r\n")
            assert server.report().refused == {"forbidden": 1}

    asyncio.run(test())


def test_a_reader_that_does_not_read_is_dropped(monkeypatch):
    monkeypatch.setattr(geojson, "line", lambda _: bytes(1 << 20) + b"\n")

    async def test() -> None:
        seen = sightings(time_us=now_us())
        async with serving(seen) as server:
            lines, _ = await asked(server, "/positions.jsonl" + ASK)
            await until(lambda: server.report().readers == 1)
            seen.take("pilot", told([position()], now_us()))
            for _ in range(50):
                server._told.clear()
                server.tell_new()
            await until(lambda: server.report().readers == 0)
            assert server.report().refused["too slow"] >= 1
            assert not lines.at_eof()

    asyncio.run(test())


def test_requests_without_an_end_and_too_many_readers_are_refused(monkeypatch):
    monkeypatch.setattr(positions, "READERS_MAX", 2)
    monkeypatch.setattr(positions, "ASK_WITHIN_S", 0.5)

    async def test() -> None:
        async with serving(Sightings()) as server:
            waiting = [await asyncio.open_connection(positions.HOST, server._settings.port) for _ in range(2)]
            await until(lambda: server._asking == 2)
            more, _ = await asyncio.open_connection(positions.HOST, server._settings.port)
            with contextlib.suppress(ConnectionError):
                assert await more.read() == b""
            assert server.report().refused["too many readers"] == 1
            waiting[0][1].write(b"x" * (4 * positions.HEAD_MAX))
            await until(lambda: server._asking == 0)

    asyncio.run(test())


@pytest.mark.parametrize(("values", "wrong"), [({"port": 80}, "port is 80"), ({"token": "short"}, "5 characters")])
def test_a_mistake_is_named_with_what_to_do(values, wrong):
    with pytest.raises(ConfigError, match=wrong) as caught:
        Positions(**{"port": 8090, "token": TOKEN, **values}).check("share.toml: positions")
    assert caught.value.hint
