"""The cost model: by hand, and by finding its own parameters again."""

import pytest

from course_lib.distributed.cost import (
    LINKS,
    Link,
    fit_link,
    memory_per_device,
    naive_seconds,
    ring_seconds,
    step_time,
    traffic_per_step,
)

SLOW = Link(alpha=1.0, beta=10.0)


def test_times_by_hand():
    assert SLOW.seconds(20.0) == pytest.approx(3.0)
    assert ring_seconds(40.0, 4, SLOW) == pytest.approx(6 * (1 + 1))
    assert naive_seconds(40.0, 4, SLOW) == pytest.approx(6 * (1 + 4))
    assert ring_seconds(40.0, 1, SLOW) == 0


def test_ring_hardly_slows_with_ranks_where_bandwidth_rules():
    link = LINKS["NVLink 4 (H100)"]
    assert ring_seconds(1e10, 64, link) / ring_seconds(1e10, 8, link) < 1.2
    assert naive_seconds(1e10, 64, link) / naive_seconds(1e10, 8, link) > 8


def test_link_is_found_again_from_its_times():
    link = Link(alpha=40e-6, beta=2e9)
    points = [(n, p) for n in (1e3, 1e5, 1e7) for p in (2, 4)]
    times = [ring_seconds(n, p, link) for n, p in points]
    found = fit_link(*zip(*points, strict=True), times)
    assert found.alpha == pytest.approx(link.alpha, rel=1e-6)
    assert found.beta == pytest.approx(link.beta, rel=1e-6)


def test_memory_by_hand():
    # Rajbhandari et al. 2020, figure 1: 7.5B parameters on 64 devices: 120, 31.4, 16.6, 1.9 GB.
    got = [memory_per_device(7.5e9, 64, s) / 1e9 for s in ("ddp", "zero1", "zero2", "zero3")]
    assert got == pytest.approx([120, 31.4, 16.6, 1.9], abs=0.05)


def test_traffic_and_step():
    assert traffic_per_step(100.0, 4, "ddp") == traffic_per_step(100.0, 4, "zero2") == 300
    assert traffic_per_step(100.0, 4, "zero3") == 450
    step = step_time(1e9, 1e6, 8, Link(alpha=0.0, beta=1e9), 1e14)
    assert step.compute == pytest.approx(7.5)
    assert step.traffic == pytest.approx(3.5)
    assert step.in_turn == pytest.approx(11.0) and step.overlapped == pytest.approx(7.5)


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match="stage='zero4'"):
        memory_per_device(1.0, 2, "zero4")
    with pytest.raises(ValueError, match="stage='fsdp'"):
        traffic_per_step(1.0, 2, "fsdp")
    with pytest.raises(ValueError, match="measure larger messages"):
        fit_link([1.0, 2.0], [2, 2], [1.0, 1.0])
    with pytest.raises(ValueError, match="1 times"):
        fit_link([1.0], [2], [1.0])
