"""What of numpy's test-suite is left out, and why: a pattern of test ids per row, first match decides.

The only reasons are: C internals, memory addresses, reference counts, files, threads, building extensions, SIMD
internals, memory policy and numpy's own packaging.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

C_INTERNALS = "C internals: calls C functions of numpy that are built for tests only"
BUILDING = "builds extensions or Fortran"
FILES = "reads and writes files"
THREADS = "threads"
SIMD = "SIMD internals"
PACKAGING = "numpy's own packaging: its wheel, its stubs, its scripts, its list of modules"

EXCLUDED: tuple[tuple[str, str], ...] = (
    ("f2py/*", BUILDING),
    ("distutils/*", BUILDING),
    ("_core/tests/test_cython.py*", BUILDING),
    ("_core/tests/test_limited_api.py*", BUILDING),
    ("random/tests/test_extending.py*", BUILDING),
    ("_pyinstaller/*", PACKAGING),
    ("typing/*", PACKAGING),
    ("tests/test__all__.py*", PACKAGING),
    ("tests/test_configtool.py*", PACKAGING),
    ("tests/test_lazyloading.py*", PACKAGING),
    ("tests/test_numpy_config.py*", PACKAGING),
    ("tests/test_numpy_version.py*", PACKAGING),
    ("tests/test_public_api.py*", PACKAGING),
    ("tests/test_reloading.py*", PACKAGING),
    ("tests/test_scripts.py*", PACKAGING),
    ("tests/test_warnings.py*", PACKAGING),
    ("tests/test_ctypeslib.py*", "memory addresses: ctypes pointers and shared libraries"),
    ("_core/tests/test_simd.py*", SIMD),
    ("_core/tests/test_simd_module.py*", SIMD),
    ("_core/tests/test_cpu_dispatcher.py*", SIMD),
    ("_core/tests/test_cpu_features.py*", SIMD),
    ("_core/tests/test_mem_policy.py*", "memory policy"),
    ("_core/tests/test_multithreading.py*", THREADS),
    ("_core/tests/test_multiprocessing.py*", THREADS),
    ("_core/tests/test_memmap.py*", FILES),
    ("_core/tests/test_argparse.py*", C_INTERNALS),
    ("_core/tests/test_arraymethod.py*", C_INTERNALS),
    ("_core/tests/test_array_interface.py*", BUILDING),
    ("_core/tests/test_conversion_utils.py*", C_INTERNALS),
    ("_core/tests/test_custom_dtypes.py*", C_INTERNALS),
    ("_core/tests/test_extint128.py*", C_INTERNALS),
    ("_core/tests/test_hashtable.py*", C_INTERNALS),
    ("_core/tests/test_casting_unittests.py*", C_INTERNALS),
    ("lib/tests/test_io.py*", FILES),
    ("lib/tests/test_loadtxt.py*", FILES),
    ("lib/tests/test_format.py*", FILES),
    ("lib/tests/test__datasource.py*", FILES),
)


def reason_left_out(test_id: str) -> str | None:
    """Return why the test or file is left out, or None where it counts."""
    return next((reason for pattern, reason in EXCLUDED if fnmatchcase(test_id, pattern)), None)


def is_file_left_out(path: str) -> bool:
    """Whether a row leaves out the whole file."""
    return reason_left_out(path) is not None and reason_left_out(f"{path}::any") is not None
