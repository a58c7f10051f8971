"""A hybrid agency, P-384 and ML-DSA-65, from the command line: the same commands, and both signatures needed."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from pathlib import Path

import cbor2
import pytest

from gateway import cli
from keys import certificate, cose
from keys.cose import Alg
from keys.folders import roots
from keys.order import LINK_MAX, parse_order, verify_order
from keys.order_text import agency_fingerprint
from tests import tagged
from tests.unit.keys.commands.test_custody import HOUR, ISSUE, NOW, good, zegel

__all__ = ["good", "zegel"]

MARK = re.compile(r"\b[0-9a-f]{4}(?:-[0-9a-f]{4}){7}\b")


@pytest.fixture(scope="session")
def made_hybrid(tmp_path_factory):
    """A hybrid agency, an enrolled aircraft, a pilot, an observer, and an order in force; coast/ is classical."""
    folder = tmp_path_factory.mktemp("hybrid")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(time, "time", lambda: NOW)
        for line in (
            "agency init agency --name 'Harbour Police' --hybrid",
            "agency init coast --name 'Coast Guard'",
            "device init drone --name drone-7",
            "agency certify-device agency drone/device.csr -o drone-7.crt",
            "device enrol drone drone-7.crt --root agency/root/root.crt",
            "station init pilot --name pilot --root agency/root/root.crt",
            "station init observer --name observer --root agency/root/root.crt",
            f"{ISSUE} --station observer/station.pub:video -o op.order",
            "device load-order drone op.order",
        ):
            assert cli.main(shlex.split(line)) == 0
    return folder


@pytest.fixture
def here(made_hybrid, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(made_hybrid, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(time, "time", lambda: NOW)
    return folder


def algorithms(name: str) -> list[int]:
    return [signature.alg for signature in cose.parse_sign(Path(name).read_bytes()).signatures]


def with_signatures(name: str, keep: slice) -> bytes:
    """The order in this file with some of its signatures."""
    protected, unprotected, payload, signatures = tagged.parts(Path(name).read_bytes()).value
    return cose.dumps(cbor2.CBORTag(98, [protected, unprotected, payload, signatures[keep]]))


def half(name: str, place: int) -> None:
    """root.crt with one of its two certificates, in a file of this name."""
    Path(name).write_bytes(certificate.pem(roots.of_agency(Path("agency/root/root.crt"))[place]))


# --- what is made ---


def test_every_order_of_a_hybrid_agency_is_signed_with_both(here, good):
    pinned = roots.of_agency(Path("agency/root/root.crt"))
    assert [certificate.alg_of(root) for root in pinned] == [Alg.ESP384, Alg.ML_DSA_65]
    good("order extend op.order --hours 1 -o 2.order")
    good("order revoke 2.order --station observer -o 3.order")
    good("order add 3.order --station observer/station.pub:video -o 4.order")
    for name in ("op.order", "2.order", "3.order", "4.order"):
        assert algorithms(name) == [Alg.ESP384, Alg.ML_DSA_65]
        assert len(verify_order(Path(name).read_bytes(), pinned, NOW).signatures) == 2
        good(f"device load-order drone {name}")


def test_keys_and_certificates_are_in_their_folders(here):
    for half_, mode in (("root", "root"), ("signer", "signer")):
        for name in (f"{mode}.key", f"{mode}-ml-dsa.key"):
            assert (here / "agency" / half_ / name).stat().st_mode & 0o777 == 0o600
    assert (here / "agency/root/root.crt").read_bytes() == (here / "agency/signer/root.crt").read_bytes()
    signers = roots.certificates((here / "agency/signer/signer.crt").read_bytes())
    assert [(certificate.alg_of(each), certificate.generation(each)) for each in signers] == [
        (Alg.ESP384, 1),
        (Alg.ML_DSA_65, 1),
    ]


def test_a_device_is_certified_by_the_classical_root(here):
    issued = certificate.load_certificate(Path("drone-7.crt").read_bytes())
    pinned = roots.of_agency(Path("agency/root/root.crt"))
    assert certificate.find_root(issued, pinned) == pinned[0]
    assert list(roots.read(Path("drone"))) == list(roots.read(Path("pilot"))) == list(pinned)


def test_one_fingerprint_stands_for_both_roots_at_every_end(here, good):
    mark = agency_fingerprint(roots.of_agency(Path("agency/root/root.crt")))
    for line in (
        "device enrol drone drone-7.crt --root agency/root/root.crt",
        "station trust pilot --root agency/root/root.crt",
        "order verify op.order --root agency/root/root.crt",
        "device load-order drone op.order",
    ):
        assert mark in MARK.findall(good(line)), line
    assert mark in MARK.findall(good("station init more --name more --root agency/root/root.crt"))


def test_a_classical_agencys_fingerprint_is_that_of_its_one_root_key(here):
    (root,) = roots.of_agency(Path("coast/root/root.crt"))
    assert agency_fingerprint([root]) == certificate.fingerprint(root)


def test_orders_say_who_signed_them(here, good):
    assert "claims to be signatures of P-384 and ML-DSA-65." in good("order show op.order")
    assert "generation 1 (P-384 and ML-DSA-65), both of them needed, root key" in good(
        "order verify op.order --root agency/root/root.crt"
    )


def test_a_new_signer_has_both_keys_and_the_old_ones_are_gone(here, good, zegel):
    old = {name: (here / "agency/signer" / name).read_bytes() for name in ("signer.key", "signer-ml-dsa.key")}
    shutil.copytree("agency/signer", "stolen/signer")
    assert "generation 2" in good("agency new-signer agency")
    assert all((here / "agency/signer" / name).read_bytes() != key for name, key in old.items())
    good(f"{ISSUE} -o next.order")
    good("device load-order drone next.order")
    good(f"{ISSUE.replace('issue agency', 'issue stolen')} -o forged.order")
    assert zegel("device load-order drone forged.order").code == 7


def test_a_key_that_is_missing_is_named(here, zegel):
    Path("agency/signer/signer-ml-dsa.key").unlink()
    answer = zegel(f"{ISSUE} -o next.order")
    assert answer.error == "agency/signer/signer-ml-dsa.key does not exist"
    shutil.copy("agency/root/root.key", "agency/signer/signer-ml-dsa.key")
    assert "signer-ml-dsa.key is not an agency's key" in zegel(f"{ISSUE} -o next.order").error
    Path("agency/root/root-ml-dsa.key").unlink()
    assert zegel("agency new-signer agency").error == "agency/root/root-ml-dsa.key does not exist"


def test_six_post_quantum_stations_fit_the_link_and_what_does_not_is_said(here, good):
    stations = ""
    for n in range(1, 8):
        good(f"station init s{n} --name s{n} --root agency/root/root.crt")
        stations += f" --station s{n}/station.pub:video"
        said = good(f"{ISSUE.split(' --station')[0]} {stations} -o {n}.order")
        assert ("too large for the link" in said) is (n > 6) is (Path(f"{n}.order").stat().st_size > LINK_MAX)
    assert "too large for the link" in good("order extend 7.order --hours 1 -o longer.order")


# --- what is refused ---


@pytest.mark.parametrize(("keep", "lacks"), [(slice(0, 1), "ML-DSA-65"), (slice(1, 2), "P-384")])
def test_one_signature_of_the_two_is_refused_everywhere(here, good, zegel, keep, lacks):
    good(f"{ISSUE} -o next.order")
    Path("next.order").write_bytes(with_signatures("next.order", keep))
    assert parse_order(Path("next.order").read_bytes())
    for line in (
        "device load-order drone next.order",
        "order verify next.order --root agency/root/root.crt",
        "order extend next.order --hours 1 -o x",
    ):
        answer = zegel(line)
        assert answer.code == 5
        assert f"lacks the {lacks} signature" in answer.error


def test_half_of_a_root_file_has_another_fingerprint(here, good):
    whole = MARK.findall(good("station init whole --name whole --root agency/root/root.crt"))[1]
    half("half.crt", 0)
    assert MARK.findall(good("station init other --name other --root half.crt"))[1] != whole


def test_enrolling_again_unpins_no_root(here, zegel, good):
    half("half.crt", 0)
    answer = zegel("device enrol drone drone-7.crt --root half.crt")
    assert answer.error == "drone is enrolled with another root, of 'Harbour Police'"
    assert len(roots.read(Path("drone"))) == 2
    assert "already trusted" in good("station trust pilot --root half.crt")
    assert len(roots.read(Path("pilot"))) == 2


def test_a_person_that_was_given_half_a_root_file_is_told_so_and_corrects_it(here, zegel, good):
    half("half.crt", 0)
    good("device init other --name drone-8")
    good("agency certify-device agency other/device.csr -o drone-8.crt")
    good("device enrol other drone-8.crt --root half.crt")
    good(f"{ISSUE} --device drone-8.crt -o both.order")
    answer = zegel("device load-order other both.order")
    assert answer.code == 5
    assert answer.error == "the order was signed for 'Harbour Police', under a root that is not trusted here"
    assert "of a hybrid agency it holds two certificates" in answer.hint
    good("device enrol other drone-8.crt --root agency/root/root.crt")
    good("device load-order other both.order")


@pytest.mark.parametrize(
    "parts",
    [
        [("agency", 1)],
        [("agency", 1), ("agency", 0)],
        [("agency", 0), ("agency", 0)],
        [("agency", 0), ("coast", 0)],
        [("coast", 0), ("agency", 1)],
        [("agency", 0), ("agency", 1), ("agency", 1)],
    ],
    ids=lambda parts: " ".join(f"{name} {place}" for name, place in parts),
)
def test_a_root_file_holds_one_agency_in_one_order(here, zegel, parts):
    pinned = {name: roots.of_agency(Path(f"{name}/root/root.crt")) for name in ("agency", "coast")}
    Path("odd.crt").write_bytes(b"".join(certificate.pem(pinned[name][place]) for name, place in parts))
    for line in (
        "device enrol drone drone-7.crt --root odd.crt",
        "station trust pilot --root odd.crt",
        "station init x --name x --root odd.crt",
        "order verify op.order --root odd.crt",
    ):
        answer = zegel(line)
        assert answer.code == 5
        assert answer.error == "odd.crt does not hold the roots of one agency"


def test_a_second_agency_of_the_same_name_is_not_trusted_in_addition_to_the_first(here, zegel, good):
    """Else its root of one algorithm could stand in for the other's."""
    good("agency init fake --name 'Harbour Police' --hybrid")
    answer = zegel("station trust pilot --root fake/root/root.crt")
    assert answer.code == 5
    assert answer.error == "pilot would trust two agencies of one name"
    assert len(roots.read(Path("pilot"))) == 2


def test_a_classical_agency_in_addition_is_not_asked_for_two(here, good):
    good("station trust pilot --root coast/root/root.crt")
    good("device init theirs --name theirs")
    good("agency certify-device coast theirs/device.csr -o theirs.crt")
    words = "--operation Patrol --device theirs.crt --station pilot/station.pub:video --hours 8"
    good(f"order issue coast {words} -o coast.order")
    pinned = roots.read(Path("pilot"))
    assert verify_order(Path("coast.order").read_bytes(), pinned, NOW).content.agency == "Coast Guard"
    assert verify_order(Path("op.order").read_bytes(), pinned, NOW + HOUR).content.agency == "Harbour Police"
