"""Programs on which composit once parted from numpy, found by the random ones: each is kept as it was reported."""

import pytest

from tests.properties.side_by_side import LOOKS, difference, report

PROGRAMS = {
    "arrays of axes and of lengths give views": """
        a = xp.arange(12.0).reshape((3, 4))
        b = a.transpose(xp.array([1, 0]))
        c = xp.permute_dims(a, xp.array([1, 0]))
        d = xp.expand_dims(a, xp.array(0))
        e = xp.broadcast_to(a, xp.array([2, 3, 4]))
        f = xp.flip(a, xp.array(0))
        g = a.reshape(xp.array([2, 6]))
        a[1] = -1.0
        b[0] = 7.0
        d[0, 2] = 8.0
    """,
    "a function that gives back what it was given": """
        a = xp.arange(4.0)
        b = xp.asarray_chkfinite(a)
        b[1] = 9.0
        a[2] = 8.0
    """,
    "the axis of squeeze is a number or a tuple": """
        a = xp.ones((1, 2))
        b = xp.squeeze(a, [0])
    """,
    "writing through an empty view": """
        a = xp.arange(24.0).reshape((2, 3, 4), order='F')
        b = a[:-3]
        b += b * 2
    """,
    "windows show what is written": """
        a = xp.array(np.array([9, 5, -3, -5]).reshape((4, 1)), 'complex128', order='F')
        b = xp.moveaxis(a, -2, 0)
        c = xp.lib.stride_tricks.sliding_window_view(b, 2, axis=-2)
        a.fill(-2)
    """,
    "a reshape that copies takes its views along": """
        a = xp.array(np.array([-7, 4, 0, 3, -7, 0]).reshape((2, 3)), 'int64', order='F')
        b = a.reshape((1, 6, -1))
        c = b[:]
        c.reshape(-1)[::2] = 1
    """,
    "and the views of these": """
        a = xp.array(np.array([-6, -9, 2, 1, 1, -1]).reshape((2, 3)), 'complex128', order='F')
        b = xp.ravel(a)
        c = b[:]
        d = xp.lib.stride_tricks.sliding_window_view(c, 2, axis=0)
        e = xp.multiply(b, 2j, out=b, where=b > 0)
    """,
    "a view that is listed twice and is none": """
        a = xp.zeros((2, 3, 4), 'int64', order='F')
        b = a.real
        c = b.ravel('C')
        a *= True
    """,
    "a strided row is copied by ravel": """
        a = xp.array(np.array([-3, 7, 4, -3, -6, 1]).reshape((2, 3)), 'float32', order='F')
        for b in a: b[...] = 1
        c = b.ravel('F')
        c *= -2
    """,
    "ravel in memory order is a view of permuted axes": """
        a = xp.arange(16).reshape((2, 2, 2, 2))
        b = a.swapaxes(2, 3)
        c = b.ravel('K')
        c[0] = 99
    """,
    "repeated axes stay where they are in memory order": """
        a = xp.array(np.array([-7, -6, 1, 2, 9, -5]).reshape((2, 3)).T, 'int64').T
        b = xp.broadcast_to(a, (2, 2, 3))
        c = b.flatten('K')
    """,
    "a copy of repeated elements may be written to": """
        a = xp.arange(24).reshape((2, 3, 4))
        b = xp.broadcast_to(a, (2, 2, 3, 4)).ravel('K')
        b *= 2
        b *= 0.5
    """,
    "an in-place operator keeps the order in memory": """
        a = xp.array(np.arange(6).reshape((2, 1, 3)), 'float64')
        b = xp.require(xp.zeros((2, 1, 3), 'complex128'), requirements='F')
        b += a * 2
        c = +b
        c.reshape(-1)[::2] = 0.5
        d = b.ravel('K')
    """,
    "a matrix product in place, too": """
        a = xp.arange(9.0).reshape((3, 3), order='F')
        b = xp.sort(a)
        b @= b
        c = b.flatten('K')
    """,
    "parts of complex numbers without axes are arrays": """
        a = xp.zeros((), 'complex64', order='C')
        b = xp.real(a)
        b[...] = 2
        c = a.imag
    """,
    "an array of a scalar is one of its own": """
        a = xp.array(np.array([0]).reshape(()), 'float64')
        b = a[()]
        c = xp.atleast_2d(b)
        for d in c: d += 1
        e = b[...]
        e.fill(3)
    """,
    "a scalar shown several times is read-only": """
        a = xp.arange(3)[1]
        b = xp.broadcast_to(a, (2,))
        b[0] = 1
    """,
    "one element is no list": """
        a = xp.arange(9)
        a[0] = [-9]
        a[xp.asarray(0)] = [-9]
    """,
    "a scalar is no place for results": """
        a = xp.zeros((6,), 'float32')[-2]
        xp.clip(a, 0, 2, out=a)
        a.round(out=a)
        xp.add(a, 1, out=a)
    """,
    "a scalar in place is bound anew, with the operator's errors": """
        a = xp.ravel(xp.array(np.array([-2]).reshape((1,)), 'float32', order='F'))
        a[-1] |= a
        a[-1] += 2
    """,
    "a list times a scalar is Python's": """
        a = xp.arange(4)
        b = len(a[2] * [1, 2])
        c = a.astype(float)
        c[-2] *= [-4]
    """,
    "a number of numpy's is not iterable": """
        a = xp.array(np.array([1]).reshape((1,)).T, 'complex128').T
        b = list(a)[0]
        c = list(b)[1]
        d = len(b)
    """,
    "the real part is cast from complex numbers": """
        a = xp.array(np.array([3]), 'complex128')
        a.real = 2j
        b = xp.array(np.array([]).reshape((0, 3)), 'int64', order='F')
        b.real = 2j
    """,
    "putmask and place cast safely": """
        a = xp.array(np.array([-7, 2, -3, 0]), 'bool')
        xp.putmask(a, a > 0, a + 1)
        xp.place(a, a, a[:1] + 0)
        xp.place(a, a, [2])
    """,
    "flat of what is read-only": """
        a = xp.lib.stride_tricks.sliding_window_view(xp.arange(9.0).reshape((3, 3)), 2, axis=-1)
        a.flat[4::2] = -1.5
        b = xp.array(8).imag
        b.flat[[0]] = 5
    """,
    "flat of a scalar is of no use": """
        a = xp.arange(3)[2]
        a.flat[:-3:-2] = 5
        a.flat[0] = 7
    """,
    "the root of complex numbers": """
        a = xp.array([[1 + 2j, -3], [0.5j, -9]], 'complex64')
        b = a ** 0.5
        c = a[0]
        a **= 0.5
        d = a[0, 0]
        d **= 0.5
    """,
    "a mask of all axes takes values of one": """
        a = xp.zeros((4, 1), 'complex128', order='F')
        a[np.ones((4, 1), bool)] = a.T + 0
        a[:, 0] = 1
    """,
    "einsum shows a diagonal to write to": """
        a = xp.arange(24.0).reshape((2, 3, 4))[:, :, 1:]
        b = xp.einsum('kii->ik', a)
        b += 100
        xp.einsum('ii->i', a[1])[1:] = xp.einsum('ii->i', a[0])[:2]
        c = xp.diagonal(a, 0, 1, 2)
        c[0] = 1
    """,
    "a reshape that is asked to copy shares nothing": """
        a = xp.asfortranarray(np.arange(6.0).reshape((2, 3)))
        b = xp.reshape(a, (3, 2), order='F', copy=True)
        b[0] = 9
    """,
    "a reshape that must not copy is a view": """
        a = xp.asfortranarray(np.arange(6.0).reshape((2, 3)))
        b = xp.reshape(a, (3, 2), order='F', copy=False)
        b[0] = 9
    """,
    "or an error": """
        a = xp.arange(6.0).reshape((2, 3))
        b = xp.reshape(a, (3, 2), order='F', copy=False)
    """,
    "of a view, too": """
        a = xp.arange(6.0).reshape((2, 3))
        b = a.T.reshape(-1, copy=False)
    """,
    "a cast that changes nothing keeps the order asked for": """
        a = xp.arange(6.0).reshape((2, 3))
        b = a.astype('f8', order='F', copy=False)
        b[0] = 9
        c = a.astype('f8', order='C', copy=False)
        c[1] = 8
    """,
    "a list of scalars becomes integers one by one": """
        a = xp.asarray([1.5, 300.0])
        b = xp.array([a.max(), 1], dtype='i2')
        c = xp.array([[a.min(), a.max()], [2.9, 3]], dtype='i4')
        d = xp.array([a.max(), 1], dtype='i1')
    """,
    "and what is no number is no integer": """
        a = xp.asarray([1.5, np.nan])
        b = xp.array([a.max(), 1], dtype='i4')
    """,
    "days count in days": """
        a = xp.array(3, 'm8[D]')
        b = xp.arange(a)
        c = xp.arange(a, a + 2)
        d = xp.arange(xp.array('2020-01-01', 'M8[D]'), xp.array('2020-01-05', 'M8[D]'), a - 1)
        e = xp.arange(xp.array(3, 'u8'))
    """,
    "arange by name has to be told where to stop": """
        a = xp.arange(start=4)
    """,
    "records are packed when they are joined": """
        a = xp.ones(3, np.dtype({'names': ['x'], 'formats': ['i4'], 'offsets': [8]}))
        b = xp.concatenate([a, a])
    """,
    "a class of dtypes is given an instance that suits": """
        a = xp.array(['12', '3'], dtype=object)
        b = xp.array(a, dtype=np.dtypes.StrDType)
        c = xp.add([1, 2], 1, dtype=np.dtypes.Float32DType)
    """,
    "a list of long numbers keeps their last bits": """
        a = xp.nextafter(xp.longdouble(0.1), xp.longdouble(1))
        b = xp.fmax([xp.longdouble(0.1)], [a])
        c = xp.add([[a, 1], [xp.float32(3), a]], 0)
    """,
    "vectors lie along an axis that is an integer": """
        a = xp.ones((3, 3))
        b = xp.vecdot(a, a, axis=[0])
    """,
    "joined arrays and elements have the machine's byte order": """
        a = xp.array(np.arange(6.0).reshape(2, 3), '>f8')
        b = xp.concatenate([a, a])
        c = a[0, 1]
        d = xp.roll(a, 1)
        e = xp.insert(a, 1, 5, axis=1)
        f = xp.append(a, a)
    """,
    "an element that only Python can hold": """
        a = xp.array([2**100, 3], dtype=object)
        b = int(a[0]) // 2**90
        c = [int(d) % 7 for d in a * 2]
        a[1] = a[0] + 1
    """,
    "an object that is taken is the object": """
        a = xp.array([2, 'x', None, 2**100], dtype=object)
        b = xp.take(a, 0)
        c = a.take(1) + 'y'
        d = int(xp.take(a, -1)) // 2**90
        e = xp.take(a, [0, 2])
        f = xp.take(xp.array(-4, dtype=object), 0, mode='clip')
    """,
    "the square of truth values": """
        a = xp.array([True, False])
        b = a ** 2
        c = xp.power(a, 2)
        a **= 2
    """,
    "zeros that are clipped keep their signs": """
        a = xp.array([-0.0, 0.0, 1, xp.nan, -xp.inf], 'float32')
        b = a.clip(0, 2)
        c = a.clip(-0.0, 0.0)
        d = a.clip(xp.nan, 1)
    """,
    "means and variances in dtypes that are no floats": """
        a = xp.arange(6.0).reshape(2, 3)
        b = [a.std(dtype=int), xp.var(a, 1, dtype=bool), a.std(dtype=bool)]
        e = xp.std(a, 0, int)
        c = [xp.mean(a, dtype=object), xp.var(a, 0, dtype=object), a.std(dtype=object)]
        d = [xp.mean(a, 0, dtype=int), a.mean(dtype=bool)]
    """,
    "the methods any and all have a dtype": """
        a = xp.array([[0.0, 2.0], [3.0, 4.0]])
        b = [a.any(dtype=object), a.all(0, object), a.any(0, None, None, True), a.all(0, bool)]
        c = xp.zeros(2, bool)
        d = a.all(0, None, c)
        e = a.any(1, out=c, where=xp.array([True, False]))
        f = a.any(0, c)
    """,
    "a byte order that stays, and one that does not": """
        a = xp.array(np.arange(6).reshape(2, 3), '>i4')
        b = [xp.diag(a[0]), xp.diagflat(a), xp.diag(a), xp.tril(a)]
        c = [xp.resize(a, (2, 2)), xp.resize(a[:0], (2, 2)), xp.resize(xp.array(a[0], '>f8'), 4)]
        d = xp.gradient(xp.array(a, '>f8'))
        e = xp.nan_to_num(xp.array([1, xp.nan, xp.inf], '>f8'))
        f = xp.nan_to_num(xp.array([1, xp.nan], '>c16'))
        g = [xp.nan_to_num(xp.array([1, xp.nan], '>f4')[1]), xp.nan_to_num(a)]
    """,
    "what replaces NaN takes the dtype of the elements": """
        a = xp.array([1, xp.nan, xp.inf, -xp.inf], 'float32')
        b = xp.nan_to_num(a, nan=xp.float64(3))
        c = xp.nan_to_num(a, nan=xp.arange(4.0), posinf=xp.float64(1e300))
        d = xp.nan_to_num(a, nan=xp.array([1, 2, 3, 4]))
        e = xp.nan_to_num(a, neginf=1j)
    """,
    "an index out of bounds leaves the array as it was": """
        a = xp.arange(4) * 2
        a[a] = 1
        a[0] = 5
    """,
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_once_failed_gives_numpys_values(name: str, look: str) -> None:
    program = [line.strip() for line in PROGRAMS[name].strip().splitlines()]
    assert difference(program, look) is None, report(program, look)
