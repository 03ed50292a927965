"""Functions that call `caught()` in and around `try` statements of every kind, with whether an error would be caught there.

Imports nothing of ours, so that any version of Python can compile and run it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

Caught = Callable[[], bool]
CASES: dict[str, tuple[Callable[[Caught], bool], bool]] = {}


class OurError(ValueError):
    """A class of the program's own."""


SEVERAL = (KeyError, ValueError)


def case(expected: bool) -> Callable[[Callable[[Caught], bool]], Callable[[Caught], bool]]:
    """Add a function with what `caught()` should say in it."""

    def declare(function: Callable[[Caught], bool]) -> Callable[[Caught], bool]:
        CASES[function.__name__] = (function, expected)
        return function

    return declare


@case(False)
def no_try_at_all(caught: Caught) -> bool:
    return caught()


@case(True)
def a_class(caught: Caught) -> bool:
    try:
        return caught()
    except ValueError:
        return False


@case(True)
def a_bare_except(caught: Caught) -> bool:
    try:
        result = caught()
    except:  # noqa: E722
        result = False
    return result


@case(True)
def every_exception(caught: Caught) -> bool:
    try:
        return caught()
    except Exception:  # noqa: BLE001
        return False


@case(True)
def a_named_error(caught: Caught) -> bool:
    try:
        result = caught()
    except ValueError as error:
        return bool(error.args)
    return result


@case(True)
def a_tuple_of_classes(caught: Caught) -> bool:
    try:
        return caught()
    except (KeyError, ValueError):
        return False


@case(True)
def the_second_clause(caught: Caught) -> bool:
    try:
        return caught()
    except KeyError:
        return False
    except ValueError:
        return False


@case(True)
def a_group(caught: Caught) -> bool:
    result = False
    try:
        result = caught()
    except* ValueError:
        result = False
    return result


@case(False)
def in_the_else(caught: Caught) -> bool:
    try:
        pass
    except ValueError:
        return True
    else:
        return caught()


@case(False)
def in_the_handler(caught: Caught) -> bool:
    try:
        raise ValueError
    except ValueError as error:
        return caught() or not isinstance(error, ValueError)


@case(False)
def in_the_finally(caught: Caught) -> bool:
    result = False
    try:
        result = False
    except ValueError:
        result = True
    finally:
        result = caught()
    return result


@case(False)
def after_the_try(caught: Caught) -> bool:
    try:
        str(caught)
    except ValueError:
        return True
    return caught()


@case(False)
def a_finally(caught: Caught) -> bool:
    try:
        return caught()
    finally:
        str(caught)


@case(False)
def a_finally_with_a_try_inside(caught: Caught) -> bool:
    result = False
    try:
        result = caught()
    finally:
        str(caught)
        try:
            str(caught)
        except ValueError:
            str(caught)
    return result


@case(False)
def a_finally_that_tests(caught: Caught) -> bool:
    result = False
    try:
        result = caught()
    finally:
        if result:
            str(result)
    return result


@case(True)
def except_and_finally(caught: Caught) -> bool:
    try:
        return caught()
    except ValueError:
        return False
    finally:
        str(caught)


@case(True)
def a_finally_inside_a_try(caught: Caught) -> bool:
    try:
        try:
            return caught()
        finally:
            str(caught)
    except ValueError:
        return False


@case(False)
def a_with(caught: Caught) -> bool:
    with contextlib.nullcontext():
        return caught()


@case(False)
def several_withs(caught: Caught) -> bool:
    with contextlib.nullcontext() as first, contextlib.nullcontext() as second:
        for _ in range(2):
            with contextlib.nullcontext():
                result = caught()
    return result or first is not second


@case(True)
def a_with_inside_a_try(caught: Caught) -> bool:
    try:
        with contextlib.nullcontext():
            return caught()
    except ValueError:
        return False


@case(True)
def a_try_inside_a_with(caught: Caught) -> bool:
    with contextlib.nullcontext():
        try:
            return caught()
        except ValueError:
            return False


@case(True)
def a_try_in_a_loop(caught: Caught) -> bool:
    result = True
    for _ in range(3):
        try:
            result = caught() and result
        except ValueError:
            continue
        else:
            result = result and True
    return result


@case(True)
def a_try_around_a_loop(caught: Caught) -> bool:
    result = True
    try:
        while result:
            result = caught()
            break
    except ValueError:
        return False
    return result


@case(True)
def a_try_in_the_handler_of_another(caught: Caught) -> bool:
    try:
        raise KeyError
    except KeyError:
        try:
            return caught()
        except ValueError:
            return False


@case(True)
def in_the_handler_of_a_try_inside_a_try(caught: Caught) -> bool:
    try:
        try:
            raise KeyError
        except KeyError as error:
            return caught() and isinstance(error, KeyError)
    except ValueError:
        return False


@case(False)
def a_comprehension(caught: Caught) -> bool:
    numbers = [1]
    return any([caught() for number in numbers])  # noqa: C419


@case(True)
def a_comprehension_inside_a_try(caught: Caught) -> bool:
    try:
        return all([caught() for number in [1, 2]])  # noqa: C419
    except ValueError:
        return False


@case(False)
def a_generator(caught: Caught) -> bool:
    def values() -> Any:
        yield caught()

    return any(values())


@case(True)
def a_generator_with_a_try(caught: Caught) -> bool:
    def values() -> Any:
        try:
            yield caught()
        except ValueError:
            yield False

    return all(values())


@case(False)
def a_coroutine(caught: Caught) -> bool:
    async def work() -> bool:
        async with contextlib.AsyncExitStack():
            return caught()

    return asyncio.run(work())


@case(True)
def a_coroutine_with_a_try(caught: Caught) -> bool:
    async def values() -> Any:
        yield 1

    async def work() -> bool:
        result = True
        try:
            async for _ in values():
                result = result and caught()
        except ValueError:
            return False
        return result

    return asyncio.run(work())


@case(True)
def the_caller_names_a_class_of_values(caught: Caught) -> bool:
    def helper() -> bool:
        return caught()

    try:
        return helper()
    except ValueError:
        return False


@case(True)
def the_caller_names_a_class_of_its_own(caught: Caught) -> bool:
    def helper() -> bool:
        with contextlib.nullcontext():
            return caught()

    try:
        return helper()
    except OurError:
        return False


@case(True)
def the_caller_names_a_tuple(caught: Caught) -> bool:
    def helper() -> bool:
        return caught()

    try:
        return helper()
    except SEVERAL:
        return False


@case(True)
def the_caller_in_the_same_file_catches_everything(caught: Caught) -> bool:
    def helper() -> bool:
        return caught()

    try:
        return helper()
    except Exception:  # noqa: BLE001
        return False


_RUNNER = """
def run(helper):
    try:
        return helper()
    except Exception:
        return False
"""
_other_names: dict[str, Any] = {}
exec(compile(_RUNNER, "runner.py", "exec"), _other_names)


@case(False)
def the_caller_in_another_file_catches_everything(caught: Caught) -> bool:
    result: bool = _other_names["run"](lambda: caught())
    return result


@case(True)
def the_caller_has_a_bare_except(caught: Caught) -> bool:
    def helper() -> bool:
        return caught()

    try:
        return helper()
    except:  # noqa: E722
        return False


@case(False)
def the_caller_catches_what_no_value_raises(caught: Caught) -> bool:
    def helper() -> bool:
        return caught()

    try:
        return helper()
    except (OSError, AttributeError):
        return False


@case(False)
def the_caller_has_a_finally(caught: Caught) -> bool:
    def helper() -> bool:
        return caught()

    try:
        return helper()
    finally:
        str(helper)


@case(False)
def a_return_from_a_with_in_a_loop(caught: Caught) -> bool:
    for number in range(3):
        with contextlib.suppress(ValueError):
            if number == 1:
                return caught()
    return True


@case(True)
def a_class_that_is_computed(caught: Caught) -> bool:
    def classes() -> tuple[type[Exception], ...]:
        return (KeyError, ValueError)

    try:
        return caught()
    except classes():
        return False


@case(True)
def an_attribute_of_a_module(caught: Caught) -> bool:
    try:
        return caught()
    except TimeoutError:
        return False
