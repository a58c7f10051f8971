"""What an op_id gives. The known answer is in tests/vectors/test_gcm_siv.py."""

from __future__ import annotations

from keys.operation_key import control_key, op_tag


def test_each_operation_has_a_key_and_a_tag_of_its_own():
    op_ids = [bytes([number]) * 16 for number in range(50)]
    assert len({control_key(op_id) for op_id in op_ids}) == len({op_tag(op_id) for op_id in op_ids}) == 50
    assert {len(control_key(op_id)) for op_id in op_ids} == {32}
    assert {len(op_tag(op_id)) for op_id in op_ids} == {16}


def test_the_tag_tells_nothing_of_the_key():
    op_id = bytes(range(16))
    assert op_tag(op_id) not in control_key(op_id)
    assert op_id not in (op_tag(op_id), control_key(op_id)[:16])
