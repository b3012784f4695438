"""Where a model should run: every figure worked out by hand, units included."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewright.advice.figures import Figures, known_figures, parse_needs, radios
from edgewright.advice.placement import choose, days, placement_flips, places, sent
from placement_example import setting, with_figure


def test_what_is_sent() -> None:
    # 100 answers of 10 B with 10 B of header each.
    assert sent("device", setting()) == (2000.0, 100.0)
    # 80,000 B fill 800 messages of 100 B, but 1,000 answers need a message each.
    assert sent("gateway", setting()) == (80_000.0 + 1000 * 10, 1000.0)
    assert sent("server", setting(raw=1_000_000.0)) == (1_000_000.0 + 10_000 * 10, 10_000.0)


def test_energy_of_the_device_in_joules_a_day() -> None:
    device, gateway, server = places(setting(), ())
    assert device.radio_j_day == pytest.approx(2000 * 8 * 1e-6 + 100 * 1e-3)
    assert device.compute_j_day == pytest.approx(1000 * 0.01 * 0.1)
    assert device.sleep_j_day == pytest.approx((86_400 - 10) * 1e-5)
    assert device.energy_j_day == pytest.approx(0.116 + 1.0 + 0.8639)
    assert device.battery_days == pytest.approx(1000 / 1.9799)
    assert gateway.compute_j_day == 0.0
    assert gateway.sleep_j_day == pytest.approx(0.864)
    assert gateway.radio_j_day == pytest.approx(90_000 * 8e-6 + 1.0) == server.radio_j_day
    assert [gateway.elsewhere_j_day, server.elsewhere_j_day] == pytest.approx([5.0, 10.0])


def test_latency_silence_and_what_leaves() -> None:
    device, gateway, server = places(setting(), ())
    assert [p.latency_s for p in (device, gateway, server)] == pytest.approx([0.01, 0.101, 0.5001])
    assert [p.silent_hours_day for p in (device, gateway, server)] == [0.0, 0.5, 1.5]
    assert device.leaves == "answers"
    assert server.leaves == "every reading of light, sound"


def test_price_in_dollars_a_year() -> None:
    device, gateway, server = places(setting(), ())
    cells = 365.25 * 2.0 / 1000
    assert device.cost_year == pytest.approx(1.9799 * cells + 2000 * 365.25 * 5e-9)
    # A tenth of 100 USD in 5 years, and of 1 W the year round at .36 USD a kWh; it sends on what a device would.
    share = (20.0 + 1.0 * 86_400 * 365.25 / 3.6e6 * 0.36) / 10
    assert gateway.cost_year == pytest.approx(gateway.energy_j_day * cells + share + 2000 * 365.25 * 5e-9)
    assert server.cost_year == pytest.approx(
        server.energy_j_day * cells + 90_000 * 365.25 * 5e-9 + 1000 * 365.25 / 1e6 * 10
    )
    mains = places(setting(battery=False), ())[0]
    assert mains.cost_year == pytest.approx(1.9799 * 365.25 / 3.6e6 * 0.36 + 2000 * 365.25 * 5e-9)


def test_needs_are_missed_by_how_much() -> None:
    needs = parse_needs("latency=5ms,offline,privacy,battery=2y,bandwidth=1kB/day,price=1USD/y")
    device, gateway, server = places(setting(), needs)
    assert "latency=5ms: 10 ms, too much by 5 ms" in device.misses
    assert any(miss.startswith("battery=2y: 505 days, too short by 225 days") for miss in device.misses)
    assert "bandwidth=1kB/day: 2 kB/day, too much by 1 kB/day" in device.misses
    assert not any("offline" in miss or "privacy" in miss for miss in device.misses)
    assert not any("offline" in miss for miss in gateway.misses)
    assert any(miss.startswith("offline") for miss in server.misses)
    assert any(miss.startswith("privacy") for miss in gateway.misses)
    best, why = choose((device, gateway, server))
    assert best.name == "device"
    assert why.startswith("no place meets every need; the device comes nearest: latency=5ms")


def test_a_need_that_depends_on_an_unknown_time_is_not_met() -> None:
    known = setting()
    works = {name: replace(work, latency_s=0.0, known=False) for name, work in known.works.items()}
    needs = parse_needs("latency=2s,battery=1d,price=99USD/y,offline")
    assert not any(placement.misses for placement in places(known, needs)[:2])
    device, gateway, _ = places(replace(known, works=works), needs)
    assert [miss.split(":")[0] for miss in device.misses] == ["latency=2s", "battery=1d", "price=99USD/y"]
    assert [miss.split(":")[0] for miss in gateway.misses] == ["latency=2s"]
    assert all("unknown" in miss for miss in (*device.misses, *gateway.misses))
    # What is missed even without any computing is missed by how much, and offline depends on no time.
    (slow,) = places(replace(known, works=works), parse_needs("latency=50ms"))[1].misses
    assert slow == "latency=50ms: 100 ms, too much by 50 ms"
    # One unconfirmed need is nearer to being met than one that is missed.
    partly = replace(known, works={**known.works, "device": works["device"]})
    best, why = choose(places(partly, parse_needs("latency=50ms")))
    assert (best.name, "unknown" in why) == ("device", True)
    assert not any("need" in flip.when for flip in placement_flips(partly, (), best))


def test_the_cheapest_that_can_is_advised_with_its_margin() -> None:
    best, why = choose(places(setting(), ()))
    assert best.name == "device"
    # 2.584 J of cells, a share of 2.32 USD of the gateway and a third of a cent of data.
    assert why == (
        "it meets every need at the lowest cost: 1.4 USD per device and year; the gateway costs 4.2 USD, "
        "2.9 times as much"
    )
    slow = setting(cell_price=20.0)
    slow.works["device"] = type(slow.works["device"])("d", 2.0, 0.5)
    assert choose(places(slow, ()))[0].name != "device"


def test_a_place_that_cannot_hold_it_is_none() -> None:
    tight = setting()
    tight.cannot["device"] = "an encoder needs at least 11 MB of memory; d has 197 kB"
    best, why = choose(places(tight, parse_needs("offline")))
    assert best.name == "gateway"
    assert "an encoder needs at least 11 MB" in why


def test_what_would_change_the_place_does() -> None:
    here = setting(told_day=1000.0, cell_price=10.0)
    best, _ = choose(places(here, ()))
    flips = placement_flips(here, (), best)
    assert flips[0].when == "if latency must be below 10 ms"
    assert "no place meets it" in flips[0].then
    figures = [flip for flip in flips if "(now " in flip.when]
    assert figures
    name, _, rest = figures[0].when.removeprefix("if ").partition(" is ")
    side, limit = rest.split()[:2]
    value = float(limit) * (1.02 if side == "above" else 0.98)
    assert choose(places(with_figure(here, name, value), ()))[0].name != best.name
    back = float(limit) * (0.98 if side == "above" else 1.02)
    assert choose(places(with_figure(here, name, back), ()))[0].name == best.name


def test_every_figure_has_a_source_and_a_unit() -> None:
    for radio in radios():
        for name, figure in known_figures(radio).items():
            assert figure.value > 0, name
            assert figure.source.split(":")[0].split()[0] in {"assumption", "derived", "published", "profile"}, name
            assert figure.unit
    assert {p.name: p.given for p in Figures("ble", {"cell": 3.0}).parameters()}["cell"]
    assert Figures("ble")["radio_most"] == float("inf")
    assert Figures("lorawan")["radio_most"] == 590_000


def test_a_cell_lasts_hours_days_or_years() -> None:
    assert [days(value) for value in (0.5, 40.0, 1461.0, 1e5)] == [
        "12.0 hours", "40 days", "4.0 years", "more than 20 years"
    ]  # fmt: skip
