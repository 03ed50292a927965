"""Random programs of the language of kernels, as Python text: branches, loops with every exit, calls, recursion, tuples.

All values stay moderate: sums and products go through functions that are bounded or grow slowly. Nothing is divided by a number
that may be 0, so that Python raises nowhere.
"""

from __future__ import annotations

import linecache
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

HEAD = "import math\nimport numpy as np\n"


class ProgramWriter:
    """Writes one program. `floats` and `ints` are the variables that have a value at this point."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.loops = 0
        self.helpers: list[str] = []

    def program(self) -> str:
        """Return the text of a program, whose function is called `kernel`."""
        for number in range(self.random.randint(0, 2)):
            self.helpers.append(self.helper(number))
        body = self.function("kernel", "x: float, y: float, n: int", ["x", "y"], ["n"], self.random.randint(3, 7))
        return HEAD + "\n\n".join([*self.helpers, body]) + "\n"

    def helper(self, number: int) -> str:
        """Return a function that others call; some call themselves."""
        name = f"helper_{number}"
        if self.random.random() < 0.3:
            return (
                f"def {name}(u: float, k: int) -> float:\n    if k <= 0:\n        return {self.float_text(['u'], ['k'], 1)}\n"
                f"    return {self.float_text(['u'], ['k'], 1)} + 0.5 * {name}({self.float_text(['u'], ['k'], 1)}, k - 1)\n"
            )
        return self.function(name, "u: float, k: int", ["u"], ["k"], 2)

    def function(self, name: str, parameters: str, floats: list[str], ints: list[str], size: int) -> str:
        """Return a function of a number of statements."""
        lines = self.block(floats, ints, size, 0, in_loop=False, returns=True)
        lines.append(f"return {self.float_text(floats, ints, 2)}")
        return f"def {name}({parameters}) -> float:\n" + "\n".join("    " + line for line in lines) + "\n"

    def block(
        self, floats: list[str], ints: list[str], size: int, depth: int, in_loop: bool, returns: bool
    ) -> list[str]:
        """Return the lines of a body; variables that it defines are added to the lists."""
        lines: list[str] = []
        for _ in range(size):
            lines += self.statement(floats, ints, depth, in_loop, returns)
        return lines or ["pass"]

    def statement(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        """Return the lines of a statement."""
        kinds = ["assign", "assign", "update", "tuple", "if", "choose", "int"]
        if depth < 2 and self.loops < 4:
            kinds += ["for", "while", "if"]
        if in_loop:
            kinds += ["leave"]
        if returns and depth:
            kinds += ["return"]
        return getattr(self, f"write_{self.random.choice(kinds)}")(floats, ints, depth, in_loop, returns)

    def write_assign(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        text = self.float_text(floats, ints, 2)
        name = self.random.choice(floats) if self.random.random() < 0.4 else self.new("v")
        if name not in floats:
            floats.append(name)
        return [f"{name} = {text}"]

    def write_update(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        name = self.random.choice(floats)
        if self.random.random() < 0.5:
            return [f"{name} {self.random.choice('+-')}= {self.float_text(floats, ints, 1)}"]
        return [f"{name} *= {self.bounded(floats, ints, 1)}"]

    def write_tuple(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        one, other = self.random.choice(floats), self.random.choice(floats)
        if one == other:
            return [f"{one} = sum([{self.bounded(floats, ints, 1)} * k for k in range(3)])"]
        return [f"{one}, {other} = {self.bounded(floats, ints, 1)}, {one} + {self.bounded(floats, ints, 1)}"]

    def write_int(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        name = self.new("k")
        line = f"{name} = {self.int_text(ints)}"
        ints.append(name)
        return [line]

    def write_choose(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        name = self.random.choice(floats)
        parts = self.float_text(floats, ints, 1), self.condition(floats, ints), self.float_text(floats, ints, 1)
        return ["{} = {} if {} else {}".format(name, *parts)]

    def write_if(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        lines = [f"if {self.condition(floats, ints)}:"]
        lines += self.inner(floats, ints, depth, in_loop, returns)
        if self.random.random() < 0.3:
            lines += [f"elif {self.condition(floats, ints)}:", *self.inner(floats, ints, depth, in_loop, returns)]
        if self.random.random() < 0.6:
            lines += ["else:", *self.inner(floats, ints, depth, in_loop, returns)]
        return lines

    def inner(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        lines = self.block(list(floats), list(ints), self.random.randint(1, 2), depth + 1, in_loop, returns)
        return ["    " + line for line in lines]

    def write_for(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        self.loops += 1
        name = self.new("i")
        bounds = self.random.choice(["n", "3", "1, n + 2", "4, -1, -2", "n, 0, -1", "0, 7, 3"])
        if "n" not in ints:
            bounds = "k"
        body = self.block(list(floats), [*ints, name], self.random.randint(1, 3), depth + 1, True, returns)
        self.loops -= 1
        return [f"for {name} in range({bounds}):", *("    " + line for line in body)]

    def write_while(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        self.loops += 1
        name = self.new("w")
        body = self.block(list(floats), [*ints], self.random.randint(1, 3), depth + 1, True, returns)
        test = f"{name} < {self.random.randint(1, 5)}"
        if self.random.random() < 0.5:
            test += f" and ({self.condition(floats, ints)})"
        self.loops -= 1
        return [f"{name} = 0", f"while {test}:", f"    {name} += 1", *("    " + line for line in body)]

    def write_leave(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        return [f"if {self.condition(floats, ints)}:", "    " + self.random.choice(["break", "continue"])]

    def write_return(self, floats: list[str], ints: list[str], depth: int, in_loop: bool, returns: bool) -> list[str]:
        return [f"if {self.condition(floats, ints)}:", f"    return {self.float_text(floats, ints, 1)}"]

    def new(self, wish: str) -> str:
        """Return a new name."""
        self.count += 1
        return f"{wish}{self.count}"

    def condition(self, floats: list[str], ints: list[str]) -> str:
        """Return a condition."""
        chosen = self.random.random()
        first = f"{self.bounded(floats, ints, 1)} {self.random.choice(['<', '>', '<=', '>='])} {self.constant()}"
        if chosen < 0.5:
            return first
        if chosen < 0.65:
            return f"{self.int_text(ints)} % 2 == {self.random.randint(0, 1)}"
        if chosen < 0.8:
            return f"{self.constant()} < {self.bounded(floats, ints, 1)} < {self.constant()}"
        if chosen < 0.9:
            return f"not ({first})"
        return f"({first}) {self.random.choice(['and', 'or'])} ({self.bounded(floats, ints, 1)} > {self.constant()})"

    def constant(self) -> str:
        """Return a number without special places."""
        return repr(round(self.random.uniform(-1.2, 1.2), 3))

    def int_text(self, ints: list[str]) -> str:
        """Return a small int."""
        name = self.random.choice(ints)
        return self.random.choice(
            [name, f"({name} + {self.random.randint(1, 4)})", f"({name} // 2)", f"({name} * 3 % 5)"]
        )

    def bounded(self, floats: list[str], ints: list[str], depth: int) -> str:
        """Return a float between about -2 and 2."""
        inner = self.float_text(floats, ints, depth - 1)
        forms = [
            "np.sin({})",
            "np.cos({})",
            "np.tanh({})",
            "np.arctan({})",
            "np.exp(-({0}) * ({0}))",
            "1.5 / (1.0 + ({0}) * ({0}))",
        ]
        return self.random.choice(forms).format(inner)

    def float_text(self, floats: list[str], ints: list[str], depth: int) -> str:
        """Return a float expression."""
        if depth <= 0:
            return self.random.choice([*floats, *floats, self.constant(), f"(0.25 * {self.random.choice(ints)})"])
        left, right = self.float_text(floats, ints, depth - 1), self.float_text(floats, ints, depth - 1)
        forms = [
            f"({left} + {right})",
            f"({left} - {right})",
            f"{self.bounded(floats, ints, depth)} * {self.bounded(floats, ints, depth)}",
            self.bounded(floats, ints, depth),
            f"np.sqrt(1.0 + ({left}) * ({left}))",
            f"np.log(1.5 + ({left}) * ({left}))",
            f"max({self.bounded(floats, ints, depth)}, {self.constant()})",
            f"abs({left})",
            f"-({left})",
            f"({self.bounded(floats, ints, depth)}) ** 2",
        ]
        if self.helpers:
            name = self.random.randrange(len(self.helpers))
            forms += [f"helper_{name}({self.bounded(floats, ints, 1)}, {self.random.choice(ints)} % 3)"] * 2
        return self.random.choice(forms)


def written(seed: int) -> str:
    """Return the text of a program."""
    return ProgramWriter(seed).program()


def compiled(text: str, name: str) -> Callable[..., Any]:
    """Return the function `kernel` of a program, whose text Python can find again."""
    file = f"<program {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"math": math, "np": np}
    exec(compile(text, file, "exec"), names)
    function: Callable[..., Any] = names["kernel"]
    return function
