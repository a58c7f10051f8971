"""The pcaps of an export, and where a video in them begins."""

from __future__ import annotations

import base64

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.recording import pcap
from gateway.recording.export import film, lead, originals, pcap_file
from gateway.recording.export.plan import Lead
from gateway.recording.pcap import Malformed, Record
from gateway.video.nal import AccessUnit, kind
from gateway.video.packetiser import Packetiser
from gateway.video.ts_mux import START_CODE, TsMux
from tests.exported import derived, video
from tests.exported import originals as exported

FILM = pictures(CLIP.read_bytes())
KEYS = [place for place, unit in enumerate(FILM) if unit.key]
SETS = [nal for nal in FILM[0].nals if kind("h264", nal) in (7, 8)]
BEGAN = 20.0


def at_ns(place: int) -> int:
    return round((BEGAN + place / 25) * 1e9)


def sent(units: list[AccessUnit]) -> list[Record]:
    packetiser = Packetiser("h264", 1, 1)
    return video(
        (BEGAN + place / 25, data) for place, unit in enumerate(units) for data in packetiser.packets(unit, 3600 * place)
    )


def without_sets(units: list[AccessUnit], first: int = 0) -> list[Record]:
    """The parameter sets come with the first picture alone, or never."""
    out: list[Record] = []
    sequence = 1
    for place, unit in enumerate(units):
        nals = [nal for nal in unit.nals if place < first or nal not in SETS]
        packets = Packetiser("h264", 1, sequence).packets(AccessUnit(nals, unit.key, 0.0, "h264"), 3600 * place)
        sequence += len(packets)
        out += video((BEGAN + place / 25, data) for data in packets)
    return out


def of(records: list[Record]) -> originals.Records:
    return lambda from_ns, to_ns: (record for record in records if from_ns <= record.time_ns < to_ns)


def test_a_pcap_is_its_records(tmp_path):
    sizes: list[int] = []
    original = originals.write(tmp_path, "video-a", sent(FILM[:20]), sizes.append)
    assert list(pcap_file.records(tmp_path / "video-a.pcap")) == sent(FILM[:20])
    assert (original.records, original.from_ns, original.to_ns) == (len(sent(FILM[:20])), at_ns(0), at_ns(19))
    assert sum(sizes) + len(pcap.FILE_HEADER) == (tmp_path / "video-a.pcap").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["video-a.pcap"]


def test_an_interrupted_pcap_has_no_name(tmp_path):
    def broken():
        yield sent(FILM[:1])[0]
        raise OSError("the card is gone")

    with pytest.raises(OSError, match="gone"):
        originals.write(tmp_path, "video-a", broken(), lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["video-a.pcap.part"]


def test_a_pcap_of_another_kind_is_refused(tmp_path):
    (tmp_path / "other.pcap").write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(100))
    with pytest.raises(Malformed):
        next(pcap_file.records(tmp_path / "other.pcap"))


@pytest.mark.parametrize("piece", [1, 43, 1000, 1 << 20])
def test_a_file_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(pcap_file, "PIECE_SIZE", piece)
    records = sent(FILM[:2])
    originals.write(tmp_path, "video-a", records, lambda _: None)
    assert list(pcap_file.records(tmp_path / "video-a.pcap")) == records


def test_the_last_key_picture_before_a_time_is_found_with_its_sets():
    key = KEYS[1]
    assert originals.before(of(sent(FILM)), at_ns(key + 3)) == Lead(at_ns(key), SETS)
    assert originals.before(of(sent(FILM)), at_ns(key)).key_ns == at_ns(key)
    assert originals.before(of(sent(FILM)), at_ns(key) - 1).key_ns == at_ns(KEYS[0])


def test_sets_that_were_sent_once_are_found_at_the_beginning(monkeypatch):
    monkeypatch.setattr(originals, "LEADS_NS", (40_000_000,))
    monkeypatch.setattr(originals, "ask", lead.find)  # in this process
    records = without_sets(FILM, first=1)
    assert originals.before(of(records), at_ns(KEYS[1] + 1)) == Lead(at_ns(KEYS[1]), SETS)


def test_nothing_is_found_before_the_beginning_and_in_what_is_no_video():
    assert originals.before(of(sent(FILM)), at_ns(0) - 1).key_ns is None
    assert originals.before(of(video([(1.0, b"rubbish")])), 2 * 10**9) == Lead()


@pytest.mark.parametrize("key", KEYS[:2])
def test_the_same_in_mpeg_ts(key):
    mux = TsMux("h264")
    records = video(
        (BEGAN + place / 25, mux.picture(START_CODE + START_CODE.join(unit.nals), unit.key, 3600 * place, 3600 * place))
        for place, unit in enumerate(FILM)
    )
    assert lead.find(of(records)(0, at_ns(key + 3))) == Lead(at_ns(key), SETS)


@pytest.mark.skipif(not film.writer(), reason="neither PyAV nor ffmpeg is on this computer")
@pytest.mark.parametrize("known", ["", "sdp", "before"])
def test_a_video_without_parameter_sets_is_mended_by_those_from_elsewhere(tmp_path, known):
    sprop = ",".join(base64.b64encode(one).decode() for one in SETS)
    sdp = f"a=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets={sprop}\n" if known == "sdp" else ""
    plan = exported(tmp_path, {"video-a": without_sets(FILM[: KEYS[1] + 5])}, sdp=sdp)
    plan.originals["video-a"].sets = SETS if known == "before" else []
    names, told = derived(tmp_path, plan), (tmp_path / "README.txt").read_text()
    bare = b"".join(START_CODE + nal for unit in FILM[: KEYS[1] + 5] for nal in unit.nals if nal not in SETS)
    got = (tmp_path / "video-a.h264").read_bytes()
    if not known:
        assert got == bare
        assert "video-a.mp4" not in names
        assert "there is no video-a.mp4: the recording has no parameter sets; --sdp FILE" in told
    else:
        delimiter = START_CODE + FILM[0].nals[0]  # is always first
        assert got == delimiter + b"".join(START_CODE + nal for nal in SETS) + bare.removeprefix(delimiter)
        assert "video-a.mp4" in names
        assert "video-a.h264: 2 parameter sets before the first key picture, which had none" in told


def test_what_precedes_the_first_key_picture_of_an_excerpt_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(film, "writer", lambda: "")
    records = sent(FILM[3 : KEYS[1] + 2])
    derived(tmp_path, exported(tmp_path, {"video-a": records}, from_ns=at_ns(0)))
    expected = b"".join(START_CODE + nal for unit in FILM[KEYS[1] : KEYS[1] + 2] for nal in unit.nals)
    assert (tmp_path / "video-a.h264").read_bytes() == expected
    assert (
        f"{KEYS[1] - 3} pictures before the first key picture only in video-a.pcap" in (tmp_path / "README.txt").read_text()
    )
