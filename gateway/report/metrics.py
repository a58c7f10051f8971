"""`zegel metrics`: the status of the running roles for Prometheus, or as JSON lines.

It is a process of its own that reads what `zegel status` reads, so no client of it can slow a flight down. `TABLE` says
what each number of a status means, and is the only place that does: HELP, TYPE and `zegel metrics --table` come from it.
A counter starts at zero with its role, as Prometheus expects of a process that restarts.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import ipaddress
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.errors import ConfigError, NotRunning
from gateway.report.log import say
from gateway.report.role_status import Status, encoded
from gateway.report.scrape import serve
from gateway.report.status_socket import read_all
from keys.commands.terminal import json_text, show
from keys.printable import printable

LISTEN = "127.0.0.1:9477"
EVERY_S = 10.0
LINES_SIZE_MAX = 16 << 20  # of a file of JSON lines; then it becomes FILE.1, and that is all that is kept
ROLES = ("air", "ground")

Labels = Mapping[str, str]


class Metric(NamedTuple):
    """`where` in a status: fields in their order. What it goes through on the way gives the labels.

    "[]" is each item of a list, labelled by its fields in `OF_ITEM`; "{x}" each value of a mapping, its key the label x.
    `one_if`: of a state, those that count as 1; all others are 0.
    """

    name: str
    kind: str  # counter or gauge
    where: str
    help: str
    one_if: frozenset[enum.Enum] = frozenset()


OF_ITEM: dict[str, dict[str, Callable[[str], str]]] = {
    "endpoints": {"use": str, "endpoint": str},
    "sessions": {"session": str},  # whole: an attacker could make two that begin alike
}
UP_STATES = frozenset[enum.Enum]({State.CONNECTED, State.IDLE})

TABLE = (
    Metric("zegel_sealed", "gauge", "sealed", "1 if a link is up (air), or an aircraft is heard and open (ground)"),
    Metric("zegel_uptime_seconds", "gauge", "uptime_s", "Since the start of the role"),
    Metric("zegel_boot_number", "gauge", "boot_counter", "Starts of this aircraft"),
    Metric("zegel_epoch", "gauge", "epoch", "Number of the traffic keys in use, from 0 in each session"),
    Metric("zegel_order", "gauge", "order", "Serial number of the order in force"),
    Metric("zegel_order_end_timestamp_seconds", "gauge", "order_ends", "When the order ends, as Unix time"),
    Metric("zegel_order_left_seconds", "gauge", "order_left_s", "Until it ends, or aboard until its hours are used up"),
    Metric("zegel_fc_waits_seconds", "gauge", "fc_waits_s", "For how long a TCP flight controller has been made to wait"),
    Metric("zegel_seen_by", "gauge", "seen_by", "Aboard: how many vendors hold pictures before they are sealed"),
    Metric("zegel_memory_locked", "gauge", "memory_locked", "1 if the role's memory is kept out of swap"),
    Metric("zegel_alarms", "gauge", "alarm_reasons {reason} live", "Alarms now, by reason; zegel status has their words"),
    Metric("zegel_alarms_total", "counter", "alarm_reasons {reason} began", "Alarms since the start, by reason"),
    Metric("zegel_lane_datagrams_total", "counter", "lanes {lane}", "Datagrams sealed in this epoch, by lane"),
    Metric("zegel_opened_total", "counter", "opened {lane}", "Datagrams opened, by lane"),
    Metric("zegel_frames_total", "counter", "frames {vehicle} frames", "MAVLink frames, by system and component"),
    Metric("zegel_frames_rx_lost_est_total", "counter", "frames {vehicle} rx_lost_est", "Lost before here, by sequence"),
    Metric("zegel_frames_lost_aboard_total", "counter", "frames {vehicle} lost_aboard", "Of these, before the seal"),
    Metric("zegel_commands_total", "counter", "commands {result}", "Frames of a ground control station: sent, or why not"),
    Metric(
        "zegel_commands_accepted_total", "counter", "commands {station} accepted", "Commands of a station passed to the FC"
    ),
    Metric(
        "zegel_commands_guarded_total",
        "counter",
        "commands {station} guarded",
        "Commands that a station's policy kept back",
    ),
    Metric(
        "zegel_kept_back_total",
        "counter",
        "kept_back {station} {message}",
        "Frames that a station's policy kept back, by what they are",
    ),
    Metric(
        "zegel_kept_aboard_total",
        "counter",
        "kept_aboard {message}",
        "Frames of the flight controller that may not leave, by message",
    ),
    Metric(
        "zegel_foreign_total",
        "counter",
        "foreign {device} {kind}",
        "Frames of system ids that are not their aircraft's, by what they are",
    ),
    Metric(
        "zegel_drops_total",
        "counter",
        "drops {reason}",
        "What was dropped, by reason (SPEC.md section 12); resync_bytes: bytes",
    ),
    Metric("zegel_unexpected_total", "counter", "unexpected {place}", "Of those, unexpected errors, by their place"),
    Metric("zegel_reordered_total", "counter", "reordered", "Bundles that came too late to be put in order"),
    Metric("zegel_rx_datagrams_total", "counter", "endpoints [] rx_datagrams", "Datagrams in; of a stream, reads"),
    Metric("zegel_tx_datagrams_total", "counter", "endpoints [] tx_datagrams", "Datagrams out; of a stream, frames"),
    Metric("zegel_rx_bytes_total", "counter", "endpoints [] rx_bytes", "Bytes in"),
    Metric("zegel_tx_bytes_total", "counter", "endpoints [] tx_bytes", "Bytes out"),
    Metric("zegel_dropped_tx_total", "counter", "endpoints [] dropped_tx", "Not sent: not there, or its buffers full"),
    Metric("zegel_late_drop_total", "counter", "endpoints [] late_drop", "Waited more than a second in our own queue"),
    Metric("zegel_resync_bytes_total", "counter", "endpoints [] resync_bytes", "Of a serial radio, in no whole datagram"),
    Metric("zegel_kept_out_total", "counter", "endpoints [] kept_out", "From or for programs of users who may not be here"),
    Metric("zegel_oversize_total", "counter", "endpoints [] oversize", "Datagrams too large to come in"),
    Metric("zegel_largest_oversize_bytes", "gauge", "endpoints [] largest_oversize", "The largest of them"),
    Metric("zegel_reopened_total", "counter", "endpoints [] reopened", "How often it was opened again"),
    Metric("zegel_rx_expected_total", "counter", "endpoints [] rx_expected", "Of a link: datagrams that should have come"),
    Metric("zegel_rx_known_total", "counter", "endpoints [] rx_known", "Of a link: those of them that came"),
    Metric("zegel_rx_lost_est", "gauge", "endpoints [] rx_lost_est", "Of a link: the difference; late ones lower it again"),
    Metric("zegel_clients", "gauge", "endpoints [] clients", "Of a listening endpoint: the clients that are answered"),
    Metric(
        "zegel_endpoint_up",
        "gauge",
        "endpoints [] state",
        "1 if it is connected, or idle: it listens and has no client",
        UP_STATES,
    ),
    Metric("zegel_session_epoch", "gauge", "sessions [] epoch", "Number of the traffic keys of a session that is heard"),
    Metric("zegel_session_boot_number", "gauge", "sessions [] boot_counter", "Starts of its aircraft"),
    Metric(
        "zegel_session_open",
        "gauge",
        "sessions [] state",
        "1 if this station opens it",
        frozenset({SessionState.OPEN}),
    ),
    Metric(
        "zegel_session_pending",
        "gauge",
        "sessions [] pending",
        "1 if it flies under an order that is not here",
    ),
    Metric("zegel_beat_age_seconds", "gauge", "sessions [] beat_age_s", "Since its last beat"),
    Metric(
        "zegel_beat_late_seconds", "gauge", "sessions [] late_s", "By how much its last beat was later than the soonest"
    ),
    Metric("zegel_session_proved", "gauge", "sessions [] proved", "1 if it has answered a challenge: it is no recording"),
    Metric("zegel_clock_agrees", "gauge", "sessions [] clock_agrees", "1 if its clock is within 30 s of this one's"),
    Metric(
        "zegel_session_vendor_has_picture",
        "gauge",
        "sessions [] vendor_has_picture",
        "1 if a vendor holds pictures before they are sealed: the seal begins at the controller",
    ),
    Metric("zegel_session_age_seconds", "gauge", "sessions [] age_s", "Since it began, by its newest beat"),
    *(
        metric
        for prefix, where, record, whose in (
            ("zegel_", "aircraft", "recording", "Aboard"),
            ("zegel_session_", "sessions [] aircraft", "sessions [] recording", "As the aircraft says"),
        )
        for metric in (
            Metric(f"{prefix}fc_age_seconds", "gauge", f"{where} fc age_s", f"{whose}: since the last frame of the FC"),
            Metric(
                f"{prefix}picture_age_seconds",
                "gauge",
                f"{where} cameras {{camera}} age_s",
                f"{whose}: since the last datagram of a camera",
            ),
            Metric(f"{prefix}card_fails", "gauge", f"{where} card_fails", f"{whose}: 1 if its card cannot be written"),
            Metric(f"{prefix}recording_key", "gauge", f"{record} key", f"{whose}: 1 if the order has a recording key"),
            Metric(f"{prefix}recorded_groups", "gauge", f"{record} groups", f"{whose}: how many groups are recorded"),
            Metric(
                f"{prefix}recorded_since_seconds", "gauge", f"{record} since", f"{whose}: since when these, as Unix time"
            ),
            Metric(f"{prefix}recording_fails", "gauge", f"{record} fails", f"{whose}: 1 if not all is recorded"),
            Metric(f"{prefix}recording_room_seconds", "gauge", f"{record} room_s", f"{whose}: room on the card, as time"),
            Metric(f"{prefix}links_down", "gauge", f"{where} links_down", f"{whose}: links that are down"),
        )
    ),
    Metric("zegel_recording_lost_total", "counter", "recording lost", "Aboard: datagrams that are not recorded"),
    Metric("zegel_recording_bytes_total", "counter", "recording bytes_written", "Aboard: bytes recorded"),
    *(
        Metric(f"zegel_{feed}_{what}", kind, f"{feed} {where}", f"{whose}: {text}")
        for feed, whose in (("feed", "The feed"), ("feed_tcp", "The feed by TCP"))
        for what, kind, where, text in (
            ("published_total", "counter", "published {topic}", "datagrams, by topic"),
            ("behind_total", "counter", "behind", "how often a reader was too slow"),
            ("refused_total", "counter", "refused", "what came to it and was no subscription of ours"),
            ("kept_out_total", "counter", "kept_out", "subscriptions of users that are not allowed"),
            ("subscriptions", "gauge", "subscriptions {topic}", "subscribers, by topic"),
        )
    ),
)
UP = Metric("zegel_up", "gauge", "", "1 if the role runs on this computer and publishes its status")
# Prometheus makes rates and percentages itself; a session's flags are bits, which its state and `pending` spell out.
LEFT_OUT = {"rx_per_s", "tx_per_s", "rx_kbit", "tx_kbit", "late_per_s", "drops_per_s", "loss_percent"}
LEFT_OUT |= {
    "kept_back_per_s",
    "commands_per_s",
    "opened_age_s",
    "schema",
    "no_room_per_s",
    "flags",
    "on",
    "pid",
    "listens",
    *("order_change_ahead", "open_for_s", "key_age_s", "next_key_s", "commanded_age_s"),  # for the console
}


# --- a status to samples ---


def text(statuses: Sequence[Status], roles: tuple[str, ...] = ROLES) -> str:
    """Prometheus' text format. A role of `roles` that does not run is a zegel_up of 0."""
    running = {status.role for status in statuses}
    ups = [({"role": role}, int(role in running)) for role in sorted({*roles, *running})]
    lines = [*_family(UP, ups)]
    for metric in TABLE:
        found = [sample for status in statuses for sample in samples(metric, status, by_pid=_named_twice(status, statuses))]
        lines += _family(metric, found)
    return "\n".join(lines) + "\n"


def _named_twice(status: Status, statuses: Sequence[Status]) -> bool:
    return sum((other.role, other.name) == (status.role, status.name) for other in statuses) > 1


def samples(metric: Metric, status: Status, *, by_pid: bool = False) -> Iterator[tuple[Labels, float]]:
    """The values of one metric in one status, with their labels. `by_pid` tells two roles of one name apart."""
    labels = {"role": status.role, "name": status.name} | ({"pid": str(status.pid)} if by_pid else {})
    for more, value in _walk(status, metric.where.split(), ""):
        if (number := _number(value, metric.one_if)) is not None:
            yield {**labels, **more}, number


def _walk(value: Any, where: list[str], came_by: str) -> Iterator[tuple[dict[str, str], Any]]:
    if not where:
        yield {}, value
        return
    step, rest = where[0], where[1:]
    if step == "[]":
        for item in value:
            labels = {name: cut(getattr(item, name)) for name, cut in OF_ITEM[came_by].items()}
            for more, found in _walk(item, rest, step):
                yield {**labels, **more}, found
    elif step.startswith("{"):
        for key, item in value.items() if isinstance(value, dict) else ():
            for more, found in _walk(item, rest, step):
                yield {step[1:-1]: key, **more}, found
    elif (found := getattr(value, step, None)) is not None:
        yield from _walk(found, rest, step)


def _number(value: Any, one_if: Set[enum.Enum]) -> float | None:
    if isinstance(value, list):
        return len(value)
    if isinstance(value, enum.Enum):
        return int(value in one_if)
    return value if isinstance(value, int | float) else None


def _family(metric: Metric, found: Sequence[tuple[Labels, float]]) -> Iterator[str]:
    if not found:
        return
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in found:
        inside = ",".join(f'{name}="{_escaped(word)}"' for name, word in labels.items())
        yield (
            f"{metric.name}{{{inside}}} {value}" if isinstance(value, float) else f"{metric.name}{{{inside}}} {int(value)}"
        )


def _escaped(word: str) -> str:
    return printable(word).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _statuses() -> list[Status]:
    """Those of this version; none if there is no folder to look in."""
    try:
        return read_all()
    except NotRunning:
        return []


# --- where it goes ---


def write_text(path: Path, roles: tuple[str, ...]) -> None:
    """Write a file for node_exporter's textfile collector, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text(_statuses(), roles))
    new.chmod(0o644)
    new.replace(path)


def write_lines(path: Path) -> None:
    """One JSON object for each running role; at LINES_SIZE_MAX the file makes room for a new one."""
    lines = "".join(json_text({"time": round(time.time(), 3), **encoded(status)}) + "\n" for status in _statuses())
    if str(path) == "-":
        show(lines, end="")
        return
    if path.exists() and path.stat().st_size + len(lines) > LINES_SIZE_MAX:
        path.replace(path.with_name(f"{path.name}.1"))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as out:
        out.write(lines)


# --- the command ---


def command(parser: argparse.ArgumentParser) -> None:
    """give the status of the running roles to Prometheus, on a loopback port or in a file, or as JSON lines"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel metrics\n  curl http://127.0.0.1:9477/metrics\n  zegel metrics --table"
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--listen", metavar="HOST:PORT", default=LISTEN, help=f"where Prometheus asks; default {LISTEN}")
    way.add_argument("--textfile", metavar="FILE.prom", type=Path, help="for node_exporter's textfile collector")
    way.add_argument(
        "--json", metavar="FILE", type=Path, help="JSON lines; - is the standard output; FILE.1 the older ones"
    )
    way.add_argument("--once", action="store_true", help="print the metrics of now, and end")
    way.add_argument("--table", action="store_true", help="what each metric is, and its place in zegel status --json")
    parser.add_argument("--every", metavar="S", type=float, default=EVERY_S, help=f"seconds between writes; {EVERY_S:g}")
    parser.add_argument("--role", choices=ROLES, action="append", help="whose zegel_up is 0 while it is not there; both")
    parser.add_argument(
        "--not-only-loopback", action="store_true", help="let --listen name another address: in clear, to all"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    roles = tuple(args.role or ROLES)
    if args.table:
        _print_table()
    elif args.once:
        show(text(_statuses(), roles), end="")
    elif args.textfile or args.json:
        _repeat(args, roles)
    else:
        serve(*_place(args.listen, anywhere=args.not_only_loopback), lambda: text(_statuses(), roles))
    return 0


def _repeat(args: argparse.Namespace, roles: tuple[str, ...]) -> None:
    if args.textfile and args.textfile.suffix != ".prom":
        raise ConfigError(
            f"{args.textfile}: the collector reads only files that end in .prom", hint=f"{args.textfile}.prom"
        )
    if args.every <= 0:
        raise ConfigError("--every is a number of seconds above 0", hint=f"--every {EVERY_S:g}")
    while True:
        try:
            write_text(args.textfile, roles) if args.textfile else write_lines(args.json)
        except BrokenPipeError:
            raise
        except OSError as error:  # a full card costs this write and nothing else
            say("metrics", f"cannot write {error.filename or args.textfile or args.json}: {error.strerror}")
        time.sleep(args.every)


def _place(where: str, *, anywhere: bool) -> tuple[str, int]:
    host, _, port = where.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    try:
        address, number = ipaddress.IPv4Address("127.0.0.1" if host == "localhost" else host), int(port)
    except ValueError:
        raise ConfigError(f"{where} is no IPv4 address and port", hint=f"--listen {LISTEN}") from None
    if not 0 <= number < 1 << 16:
        raise ConfigError(f"{where}: {number} is no port", hint=f"--listen {LISTEN}")
    if not address.is_loopback and not anywhere:
        raise ConfigError(
            f"{where} is not only this computer's", hint="--not-only-loopback, if everybody there may read it"
        )
    return str(address), number


def _print_table() -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("metric", "type", "in zegel status --json", "what"):
        table.add_column(head)
    for metric in (UP, *TABLE):
        table.add_row(metric.name, metric.kind, metric.where.replace("[", "\\["), metric.help)
    with contextlib.suppress(BrokenPipeError):
        Console(width=None if sys.stdout.isatty() else 200).print(table)
