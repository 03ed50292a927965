"""What is outside of the language is refused with its line, and with what to write instead."""

import linecache
import math
from typing import Any

import numpy as np
import pytest

from composit.errors import KernelError
from composit.kernels import register

# The statement, and what the error says. `x` is a float, `n` an int, `t` a tuple of two.
REFUSED = {
    "try:\n        y = x\n    except ValueError:\n        y = x": "test with `if`",
    "raise ValueError": "write `assert",
    "with n:\n        y = x": "do what it does outside",
    "y = lambda z: z": "define a function beside the kernel",
    "def inner(z): return z": "define it beside the kernel",
    "class Inner: pass": "numbers and tuples",
    "yield x": "return a tuple",
    "global other": "changes nothing outside",
    "del x": "leave the name",
    "import math": "import in the module",
    "y = {1: x}": "a dictionary",
    "y = {x}": "a set",
    "y = (i for i in range(3))": "write a list comprehension",
    "y = max(*t)": "write each item",
    "y = (z := x)": "on a line of its own",
    "y = t[0:1]": "index with a number",
    "y = t @ t": "sum of products",
    "y = x is None": "compare with ==",
    "y = x in t": "compare with ==",
    "y = ~n": "write -x - 1",
    "y = 1j": "1j is not in the language",
    "y = 'text'": "'text' is not in the language",
    "y = None": "None is not in the language",
    "for i in range(n):\n        y = x\n    else:\n        y = x": "the `else` of a loop",
    "for i in range(0, 9, n):\n        y = x": "step of a range is 0 or computed",
    "for i in range(x):\n        y = x": "a bound of range is a float",
    "for i in x:\n        y = x": "loop over range",
    "for i in t:\n        break": "a loop over a tuple is left",
    "y = t[n]": "indexed with a number that is computed",
    "y = t[2]": "item 2 of a tuple of 2",
    "y = x[0]": "is a number and was indexed",
    "y = [i for i in range(n)]": "the length of a list is computed",
    "y = [i for i in range(3) if i]": "a comprehension with several loops",
    "y = unknown": "the name `unknown` is not defined",
    "y = math": "is no number",
    "y = print(x)": "is no function of the language",
    "y = math.nextafter(x, x)": "is no function of the language",
    "y = x.real": "write functions of math or numpy",
    "y = math.sin(x, x)": "has 2 arguments",
    "y = math.sin(x=x)": "has keywords",
    "y = n ** n": "write float(base) ** exponent",
    "y = x | n": "convert it with int",
    "y = x and n": "`and` and `or` of numbers",
    "y = t + 1": "where a number is needed",
    "t = x": "use two names",
    "x, y = x, x, x": "give as many names as items",
    "t[0] = x": "assign to names",
    "x.y = x": "assign to names",
    "if x > 0:\n        y = x\n    x = y": "`y` may have no value here",
    "while x > 0:\n        y = x\n    x = y": "`y` may have no value here",
    "return": "nothing is returned",
    "if x > 0:\n        return x, x": "return values of one form",
    "y = (x, x) if x > 0 else x": "give both the same items",
}


def defined(text: str) -> Any:
    file = "<refused>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"math": math, "np": np}
    exec(compile(text, file, "exec"), names)
    return names["kernel"]


def refusal(text: str) -> str:
    """Return the text of the error for a function, "" if it is accepted."""
    try:
        register(defined(text))
    except KernelError as error:
        return str(error)
    return ""


def test_each_construct_that_is_refused_names_its_line_and_what_to_write() -> None:
    for statement, words in REFUSED.items():
        text = f"def kernel(x: float, n: int, t: tuple[float, float]) -> float:\n    {statement}\n    return x + 0.0\n"
        said = refusal(text)
        assert words in said, f"{statement}: {said}"
        assert 'File "<refused>", line ' in said
        assert said.startswith("kernel: ")


def test_parameters_that_are_refused() -> None:
    for parameters, words in {
        "*x": "name each parameter",
        "**x": "name each parameter",
        "*, x": "leave out the `*`",
        "": "without parameters",
        "x: str": "is no form of the language",
        "x: tuple[float, ...]": "write tuple[float, float]",
    }.items():
        with pytest.raises(KernelError, match=words.replace("*", r"\*").replace("[", r"\[")):
            register(defined(f"def kernel({parameters}):\n    return 1.0\n"))


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(KernelError, match="a lambda was given"):
        register(lambda x: x)
    with pytest.raises(KernelError, match="expected a Python function"):
        register(math.sin)
    names: dict[str, Any] = {}
    exec("def kernel(x):\n    return x\n", names)
    with pytest.raises(KernelError, match="the text of kernel is not known"):
        register(names["kernel"])


def test_a_function_without_a_return_on_some_way_is_refused() -> None:
    with pytest.raises(KernelError, match="the end is reached without a return"):
        register(defined("def kernel(x: float) -> float:\n    if x > 0:\n        return x\n"))


def test_numbers_of_closures_and_modules_are_constants() -> None:
    factor, shifts = 3.0, (1, 2)

    @register
    def shifted(x: float) -> float:
        return factor * x + shifts[1] + math.pi

    assert "3.0 * x + 2.0 + 3.14159" in shifted.unit.text


def test_kinds_of_arguments_that_do_not_fit_are_refused() -> None:
    @register
    def needs_int(n: int) -> int:
        return n

    with pytest.raises(KernelError, match="`n` is a int and was given a float"):
        needs_int(np.array([1.5]))
