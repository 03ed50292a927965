"""What `mosaic.compile` and a compiled model say to arguments of another form than expected."""

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import OperandError, ParameterError
from mosaic.tiling.layout import Layout, TileLevel


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


@pytest.mark.parametrize("tiles", [4, (4, 8), [], Layout(), "ab"])
def test_tiles_of_another_form_are_refused_with_the_form_to_write(x, tiles):
    weight = cnp.ones((3, 4), dtype="float32")
    with pytest.raises(ParameterError, match=r"write TileLevel\(\(768, 64\)\)"):
        mosaic.compile(x @ weight, inputs=[x], tile_scheme={weight: tiles})


@pytest.mark.parametrize("shape", [4, [4, 8], (1.5, 2), ("a",)])
def test_a_tile_that_is_no_shape_is_refused(shape):
    with pytest.raises(ParameterError, match="expected a tuple with one length"):
        TileLevel(shape)


@pytest.mark.parametrize("num_threads", [0, -1, 1.5, "2", True, 2**40])
def test_a_number_of_threads_that_is_none_is_refused(x, num_threads):
    with pytest.raises(ParameterError, match="must be an integer from 1 to 1024"):
        mosaic.compile(x * 2, inputs=[x], num_threads=num_threads)


def test_a_number_of_threads_may_be_numpys(x):
    assert mosaic.compile(x * 2, inputs=[x], num_threads=np.int64(2))(np.ones((2, 3), "float32")).shape == (2, 3)


def test_out_of_another_kind_is_refused_with_its_class(x):
    model = mosaic.compile(x * 2, inputs=[x])
    with pytest.raises(TypeError, match=r"out\[0\] is of type builtins.dict and must be a writable numpy array"):
        model(np.ones((2, 3), "float32"), out={"x": np.ones((2, 3), "float32")})
    with pytest.raises(TypeError, match=r"out\[0\] is of type composit\.\S+ and must"):
        model(np.ones((2, 3), "float32"), out=cnp.ones((2, 3), dtype="float32"))


def test_a_profile_of_no_runs_is_refused(x):
    with pytest.raises(ParameterError, match="expected at least one run"):
        mosaic.compile(x * 2, inputs=[x]).profile(np.ones((2, 3), "float32"), repeat=0)
