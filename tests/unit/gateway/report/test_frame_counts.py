from __future__ import annotations

from gateway.report.frame_counts import FrameCounts
from gateway.report.role_status import ComponentStatus


def frame(seq: int, sysid: int = 1, compid: int = 1) -> bytes:
    return bytes([0xFD, 0, 0, 0, seq & 0xFF, sysid, compid, 0, 0, 0, 0, 0])


def test_loss_is_counted_for_each_component():
    table = FrameCounts()
    table.count([frame(seq) for seq in (250, 251, 254, 255, 0, 1)])
    table.count([frame(seq, compid=2) for seq in (7, 8)])
    assert table.status() == {
        "1/1": ComponentStatus(frames=6, rx_lost_est=2, lost_aboard=2),
        "1/2": ComponentStatus(frames=2, rx_lost_est=0),
    }


def test_a_forger_of_ids_fills_no_memory():
    table = FrameCounts()
    table.count([frame(0, sysid, compid) for sysid in range(256) for compid in range(3)])
    assert len(table.rows) == 256


def test_a_frame_out_of_order_is_no_loss():
    table = FrameCounts()
    table.count([frame(seq) for seq in (1, 3, 2, 4)])
    assert (table.rows[1, 1].frames, table.rows[1, 1].lost) == (4, 1)


def test_what_was_missing_aboard_is_told_from_what_the_link_lost():
    table = FrameCounts()
    table.count([frame(seq) for seq in (1, 2, 4)])
    table.count([frame(seq, compid=2) for seq in (1, 2)])
    table.count([frame(8), frame(10)], after_gap=True)
    table.count([frame(4, compid=2), frame(6, compid=2)])
    assert table.status() == {
        "1/1": ComponentStatus(frames=5, rx_lost_est=5, lost_aboard=2),
        "1/2": ComponentStatus(frames=4, rx_lost_est=2, lost_aboard=1),
    }
