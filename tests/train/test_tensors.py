import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import IntegrityError, UsageError
from licet.train.tensors import checkpoint_bytes, mean_state, read_checkpoint, state_digest

FLOATS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=6)


@settings(max_examples=40)
@given(numbers=FLOATS, names=st.permutations(["a", "b", "c"]))
def test_equal_states_have_equal_bytes_whatever_the_order_of_their_names(
    numbers: list[float], names: list[str]
) -> None:
    state = {name: np.array(numbers, np.float32) + n for n, name in enumerate(sorted(names))}
    shuffled = {name: state[name] for name in names}
    saw = {"key": "k", "parent": "p", "seed": "1"}
    written = checkpoint_bytes(state, saw)
    assert checkpoint_bytes(shuffled, dict(reversed(saw.items()))) == written
    back, header = read_checkpoint(written)
    assert state_digest(back) == state_digest(state)
    assert header["key"] == "k"


@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_checkpoint_is_never_read(data: st.DataObject) -> None:
    written = bytearray(checkpoint_bytes({"a": np.arange(6.0)}, {"key": "k"}))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    try:
        state, header = read_checkpoint(bytes(written))
    except IntegrityError:
        return
    # What is left unprotected is the padding and the words around the header, which decide nothing.
    assert state_digest(state) == header["tensors"]


@settings(max_examples=40)
@given(rows=st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_mean_is_summed_in_float64_and_cast_back(rows: list[list[float]]) -> None:
    states = [{"w": np.array(row, np.float32), "n": np.array([7])} for row in rows]
    merged = mean_state(states)
    total = np.zeros(3)
    for row in rows:
        total += np.array(row, np.float32)
    assert merged["w"].dtype == np.float32
    assert np.array_equal(merged["w"], (total / len(rows)).astype(np.float32))
    assert merged["n"][0] == 7


def test_states_that_have_no_mean_are_refused() -> None:
    with pytest.raises(UsageError, match="have no mean"):
        mean_state([{"n": np.array([1])}, {"n": np.array([2])}])
    with pytest.raises(UsageError, match="same tensors"):
        mean_state([{"a": np.ones(1)}, {"b": np.ones(1)}])
    with pytest.raises(UsageError, match="differs in shape"):
        mean_state([{"a": np.ones(1)}, {"a": np.ones(2)}])


def test_a_tensor_without_one_form_is_refused() -> None:
    with pytest.raises(UsageError, match="no one form"):
        state_digest({"a": np.array(["text"])})
