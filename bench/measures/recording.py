"""Recording: the recorder's rate compared with openssl, age and Tink, the link meanwhile, its card, a playback's start.

What lives here: the parts in turn, and the bounds of all. What must not: how one part is measured. A part that this
computer cannot measure is left out, with the reason.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

from bench import last_minute, load, recorded_flight, recorder_card, recorder_rates, verdict, wanted
from bench.compiler import Absent
from bench.measures.latency import Mix
from bench.recorded_flight import Compared, Recorder
from bench.recorder_rates import SEALS, Rates
from bench.result import Options, Progress, Result, Table
from bench.wanted import Wanted
from bench.workspace import Scene, scene
from bench.zegel_pair import C, both
from gateway.board import computer

OF_LIMIT, OF_ARCHIVERS = 0.70, 1.0
LATER_MS, MORE_A_DATAGRAM, MORE_A_WAKE_UP_US = 1.0, 25.0, 10.0
WAKES_PER_S, QUIET_CPU, MEMORY_MB = 100.0, 1.0, 60.0
DEVICE_TIMES = 1.03
FIRST_PICTURE_S, FIRST_PICTURE_MB = 2.0, 150.0
Found = tuple[list[Table], list[Wanted], list[str]]  # tables, bounds, notes of a part


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", metavar="PART", choices=PARTS, help=f"some of: {', '.join(PARTS)}")


def measure(options: Options, progress: Progress) -> Result:
    chosen = getattr(options.args, "only", None) or [*PARTS]
    tables: list[Table] = []
    bounds: list[Wanted] = []
    notes: list[str] = []
    for name in chosen:
        with scene() as here:
            try:
                found = PARTS[name](here, options.quick, progress)
            except Absent as error:
                notes.append(f"{name} is left out: {error}" + f" ({error.hint})" * bool(error.hint))
                continue
        tables += found[0]
        bounds += found[1]
        notes += found[2]
    told = wanted.table(bounds, "What is wanted of a recording")
    return Result("recording", (told, *tables), (load.note(), *notes), verdict=_verdict(bounds))


def _verdict(bounds: list[Wanted]) -> str:
    if not bounds:
        return "nothing of a recording could be measured here"
    first = bounds[0]
    rate = f"{first.what}: {verdict.figure(first.measured)}; " if first.what.startswith(SEALS) else ""
    return f"{rate}{wanted.summary(bounds)}"


def _rates(here: Scene, quick: bool, progress: Progress) -> Found:
    form = recorder_rates.QUICK_FORM if quick else recorder_rates.FULL_FORM
    rates, skipped = recorder_rates.measure(here, form, progress)
    return [recorder_rates.table(rates)], [*_rates_wanted(rates)], skipped


def _rates_wanted(rates: Rates) -> Iterator[Wanted]:
    yield Wanted(f"{SEALS}, of R", rates.of_limit(rates.seals[SEALS]), OF_LIMIT, most=False)
    yield Wanted("opening and checking, of R", rates.of_limit(rates.opens[SEALS]), OF_LIMIT, most=False)
    if not computer.has_aes():
        return  # then it is only reported
    for what, figures in (("seals", rates.seals), ("opens", rates.opens)):
        for name, times in rates.of_archivers(figures).items():
            yield Wanted(f"{what}, times {name}", times, OF_ARCHIVERS, most=False)


def _link(here: Scene, quick: bool, progress: Progress) -> Found:
    form = recorded_flight.QUICK if quick else recorded_flight.FULL
    with scene() as alone:
        progress(0, 1, "telemetry of 57,600 baud")
        quiet = recorded_flight.quiet(alone, form.quiet_s)
    found, recorders, missing = recorded_flight.compared(here, form, progress)
    tables = [recorded_flight.link_table(found), recorded_flight.recorder_table(quiet, recorders)]
    bounds = [*_link_wanted(found), *_recorder_wanted(quiet, recorders)]
    bounds.append(Wanted("datagrams that are not recorded", missing, 0))
    return tables, bounds, both()[1]


def _link_wanted(found: Mapping[tuple[str, Mix], Compared]) -> Iterator[Wanted]:
    for (name, mix), each in found.items():
        where = f"{name}, {mix.name}"
        yield Wanted(f"p99 later by (ms), {where}", each.later_ms, LATER_MS)
        if name != C:
            yield Wanted(f"CPU a datagram, more by (%), {where}", each.more_a_datagram, MORE_A_DATAGRAM)
        elif not mix.frames:
            yield Wanted(f"CPU a wake-up, more by (us), {where}", each.more_a_wake_up, MORE_A_WAKE_UP_US)
    yield Wanted("lost on the link", sum(each.lost for each in found.values()), 0)


def _recorder_wanted(quiet: Recorder, recorders: Mapping[Mix, Recorder]) -> Iterator[Wanted]:
    yield Wanted("recorder at 57,600 baud (% of a core)", quiet.cpu, QUIET_CPU)
    yield Wanted("wake-ups a second of the recorder", max(each.wakes for each in (quiet, *recorders.values())), WAKES_PER_S)
    yield Wanted("memory of the recorder with an empty queue (MB)", quiet.memory, MEMORY_MB)


def _card(here: Scene, quick: bool, progress: Progress) -> Found:
    form = recorder_card.QUICK if quick else recorder_card.FULL
    written = recorder_card.by_segment(here, form, progress)
    cuts, sync_s = recorder_card.power_cuts(here, form, progress)
    loses = f"worst power cut (s); wanted: {recorder_card.USUAL_S} s, a sync, and what waits for both"
    bounds = [
        Wanted(f"bytes to the device at {recorder_card.MBIT:g} Mbit/s, times the data", _usual(written), DEVICE_TIMES),
        Wanted(loses, max(cut.counted for cut in cuts), recorder_card.USUAL_S + sync_s + recorder_card.WAITS_S),
    ]
    return [recorder_card.table(written), recorder_card.cuts_table(cuts, sync_s)], bounds, []


def _usual(written: Mapping[int, recorder_card.Written]) -> float:
    return written[recorder_card.USUAL_S].times


def _standstill(here: Scene, quick: bool, progress: Progress) -> Found:
    progress(0, 1, "a card that stands still")
    form = recorded_flight.QUICK if quick else recorded_flight.FULL
    found = recorded_flight.standstill(here, form.around_s)
    bounds = [
        Wanted("not recorded, of a card that stands still for 7 s", found.missing + found.in_gaps, 0),
        Wanted("p99 later by (ms), meanwhile", found.meanwhile - found.before, LATER_MS),
        Wanted("memory of the recorder, with its queue (MB)", found.memory, MEMORY_MB + recorded_flight.QUEUE_MB),
    ]
    return [recorded_flight.standstill_table(found)], bounds, []


def _play(here: Scene, quick: bool, progress: Progress) -> Found:
    played = last_minute.measure(here, last_minute.QUICK_SIZE if quick else last_minute.SIZE, progress)
    bounds = [
        Wanted("first picture of the last minute after (s)", played.seconds, FIRST_PICTURE_S),
        Wanted("memory until then (MB)", played.memory, FIRST_PICTURE_MB),
    ]
    return [last_minute.table(played)], bounds, []


Part = Callable[[Scene, bool, Progress], Found]
PARTS: Mapping[str, Part] = {"rates": _rates, "link": _link, "card": _card, "standstill": _standstill, "play": _play}
