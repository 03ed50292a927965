"""What `mosaic.compile` and a compiled model say to arguments of another form than expected."""

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import OperandError, ParameterError


@pytest.fixture
def x():
    return cnp.with_name(cnp.asarray(np.arange(6, dtype="float32").reshape(2, 3)), "x")


def test_a_single_output_is_written_into_the_array_itself(x):
    out = np.empty((2, 3), "float32")
    result = mosaic.compile(x * 2, inputs=[x])(np.ones((2, 3), "float32"), out=out)
    assert result is out
    np.testing.assert_array_equal(out, np.full((2, 3), 2, "float32"))


def test_several_outputs_are_written_into_a_list(x):
    places = [np.empty((2, 3), "float32"), np.empty((3, 2), "float32")]
    mosaic.compile((x * 2, x.T + 1), inputs=[x])(np.ones((2, 3), "float32"), out=places)
    np.testing.assert_array_equal(places[0], np.full((2, 3), 2, "float32"))
    np.testing.assert_array_equal(places[1], np.full((3, 2), 2, "float32"))


def test_a_model_shows_what_it_takes_and_gives_in_one_line(x):
    text = repr(mosaic.compile(x * 2, inputs=[x], num_threads=1))
    assert text.startswith("<CompiledModel: 1 inputs -> float32[2, 3]; 1 kernels for ")
    assert len(text) < 200


@pytest.mark.parametrize("inputs", ["x", None, 3])
def test_inputs_that_are_no_list_are_refused(x, inputs):
    with pytest.raises(OperandError, match=r"write inputs=\[x\]"):
        mosaic.compile(x * 2, inputs=inputs)


def test_a_tensor_in_place_of_the_list_of_inputs_is_refused(x):
    with pytest.raises(OperandError, match=r"write inputs=\[x\]"):
        mosaic.compile(x * 2, inputs=x)


def test_a_tile_scheme_that_is_no_mapping_is_refused(x):
    with pytest.raises(ParameterError, match="expected a mapping from tensors to a TileLevel"):
        mosaic.compile(x * 2, inputs=[x], tile_scheme="abc")
