"""Where composit.numpy differs from numpy, each with its reason: the section of docs/numpy.md that is written by hand."""

DIFFERENCES: tuple[tuple[str, str], ...] = (
    (
        "Errors and warnings that depend on values come at evaluation, with the line that built the node in a note",
        "nothing is computed at the call; inside `strict()` everything is, and inside a `try` what can raise by value",
    ),
    (
        "Filters of `warnings` are those in force at evaluation; `errstate` is that of the call",
        "numpy's error state is carried with the node, Python's list of filters is not a value",
    ),
    (
        "`type(x)` is a class of ours, and its name says what to call first; `isinstance(x.sum(), np.floating)` is numpy's",
        "errors of other libraries show the name of the class; an instance of numpy's own class holds its value",
    ),
    (
        "C code that wants Python's float (`json.dumps`, `timedelta`, `time.sleep`, `Decimal`) is given `float(x.mean())`",
        "numpy's float64 is a float of Python's, which holds its value",
    ),
    (
        "A truth value is no singleton: `x.all() is np.True_` is false; `==` and `if` are numpy's",
        "a lazy one is still to be computed, and is one of many nodes",
    ),
    (
        "`datetime64(x)` and `timedelta64(x)` do not take a tensor; `x.astype('M8[s]')` does, and `evaluate(x)` gives one",
        "these classes are numpy's own and take numpy's own arrays only",
    ),
    (
        "`__array_wrap__` is asked of subclasses of ndarray only, not of other objects that have an `__array__`",
        "the result is a tensor and lazy; a class that wants a say in it has `__array_ufunc__`",
    ),
    (
        "An unpickled universal function is composit's if composit's was pickled, numpy's if numpy's was",
        "pickles name the module that holds the object",
    ),
    (
        "`repr` of an array that is not computed yet names its type and operation; of a scalar and of a known array it is numpy's",
        "looking at a graph does not compute it; `str` and `format` do, and are numpy's",
    ),
    (
        "Memory cannot be observed: `data`, `ctypes` and buffers show the value of now; there is no `__array_interface__`",
        "a tensor has no memory of its own; its value may be shared by nodes",
    ),
    (
        "A function that numpy computes from real values gets read-only arrays",
        "values of nodes never change; functions known to write get copies, and their tensors move on",
    ),
    (
        "`asmatrix(x)`, `ma.array(x)`, `rec.array(x)`, `char.asarray(x)` of a tensor hold a copy; so does `m.A` of a matrix",
        "these classes are numpy's own and need memory that they can write to",
    ),
    (
        "Coefficients of `poly1d`, `Polynomial` and its kin are arrays of numpy's; values at points and roots are tensors",
        "numpy's classes trim, compare and print their coefficients",
    ),
    (
        "numpy.ma, core, ctypeslib, f2py, typing are numpy's own modules; `import composit.numpy.ma` gives them",
        "masked arrays are a class of numpy's, which takes tensors",
    ),
    (
        "Subclasses of ndarray are numpy's own, and give results of their class",
        "numpy's rules for subclasses ask them, and they know real arrays only",
    ),
    (
        "A write through `x[i]` reads a lazy integer `i`: `x[i] += v` for rows; evaluated with another `i`, a GuardError says so",
        "numpy's `x[i]` is a view, and where it lies depends on `i`; `x[i]` that is only read stays lazy",
    ),
    (
        "Random numbers are drawn when the call is made",
        "they are numpy's numbers, and the same at each evaluation",
    ),
    (
        "A loop that adds drawn numbers to an array holds all that it drew, while the array is not made anew from its value",
        "they are constants of the graph; `x = asarray(x.to_numpy())` ends the history, and memory stays what numpy's is",
    ),
    (
        "`empty` gives zeros",
        "a value that nothing determines could not be the same at each evaluation",
    ),
    (
        "`frompyfunc`, `vectorize`, `apply_along_axis`, `piecewise` call Python's function with real values, at the call",
        "what it does with them is not known",
    ),
    (
        "numpy's own classes refuse `composit.numpy.ndarray` as a type, as in `np.ma.array(x).view(ndarray)`",
        "a tensor is no subclass of numpy's ndarray; our subclasses of it take it for numpy's",
    ),
    (
        "Arrays are hashable, by identity, and so are floats that were computed: `{x.sum(): ...}` is looked up by the tensor",
        "tensors key the dictionary that `chain_rule` takes, and a hash by value would compute a loss before its gradient",
    ),
    (
        "Code that wants numpy's own ndarray (PIL, `torch.from_numpy`, numba) is given `x.to_numpy()` or `np.asarray(x)`",
        "a tensor holds no memory; functions that convert what they are given take it as it is",
    ),
    (
        "`np.asarray(x)` of numpy's is read-only, and so is what scipy's `output=x` is given; `np.array(x)` is a copy",
        "what others write to memory that a tensor handed out would not reach it",
    ),
    (
        "Truth values and dates in rows make columns of objects in pandas; numbers make columns of numbers",
        "pandas looks for numpy's own classes of these in memory",
    ),
    (
        "`memoryview(x)`, `bytes(x)` and hashlib take a tensor from Python 3.12 on; before, write `np.asarray(x)` of numpy's",
        "earlier versions let only C code offer a buffer",
    ),
    (
        "`asarray` of a writable array of numpy's holds a copy; `copy=False` shares",
        "a graph whose inputs change behind its back would have no value of its own",
    ),
    (
        "`operator.concat(x, y)` adds; numpy raises a TypeError that names concatenate",
        "Python takes it for `x + y` where both have `__getitem__` and the class is not written in C",
    ),
    (
        "Where the value overlaps what is written (`x[mask] = x[::-1]`, `ufunc.at`, `stack(..., out=)`), it is read first",
        "a write is a function of the old value; numpy reads some of the places after it has written them",
    ),
    (
        "A write that raises leaves the array as it was",
        "numpy leaves it half written",
    ),
    (
        "`einsum` of more than 16,384 products with `optimize=False` goes through matrix products: other last bits",
        "sums of that length are computed many times faster by matrix products",
    ),
)
