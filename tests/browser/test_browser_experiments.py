"""Experiments and comparisons in a real browser."""

import pytest
from serving import serving

from infinium_integrations import experiment, runtime

HOSTILE = '<script>alert("x")</script>\u202e<img src="https://example.com/x.png">'


@pytest.fixture
def found():
    def kind(text):
        if text.startswith("question 3"):
            raise LookupError("no such thing " + HOSTILE)
        return f"Kindly: {text} " * 20

    data = [*(f"question {number}, and what else?" for number in range(39)), HOSTILE + "x" * 1_000_000]
    first = experiment(kind, data, name="A kind prompt")
    return first, experiment(str.upper, data, name="A loud prompt " + HOSTILE, repetitions=2)


@pytest.fixture
def address(found):
    with serving(runtime.current().delivery.reader) as address:
        yield address


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "light"), (1440, "dark"), (390, "dark")])
def test_every_view_of_experiments_fits_and_is_accessible(new_tab, address, found, width, scheme):
    first, second = found
    views = {
        "experiments": "/experiments",
        "experiment": f"/experiments/{first.id}",
        "repeated": f"/experiments/{second.id}",
        "groups": f"/compare?e={first.id}&e={second.id}",
        "runs": "/compare?t=" + "&t=".join(row.trace_id for row in first[:3]),
    }
    for name, path in views.items():
        tab = new_tab(address, width=width, scheme=scheme)
        page = tab.go(path)
        assert page.title().endswith("Infinium traces")
        assert tab.accessibility_faults() == [], name
        assert not tab.too_wide(), name
        assert tab.faults == [], name


def test_in_three_clicks_two_experiments_stand_beside_each_other(new_tab, address):
    tab = new_tab(address, width=1440)
    page = tab.go("/experiments")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare").click()
    assert "examples differ" in page.inner_text("main")
    page.get_by_role("link", name="Compare example 3", exact=True).click()
    assert "The runs as a whole" in page.inner_text("main")
    assert tab.faults == []
