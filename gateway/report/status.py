"""`zegel status`: what every running role of this computer says of itself, for people.

What lives here: the words and their order. What must not: how a status comes here (status_socket.py), what is wrong
(advice.py). Counter names follow mavlink-router-rs where it has them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.errors import NotRunning
from gateway.report.advice import advise
from gateway.report.status_socket import read_all
from keys.commands.terminal import json_text, show
from keys.printable import printable


def command(parser: argparse.ArgumentParser) -> None:
    """show what every running air and ground on this computer is doing"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel status\n  zegel status --json | python3 -m json.tool"
    parser.add_argument("--json", action="store_true", help="everything, as a list of JSON objects")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    statuses = read_all()
    if not statuses:
        raise NotRunning(
            "no zegel air or ground of this user is running here",
            hint="start one: zegel air --help; of the services tells: sudo zegel status",
        )
    if args.json:
        show(json_text(statuses, 2))
    else:
        show("\n\n".join(_text_or_why_not(status) for status in statuses))
    return 0


def _text_or_why_not(status: dict[str, Any]) -> str:
    """A process of another version may say less than this one shows, and a stranger's anything."""
    try:
        return _text(status)
    except Exception:
        name = printable(f"{status['role']} {status['name']}")
        return f"{name}: not shown, it is another version's; zegel status --json has it, and a restart mends it"


def in_one_line(status: Mapping[str, Any]) -> str:
    """How it is, and what is wrong if something is: for the service manager."""
    return "; ".join(filter(None, (_word(status), advise(status))))


def _word(status: Mapping[str, Any]) -> str:
    if status["role"] == "ground":
        return "open" if status["sealed"] else "nothing to open"
    return "sealed" if status["sealed"] else "no link: nothing is sent"


def _text(status: dict[str, Any]) -> str:
    lines = [f"{status['role']} {status['name']}: {_word(status)}", f"  operation  {status['operation']}"]
    if "session" in status:
        lines.append(f"  session    {status['session'][:8]}  boot {status['boot_counter']}  epoch {status['epoch']}")
    lines += [
        f"  session    {s['session'][:8]}  {_aircraft(s)}  boot {s['boot_counter']}  {s['state']}; {s['commands']}"
        for s in status.get("sessions", ())
    ]
    counts = status.get("lanes") or status.get("opened") or {}
    lines.append("  datagrams  " + (_pairs(counts) or "none yet"))
    for name, row in status["frames"].items():
        lines.append(f"  vehicle    {name}: {row['frames']} frames, {row['rx_lost_est']} lost before they came here")
    lines += [_endpoint(end) for end in status["endpoints"]]
    if feed := status.get("feed"):
        refused = f", refused: {feed['refused']} messages" if feed["refused"] else ""
        subscribed = _pairs(feed["subscriptions"]) or "nobody"
        lines.append(f"  feed       {feed['address']}  {feed['state']}, subscribed: {subscribed}{refused}")
    drops = {name: count for name, count in status["drops"].items() if count}
    if others := drops.pop("not_granted", 0):
        lines.append(f"  for others {others} datagrams of lanes that this station's role does not have")
    lines.append("  dropped    " + (_pairs(drops) or "nothing"))
    lines += [f"  unexpected {place}: {count}" for place, count in status["unexpected"].items()]
    lines += [
        f"  kept back  {message}, {count} times, from {station}"
        for station, counts in status["kept_back"].items()
        for message, count in counts.items()
    ]
    lines += [f"  kept back  {message}, {count} times: for no one aircraft" for message, count in _of(status, "misrouted")]
    lines += [
        f"  foreign    {device}: {kind}, {count}: list it to let it pass"
        for device, counts in _of(status, "foreign")
        for kind, count in counts.items()
    ]
    if not status["memory_locked"]:
        lines.append("  memory     not locked, so keys may reach swap")
    lines += [f"  alarm      {alarm}" for alarm in status["alarms"]]
    if line := advise(status):
        lines.append(f"  wrong      {line}")
    return "\n".join(map(printable, lines))


def _aircraft(session: Mapping[str, Any]) -> str:
    systems = ", ".join(map(str, session["systems"])) or "not known"
    return f"{session['device']}, system {systems}"


def _of(status: Mapping[str, Any], counts: str) -> Iterable[tuple[str, Any]]:
    """What only a ground counts; nothing of air."""
    return status[counts].items() if status["role"] == "ground" else ()


def _endpoint(end: Mapping[str, Any]) -> str:
    text = f"  {end['use']:<9}  {end['endpoint']}  {end['state']}"
    if end["state"] == "reconnecting":
        return f"{text}, {end['last_error']}"
    text += f", in {end['rx_per_s']:g}/s {end['rx_kbit']:g} kbit/s, out {end['tx_per_s']:g}/s {end['tx_kbit']:g} kbit/s"
    if "loss_percent" in end:
        text += f", {end['loss_percent']:g} % lost"
    return text + (f", for {' '.join(end['clients'])}" if end["clients"] else "")


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
