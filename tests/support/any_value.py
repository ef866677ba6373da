"""Values of every kind for hypothesis, with a user's own classes among them."""

import array
import collections
import dataclasses
import enum

import pydantic
from hypothesis import strategies as st


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Order:
    number: int
    api_key: str = "x"
    inner: object = dataclasses.field(default=None, repr=False)


class Model(pydantic.BaseModel):
    id: str | None = None
    items: list[int] = []
    metadata: dict[str, str] = {}
    content: str = ""
    password: str = "p"


leaves = st.one_of(
    *(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.datetimes(),
        st.uuids(),
        st.decimals(),
    ),
    *(
        st.complex_numbers(),
        st.just(object()),
        st.just(Colour.RED),
        st.just(array.array("i", [1])),
        st.builds(Order, st.integers()),
    ),
    *(st.builds(Model, content=st.text()), st.integers(10**50, 10**60).map(lambda power: 1 << (power % 20_000))),
)


anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        *(
            st.lists(inner),
            st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), inner),
            st.tuples(inner, inner),
        ),
        *(st.lists(inner).map(collections.deque), st.frozensets(st.integers()), st.builds(Order, inner)),
    ),
)
