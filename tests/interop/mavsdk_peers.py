"""MAVSDK at both ends: an autopilot with parameters, missions, files and commands, and a ground control station.

Both are the C++ library behind its own threads (`mavsdk==4.1.0`); this file only says what is asked of them.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mavsdk.component_type import ComponentType
from mavsdk.connection_result import ConnectionResult
from mavsdk.logging import log_subscribe
from mavsdk.mavsdk import Configuration, Mavsdk
from mavsdk.plugins import camera_server as server
from mavsdk.plugins.action import Action, ActionError, ActionResult
from mavsdk.plugins.action_server import ActionServer
from mavsdk.plugins.camera import Camera, CameraError
from mavsdk.plugins.ftp import Ftp, FtpResult
from mavsdk.plugins.ftp_server import FtpServer
from mavsdk.plugins.mission_raw import MissionItem, MissionRaw
from mavsdk.plugins.mission_raw_server import MissionRawServer
from mavsdk.plugins.param import Param
from mavsdk.plugins.param_server import ParamServer

ITEMS, PARAMS, FILE_SIZE = 200, 1_000, 20_000
FETCHES = 3
WAIT_S = 60.0
NAV_WAYPOINT, GLOBAL_RELATIVE_INT = 16, 6  # MAV_CMD, MAV_FRAME

log_subscribe(lambda *_: True)  # its log has a line for every parameter


def parameters() -> dict[str, int | float]:
    """Half integers, half floats that single precision holds."""
    return {f"P{i:04}": i * 7 if i % 2 else i / 4 for i in range(PARAMS)}


def mission(seed: int) -> list[MissionItem]:
    rng = random.Random(seed)
    fixed = {"frame": GLOBAL_RELATIVE_INT, "command": NAV_WAYPOINT, "autocontinue": 1, "param4": 0.5}
    return [
        MissionItem(
            seq=i, current=int(i == 0), x=rng.randrange(10**9), y=rng.randrange(10**9), z=float(rng.randrange(500)), **fixed
        )
        for i in range(ITEMS)
    ]


class Autopilot:
    """Sends to `port`, and answers what comes back."""

    def __init__(self, port: int, folder: Path) -> None:
        self._sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.AUTOPILOT))
        component = self._sdk.server_component_by_type(ComponentType.AUTOPILOT)
        self._params = ParamServer(component)
        for name, value in parameters().items():
            provide = self._params.provide_param_int if isinstance(value, int) else self._params.provide_param_float
            provide(name, value)
        self.missions: list[list[MissionItem]] = []
        self._missions = MissionRawServer(component)
        self._missions.subscribe_incoming_mission(lambda _result, plan, _: self.missions.append(plan.mission_items))
        self._files = FtpServer(component)
        self._files.set_root_dir(str(folder))
        self.armings: list[bool] = []
        self._actions = ActionServer(component)
        self._actions.set_armable(True, True)
        self._actions.set_disarmable(True, True)
        self._actions.subscribe_arm_disarm(lambda _result, asked, _: self.armings.append(asked.arm))
        assert self._sdk.add_any_connection(f"udpout://127.0.0.1:{port}") == ConnectionResult.SUCCESS

    def end(self) -> None:
        self._sdk.destroy()


class CameraServer:
    """A camera that announces one video stream, at this address; it sends to `port`."""

    COMPONENT = 100

    def __init__(self, port: int, uri: str) -> None:
        self._sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.CAMERA))
        self._camera = server.CameraServer(self._sdk.server_component_by_type(ComponentType.CAMERA))
        about = server.Information("Zegel", "test camera", "1.0.0", 3.0, 3.68, 2.76, 3280, 2464)
        self._camera.set_video_streaming(server.VideoStreaming(has_rtsp_server=True, rtsp_uri=uri))
        self._camera.set_information(about)
        assert self._sdk.add_any_connection(f"udpout://127.0.0.1:{port}") == ConnectionResult.SUCCESS

    def end(self) -> None:
        self._sdk.destroy()


class GroundStation:
    """Listens on `port` until an autopilot is heard there."""

    def __init__(self, port: int) -> None:
        self._sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
        assert self._sdk.add_any_connection(f"udpin://127.0.0.1:{port}") == ConnectionResult.SUCCESS

    def meet_camera(self) -> Camera:
        """Once its CAMERA_INFORMATION has come."""
        limit = time.monotonic() + WAIT_S
        while not (found := [system for system in self._sdk.get_systems() if system.has_camera()]):
            assert time.monotonic() < limit, "no camera was heard"
            time.sleep(0.01)
        camera = Camera(found[0])
        while not camera.camera_list().cameras:
            assert time.monotonic() < limit, "the camera does not say what it is"
            time.sleep(0.01)
        return camera

    def meet(self) -> None:
        system = self._sdk.first_autopilot(WAIT_S)
        assert system is not None, "no autopilot was heard"
        self._param, self._mission, self._ftp, self._action = Param(system), MissionRaw(system), Ftp(system), Action(system)

    def parameters(self) -> dict[str, int | float]:
        found = self._param.get_all_params()
        return {p.name: p.value for p in (*found.int_params, *found.float_params)}

    def set_parameter(self, name: str, value: int) -> int:
        self._param.set_param_int(name, value)
        return self._param.get_param_int(name)

    def upload(self, items: list[MissionItem]) -> None:
        self._mission.upload_mission(items)

    def download(self) -> list[MissionItem]:
        return self._mission.download_mission()

    def fetch(self, name: str, into: Path) -> bytes:
        """A file of the autopilot, in one burst as QGroundControl asks for it."""
        result = self._transfer(lambda done: self._ftp.download_async(f"/{name}", str(into), True, done))
        assert result is FtpResult.SUCCESS
        return (into / name).read_bytes()

    def store(self, path: Path) -> FtpResult:
        return self._transfer(lambda done: self._ftp.upload_async(str(path), "/", done))

    def _transfer(self, begin: Callable[[Callable[..., None]], None]) -> FtpResult:
        ended, results = threading.Event(), []

        def done(result: FtpResult, *_: object) -> None:
            results.append(result)
            if result is not FtpResult.NEXT:
                ended.set()

        begin(done)
        assert ended.wait(WAIT_S), f"the transfer hangs after {len(results)} steps"
        return results[-1]

    def arm(self) -> tuple[ActionResult, float]:
        """The result, and the seconds until it came."""
        began = time.monotonic()
        try:
            self._action.arm()
        except ActionError as error:
            return error.result, time.monotonic() - began
        return ActionResult.SUCCESS, time.monotonic() - began

    def arm_and_disarm(self) -> None:
        self._action.arm()
        self._action.disarm()

    def end(self) -> None:
        self._sdk.destroy()


def stream_address(camera: Camera, given_up: Callable[[], bool]) -> str | None:
    """Where the ground control station would fetch the camera's picture; None if `given_up` came first.

    MAVSDK asks for it some twenty seconds after it has met the camera.
    """
    limit = time.monotonic() + WAIT_S
    while not given_up():
        assert time.monotonic() < limit, "it asked for no stream"
        try:
            if uri := camera.get_video_stream_info(CameraServer.COMPONENT).settings.uri:
                return uri
        except CameraError:
            pass
        time.sleep(0.05)
    return None


def transact(autopilot: Autopilot, gcs: GroundStation, aboard: Path, ashore: Path) -> dict[str, list[float]]:
    """Everything a ground control station does at the start of a day, each checked; the seconds that each took.

    Parameters are fetched more often: MAVSDK's autopilot sends them at one go, which can be more than the socket buffer
    of its ground control station holds, with or without zegel; that asks for the rest after two seconds.
    """
    took: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        began = time.monotonic()
        out = work()
        took.setdefault(name, []).append(time.monotonic() - began)
        return out

    items, rng = mission(1), random.Random(2)
    log = rng.randbytes(FILE_SIZE)
    (aboard / "log.bin").write_bytes(log)
    for _ in range(FETCHES):
        assert timed("1,000 parameters down", gcs.parameters) == parameters()
    assert gcs.set_parameter("P0001", 4242) == 4242
    timed("mission of 200 up", lambda: gcs.upload(items))
    assert [_bare(item) for item in until(autopilot.missions, 1)[-1]] == [_bare(item) for item in items]
    assert [_bare(item) for item in timed("mission of 200 down", gcs.download)] == [_bare(item) for item in items]
    assert timed("file of 20 kB down", lambda: gcs.fetch("log.bin", ashore)) == log
    timed("arm and disarm", gcs.arm_and_disarm)
    assert until(autopilot.armings, 2) == [True, False]
    return took


def until(told: list, count: int) -> list:
    """`told` once it has this many entries: the autopilot acknowledges first and tells us after."""
    limit = time.monotonic() + WAIT_S
    while len(told) < count:
        assert time.monotonic() < limit, f"{len(told)} of {count} came"
        time.sleep(0.001)
    return told


def _bare(item: MissionItem) -> tuple[object, ...]:
    return (item.seq, item.frame, item.command, item.current, item.x, item.y, item.z, item.param4)
