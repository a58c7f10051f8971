"""Derive: everything of an export but its pcaps, made from them. A program of its own, which never has a key.

    python -m gateway.recording.export.derive RIGHTS FOLDER

It parses pictures and starts the program that writes films, so it may not share a process with the recording key. On its
standard output are lines of JSON for the process that started it: how far it is, and at the end what is missing or failed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from gateway.core.barrier import place_of
from gateway.recording.export import film, flight, parts, pcap_file, plan, readme, rights, subtitles, sums
from gateway.recording.export.film import FilmError
from gateway.recording.export.flight import Flight, FlightWriter
from gateway.recording.export.parts import Parts
from gateway.recording.export.plan import Plan
from gateway.recording.export.readme import Found, Video
from gateway.recording.export.track import Position
from gateway.recording.export.video import Stream, VideoWriter, form_of
from gateway.recording.export.wall_clock import WallClock, plausible
from gateway.recording.pcap import Record
from gateway.video import sdp
from gateway.video.recognise import Content

FLIGHT = "flight"
TOLD_EACH_S = 0.2
NO_WRITER = "neither PyAV (pip install 'zegel[export]') nor ffmpeg is on this computer"
NO_SETS = "the recording has no parameter sets; --sdp FILE, the camera's description, may have them"
NO_PICTURES = "no picture was found"


class Derivation:
    """Of one folder. `told` gets what is read, and the share of it that is."""

    def __init__(self, folder: Path, plan: Plan, told: Callable[[str, float], None]) -> None:
        self._folder, self._plan, self._told = folder, plan, told
        self._described = sdp.read(plan.asked.sdp) if plan.asked.sdp else None
        self._found = Found()

    def run(self) -> list[str]:
        """What is missing or was changed, in sentences."""
        parts.clear(self._folder)
        clock = self._clock()
        if FLIGHT in self._plan.originals:
            self._found.flight = self._flight(clock)
        positions = self._found.flight.positions if self._found.flight else []
        for lane in self._plan.originals:
            if lane != FLIGHT:
                self._found.videos[lane] = video = Video(self._plan.originals[lane])
                self._kept(lane, video, clock, positions)
        parts.clear(self._folder)
        plan.replace(self._folder / "README.txt", readme.text(self._plan, self._found, clock).encode())
        self._told(sums.NAME, 0.0)
        plan.replace(self._folder / sums.NAME, sums.sums(self._folder).encode())
        (self._folder / plan.NAME).unlink()
        return list(readme.missing(self._plan, self._found))

    def _clock(self) -> WallClock:
        claimed = any(plausible(utc_us) for _, utc_us in self._plan.claims)
        if not claimed and FLIGHT in self._plan.originals:
            return WallClock((), flight.of_autopilot(self._folder / f"{FLIGHT}.pcap"))
        return WallClock(self._plan.claims)

    def _records(self, lane: str) -> Iterator[Record]:
        path = self._folder / f"{lane}.pcap"
        size, done = path.stat().st_size, 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._told(path.name, done / size)

        return pcap_file.records(path, progress)

    def _flight(self, clock: WallClock) -> Flight:
        made = Parts(self._folder)
        with ExitStack() as stack:
            writer = FlightWriter(stack, made, clock)
            for record in self._records(FLIGHT):
                writer.add(record)
            found = writer.end()
        made.end()
        return found

    def _kept(self, lane: str, video: Video, clock: WallClock, positions: list[Position]) -> None:
        """What one stream does to this program costs only what is made of it."""
        try:
            self._video(lane, video, clock, positions)
        except OSError:
            raise  # a full disk
        except Exception as error:  # at the entry of hostile input, as gateway.core.barrier says
            video.stream, video.film = None, None
            video.why = f"this program failed on the stream, at {place_of(error)}"

    def _video(self, lane: str, video: Video, clock: WallClock, positions: list[Position]) -> None:
        original = video.original
        form = form_of(self._folder / f"{lane}.pcap", self._described)
        if form.content is Content.UNKNOWN:
            video.why = f"{lane}.pcap holds {form.content.value}" if original.records else "nothing was recorded"
            return
        outside = [*original.sets, *(self._described.sets if self._described else ())]
        from_key = self._plan.asked.from_ns is not None
        writer = VideoWriter(self._folder, lane, form, outside, from_key=from_key)
        video.stream = writer.write(self._records(lane))
        self._film(lane, video, writer, video.stream)
        writer.end()
        if video.film is not None:
            blocks = subtitles.subtitles(video.film.begin_ns, video.film.end_ns, clock, positions)
            self._lines(f"{lane}.srt", blocks)

    def _film(self, lane: str, video: Video, writer: VideoWriter, stream: Stream) -> None:
        found, video.by = film.plan(writer.index), film.writer()
        if found is None or stream.codec is None:
            video.why = NO_PICTURES
        elif not stream.complete:
            video.why = NO_SETS
        elif not video.by:
            video.why = NO_WRITER
        else:
            made = Parts(self._folder)
            self._told(f"{lane}.mp4", 0.0)
            try:
                film.write(stream.codec, stream.sets, found, writer.pictures, writer.index, made.path(f"{lane}.mp4"))
            except FilmError as error:
                video.why = str(error)
            else:
                made.end()
                video.film = found

    def _lines(self, name: str, blocks: Iterator[str]) -> None:
        made = Parts(self._folder)
        with ExitStack() as stack:
            file = made.text(stack, name)
            for block in blocks:
                file.write(block)
        made.end()


class Teller:
    """Lines on the standard output, a few a second."""

    def __init__(self) -> None:
        self._name, self._next = "", 0.0

    def __call__(self, name: str, share: float) -> None:
        now = time.monotonic()
        if name != self._name or now >= self._next or share >= 1.0:
            self._name, self._next = name, now + TOLD_EACH_S
            sys.stdout.buffer.write(json.dumps([name, share]).encode() + b"\n")
            sys.stdout.buffer.flush()


def main() -> int:
    rights.give_up(sys.argv[1])
    os.umask(0o077)
    folder = Path(sys.argv[2])
    found = plan.load(folder)
    if found is None:
        return 2
    try:
        for sentence in Derivation(folder, found, Teller()).run():
            sys.stdout.buffer.write(json.dumps(sentence).encode() + b"\n")
    except OSError as error:  # a full disk; or the process that started this one is gone
        with suppress(OSError):
            sys.stdout.buffer.write(json.dumps({"failed": str(error)}).encode() + b"\n")
        return 1
    except KeyboardInterrupt:  # a terminal sends it to both processes
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
