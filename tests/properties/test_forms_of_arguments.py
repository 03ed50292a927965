"""Programs whose arguments come in unusual but legal forms, and what numpy says of those that are not, found side by side."""

import numpy.lib.recfunctions  # noqa: F401  # numpy's own namespace has it from then on
import pytest

from tests.properties.side_by_side import LOOKS, difference, report

PROGRAMS = {
    "an index that is computed shows a view": """
        a = xp.arange(24.0).reshape((2, 3, 4))
        b = a.sum((1, 2)).argmax()
        c = a[b]
        c[0] = 5.0
        d = a[0, :, a[0, 0].argmax()]
        d[:] = 9.0
        e = a[..., b]
        a[1, 2] = -1.0
        e[1] = 4.0
        f = c[1:, b]
        f += 1
        g = c.reshape((4, 3))
        g[0] = 8.0
    """,
    "an element that is computed is chosen in place": """
        a = xp.arange(12.0).reshape((3, 4))
        b = a.sum(1).argmax()
        a[b][1] = 77.0
        a[b][:2] += 1
        a[b] += xp.array([1.0, 2.0, 3.0, 4.0])
        a[b, 1:][::2] *= 2
        c = a[0][..., b]
        c[()] = 6.0
        d = a[0][..., xp.array(1)]
        d[...] = 7.0
    """,
    "an array of rank 0 as an index makes a copy": """
        a = xp.arange(12.0).reshape((3, 4))
        b = a[xp.array(2)]
        b[0] = 5.0
        a[2] = 6.0
    """,
    "one element of a flat iterator over repeated elements": """
        a = xp.arange(4.0)
        b = xp.broadcast_arrays(a, xp.ones((2, 1)))[0]
        b.flat[1] = -3
        b.flat[-1] = -4
        c = xp.broadcast_arrays(xp.arange(4), xp.ones((2, 1)))[0]
        c.flat[1] = -3
    """,
    "a function of all memory shows it whatever the axes": """
        a = xp.arange(24.0).reshape((2, 3, 4)).copy()
        b = xp.frombuffer(a)
        b[3] = 7.0
        a[1, 2] = 8.0
        c = a[0, 0, ::2].ravel('K')
        c[0] = 9.0
    """,
    "counts, shifts and starts that are no integers": """
        a = xp.arange(3)
        b = xp.repeat(a, True)
        c = xp.tile(a, xp.array([2, 1]))
        d = xp.rollaxis(xp.ones((2, 3, 4)), 2, 1.0)
        d[0, 0] = 5
        e = xp.roll(xp.eye(3), 1.7, 0)
        f = xp.repeat(a, 2.0)
    """,
    "tiles come in whole numbers": """
        a = xp.tile(xp.arange(3), 2.5)
    """,
    "shifts in two rows": """
        a = xp.roll(xp.eye(3), [[1, 2]], 1)
    """,
    "a transform of no whole length": """
        a = xp.fft.irfft(xp.ones(3), 4.0)
    """,
    "axes of a product that are no integer": """
        a = xp.tensordot(xp.eye(2), xp.eye(2), 1.0)
    """,
    "deviations in integers": """
        a = xp.arange(6.0).reshape((2, 3))
        b = xp.std(a, dtype=int)
        c = xp.std(a, 1, dtype=int)
    """,
    "strides that follow from the shape": """
        a = xp.arange(12.0).reshape((3, 4)).copy()
        b = xp.lib.stride_tricks.as_strided(a, (2, 6))
        c = xp.lib.stride_tricks.as_strided(a, xp.array([4]))
        b[1] = 7.0
        d = xp.lib.stride_tricks.as_strided(a.T, (2, 2))
        d[1] = 5.0
    """,
    "distances with more axes than the values": """
        a = xp.trapezoid(xp.array([0.25, 0.5, 0.75]), xp.array([[0, 1]]))
    """,
    "joining without a cast": """
        a = xp.concatenate((xp.ones(2), xp.ones(2)), casting='no')
        b = xp.stack((xp.ones(2), xp.ones(2, int)), casting='safe')
        c = xp.stack((xp.ones(2), xp.ones(2, int)), casting='equiv')
    """,
    "what numpy's function shows of an operand is a view": """
        a = xp.arange(6.0)
        b, c = xp.array_split(a, 2.5)
        a[...] = 9.0
        b[0] = 4.0
        d = a[::-1]
        e, f = xp.array_split(d, 2.5)
        a[0] = 8.0
        e[1] = 5.0
        g = xp.arange(12.0).reshape((3, 4))[:, ::2].T
        h, i = xp.array_split(g, 2.5)
        g[1] = -1.0
        i[0, 1] = -2.0
        j = xp.frombuffer(a)
        a[3] = 7.0
        j[2] = 6.0
    """,
    "memory shown as another dtype by numpy's function is a view": """
        a = xp.arange(9.0).reshape((3, 3)).copy()
        b = xp.lib.recfunctions.unstructured_to_structured(a)
        c = xp.lib.recfunctions.structured_to_unstructured(b)
        a[0] = 5.0
        c[1] = 7.0
        d = xp.zeros(3, [('f', 'f8'), ('g', 'i4')])
        e = xp.lib.stride_tricks.as_strided(d['g'], (2,), (24,))
        e[1] = 3
        f = xp.lib.stride_tricks.as_strided(a.view('i4'), (2, 2), (8, 4))
        f[1] = 6
        g = xp.array([(1, [2, 3], 9), (4, [5, 6], 9)], dtype=[('x', 'i4'), ('y', 'i4', (2,)), ('z', 'u1')])[::-1]
        h = xp.lib.recfunctions.structured_to_unstructured(g[['x', 'y']])
        h[0] = 7
        g['x'][1] = 8
        i = g['x']
    """,
    "an axis of one element lies in one piece": """
        a = xp.arange(4.0)
        b = a[::-1][:, None].view('uint8')
        b[0] = 1
        a[1] = 7.0
        c = a[::2][:, None].view('int32')
        c[0] = 1
    """,
    "two tensors of one value are told apart by numpy's function": """
        a = xp.arange(3.0)
        b = a.copy()
        c, d, e = xp.atleast_2d(a, b, 'text')
        a[0] = 9.0
        b[1] = 8.0
        c[0, 2] = -1.0
        del e
    """,
    "a view of what is read-only is read-only": """
        a = xp.broadcast_to(xp.arange(4.0), (3, 4))
        b = xp.lib.stride_tricks.as_strided(a, (2, 2))
        c, d = xp.array_split(a, 2.5)
        e = [part.flags.writeable for part in (b, c, d)]
        b[0] = 1.0
    """,
    "what shows elements several times is read-only": """
        a = xp.broadcast_to(3, (2, 3))
        b = xp.diagonal([[1, 2], [3, 4]])
        c = xp.array([part.flags.writeable for part in (a, b)])
        b[0] = 1
    """,
    "writing to what broadcast_arrays shows": """
        a = xp.arange(3.0)
        b, c = xp.broadcast_arrays(a, xp.ones((2, 1)))
        b[0] = [5.0, 6.0, 7.0]
        c[1, 1] = 9.0
        a[0] = -1.0
        b += 1
        d = b.T
        d[1] = 4.0
        e, f = xp.broadcast_arrays([1, 2], 3)
        f[0] = 4
        g, h = xp.meshgrid(a, xp.arange(4.0), copy=False)
        g[...] = 2.0
        h[1, 1] = 3.0
    """,
    "fewer results by place than a universal function has": """
        a = xp.array([5.5, 6.0, 7.0])
        b, c = xp.divmod(a, xp.array([2, 4, 3]), a)
        d, e = xp.frexp(a, a)
    """,
    "one of two results cannot be written": """
        a = xp.ones(3)
        b = xp.broadcast_to(xp.zeros(3), (3,))
        c = a.copy()
        xp.divmod(c * 5, 2, out=(a, b))
    """,
    "an error leaves both results as they were": """
        a = xp.ones(3)
        b = xp.broadcast_to(xp.zeros(3), (3,))
        with np.testing.assert_raises(ValueError): xp.divmod(a * 5, 2, out=(a, b))
    """,
    "arrays and lazy scalars for offsets, orders and decimals": """
        a = xp.arange(12.0).reshape((3, 4))
        b = xp.diagonal(a, xp.array(1))
        c = xp.tril(a, xp.array(1))
        d = xp.triu(a, xp.arange(3)[1])
        e = xp.diagflat(a, np.array(-1))
        f = xp.linalg.norm(a, xp.arange(3)[1])
        g = xp.linalg.cond(a[:, :3] + xp.eye(3), xp.array(2))
        h = xp.round(a / 7, xp.array(2))
        i = xp.trace(a, xp.array(1))
        j = xp.cov(a, bias=None)
        k = xp.eye(2, dtype='S')
        l = xp.is_busday(xp.array(['2020-01-01', '2020-01-04'], 'M8[D]'), out=xp.array([False, True]))
    """,
    "orders in memory by any name": """
        a = xp.array(np.arange(12.0).reshape(3, 4), order='F')
        b = xp.array([part.strides[0] for part in (a.copy(None), a.copy('a'), xp.copy(a, 'c'), a.astype('f4', 'c'))])
        c = a.ravel('f')
        d = a.reshape((4, 3), order='a')
        a[0] = 9.0
        c[1] = 7.0
    """,
    "no order of a reshape": """
        a = xp.reshape(xp.ones((2, 3)), (3, 2), order='K')
    """,
    "axes are kept or not": """
        a = xp.arange(12.0).reshape((3, 4))
        b = xp.sum(a, axis=1, keepdims=1)
        c = xp.nanmax(a, axis=1, keepdims=np.int64(1))
        d = xp.argmax(a, axis=1, keepdims=0)
        e = xp.sum(a, axis=1, keepdims=None)
    """,
    "NaN is replaced by numbers of any kind": """
        a = xp.array([1.0, xp.nan], 'float32')
        b = xp.nan_to_num(a, nan=np.float64(3))
        c = xp.nan_to_num(a, nan=xp.array([[5.0, 6.0]]))
        d = xp.nanmean(a, where=None)
        e = xp.nanpercentile(a, [20, 30], overwrite_input=True, method='weibull')
    """,
    "a shape is no truth value": """
        a = xp.broadcast_to(3, True)
    """,
    "no axis to be put in is an array with axes": """
        a = xp.expand_dims(xp.ones(3), xp.array([0]))
    """,
    "the elements of a tensor are of no dtype": """
        a = xp.arange(3, dtype=xp.array(0))
    """,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_arguments_of_any_form_give_numpys_values(name: str, look: str) -> None:
    program = [line.strip() for line in PROGRAMS[name].strip().splitlines()]
    assert difference(program, look) is None, report(program, look)
