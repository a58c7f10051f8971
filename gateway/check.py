"""`zegel check`: read a configuration or an order as air and ground would, and say what is wrong before the flight."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gateway import config, order_file
from gateway.config import AirConfig, GroundConfig
from gateway.errors import ConfigError
from keys.certificate import utc
from keys.device import DeviceFolder
from keys.order import parse_order
from keys.station import StationFolder


def command(parser: argparse.ArgumentParser) -> None:
    """say whether a configuration or an order is fit to fly with"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel check air.toml\n  zegel check op.order"
    parser.add_argument("file", type=Path, help="air.toml, ground.toml or an order")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    path: Path = args.file
    if path.suffix != ".toml":
        return _check_order(path)
    settings = _load(path)
    endpoints = [*settings.link, *settings.video]
    endpoints += [settings.fc] if isinstance(settings, AirConfig) else settings.gcs
    for address in map(config.endpoint, endpoints):
        if address.kind == "serial" and not Path(address.device).exists():
            print(f"note: {address.device} is not there now")
    if isinstance(settings, AirConfig):
        _check_air(settings)
    else:
        station = StationFolder.open(Path(settings.station))
        station.newest_order(order_file.read(settings.order), int(time.time()))
    print(f"{path}: good")
    return 0


def _load(path: Path) -> AirConfig | GroundConfig:
    """The file as the role whose own keys it has."""
    keys = set(config.read(path))
    if keys & {"device", "fc"}:
        return config.load_file(AirConfig, path)
    if keys & {"station", "order"}:
        return config.load_file(GroundConfig, path)
    raise ConfigError(f"{path} is neither an air.toml nor a ground.toml", hint="the first names device, the second station")


def _check_air(settings: AirConfig) -> None:
    with DeviceFolder.open(Path(settings.device)) as device:
        device.device_index(device.order().order)
        reason = device.limits(int(time.time()))
    if reason:
        print(f"note: the order {reason}")


def _check_order(path: Path) -> int:
    order = parse_order(order_file.read(str(path)))
    order.require_not_expired(int(time.time()))
    stations = ", ".join(station.name for station in order.stations)
    print(f"{path}: well-formed, operation {order.operation!r} for {stations}, until {utc(order.not_after)}")
    print(f"  who signed it is checked by: zegel order verify {path} --root root.crt")
    return 0
