"""What of numpy's test-suite is left out, and why: a pattern of test ids per row, first match decides.

The only reasons are: C internals, memory addresses, reference counts, files, threads, building extensions, SIMD
internals, memory policy and numpy's own packaging.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

C_INTERNALS = "C internals: calls C functions of numpy that are built for tests only, or numpy's C interface"
ADDRESSES = "memory addresses: ctypes pointers, bounds of memory"
COUNTS = "reference counts, or what the collector frees and when"
BUILDING = "builds extensions or Fortran"
FILES = "reads and writes files"
THREADS = "threads or processes"
SIMD = "SIMD internals"
PACKAGING = "numpy's own packaging: its wheel, its stubs, its scripts, its list of modules"

_FILES = {
    BUILDING: """f2py/* distutils/* _core/tests/test_cython.py* _core/tests/test_limited_api.py*
        random/tests/test_extending.py* _core/tests/test_array_interface.py*""",
    PACKAGING: """_pyinstaller/* typing/* tests/test__all__.py* tests/test_configtool.py* tests/test_lazyloading.py*
        tests/test_numpy_config.py* tests/test_numpy_version.py* tests/test_public_api.py* tests/test_reloading.py*
        tests/test_scripts.py* tests/test_warnings.py*""",
    ADDRESSES: "tests/test_ctypeslib.py*",
    SIMD: """_core/tests/test_simd.py* _core/tests/test_simd_module.py* _core/tests/test_cpu_dispatcher.py*
        _core/tests/test_cpu_features.py*""",
    "memory policy": "_core/tests/test_mem_policy.py*",
    THREADS: "_core/tests/test_multithreading.py* _core/tests/test_multiprocessing.py*",
    FILES: """_core/tests/test_memmap.py* lib/tests/test_io.py* lib/tests/test_loadtxt.py* lib/tests/test_format.py*
        lib/tests/test__datasource.py*""",
    C_INTERNALS: """_core/tests/test_argparse.py* _core/tests/test_arraymethod.py* _core/tests/test_conversion_utils.py*
        _core/tests/test_custom_dtypes.py* _core/tests/test_extint128.py* _core/tests/test_hashtable.py*""",
}

# Of the file in the key, the tests (a class's all with ::*) that match one of the names.
_TESTS: dict[str, dict[str, str]] = {
    COUNTS: {
        "_core/tests/test_api.py": "test___array___refcount",
        "_core/tests/test_arrayobject.py": "test_cleanup_with_refs_non_contig",
        "_core/tests/test_arrayprint.py": "TestArray2String::test_refcount",
        "_core/tests/test_dlpack.py": "TestDLPack::test_dunder_dlpack_refcount TestDLPack::test_from_dlpack_refcount",
        "_core/tests/test_dtype.py": "TestRecord::test_refcount_dictionary_setting TestStructuredObjectRefcounting::*",
        "_core/tests/test_item_selection.py": "TestTake::test_refcounting",
        "_core/tests/test_multiarray.py": """TestMethods::test_diagonal_memleak TestMethods::test_size_zero_memleak
            TestFlat::test_refcount TestResize::test_check_reference* TestResize::test_check_weakref
            TestResize::test_obj_obj_shrinking TestDot::test_dot_3args TestNewBufferProtocol::test_reference_leak
            TestArrayCreationCopyArgument::test__array__reference_leak TestArrayFinalize::test_lifetime_on_error
            test_gh_22683 TestArrayInterface::test_scalar_interface TestCTypes::*holds_reference""",
        "_core/tests/test_nditer.py": """test_iter_refcount test_nditer_multi_index_set_refcount
            test_iter_object_arrays_basic test_iter_object_arrays_conversions test_iter_writemasked_decref
            test_partial_iteration_error""",
        "_core/tests/test_numeric.py": "TestCreationFuncs::test_for_reference_leak",
        "_core/tests/test_regression.py": """TestRegression::test_take_object_fail TestRegression::test_take_refcount
            TestRegression::test_object_array_refcounting TestRegression::test_structured_arrays_with_objects2
            TestRegression::test_object_array_self_copy TestRegression::test_ufunc_reduce_memoryleak
            TestRegression::test_leak_in_structured_dtype_comparison""",
        "_core/tests/test_ufunc.py": "test_reduce_casterrors test_reduction_no_reference_leak",
        "_core/tests/test_umath.py": "TestOut::test_out_wrap_no_leak",
        "lib/tests/test_function_base.py": "TestLeaks::* TestBincount::test_dtype_reference_leaks",
    },
    ADDRESSES: {
        "_core/tests/test_deprecations.py": "TestCtypesGetter::*",
        "_core/tests/test_mem_overlap.py": """test_may_share_memory_easy_fuzz test_may_share_memory_harder_fuzz
            test_non_ndarray_inputs TestUFunc::test_unary_ufunc_1d_manual""",
        "_core/tests/test_multiarray.py": "TestCTypes::* test_interface_nullptr*",
        "lib/tests/test_array_utils.py": "TestByteBounds::*",
        "random/tests/test_direct.py": "*::test_ctypes *::test_cffi",
    },
    C_INTERNALS: {
        "_core/tests/test_casting_unittests.py": """TestCasting::test_simple_cancast TestCasting::test_simple_direct_casts
            TestCasting::test_numeric_to_times TestCasting::test_time_to_time TestCasting::test_string_cancast
            TestCasting::test_simple_string_casts_roundtrip TestCasting::test_string_to_string_cancast
            TestCasting::test_object_to_parametric_internal_error TestCasting::test_object_and_simple_resolution
            TestCasting::test_simple_to_object_resolution TestCasting::test_structured_field_offsets
            TestCasting::test_structured_view_offsets_parametric TestCasting::test_object_casts_NULL_None_equivalence""",
        "_core/tests/test_dtype.py": "TestUserDType::*",
        "_core/tests/test_indexing.py": "TestCApiAccess::*",
        "_core/tests/test_mem_overlap.py": """test_diophantine_* test_internal_overlap_*
            TestUFunc::test_unary_gufunc_fuzz""",
        "_core/tests/test_multiarray.py": """TestTemporaryElide::test_extension_incref_elide* TestCAPI::*
            TestNeighborhoodIter::* TestStackedNeighborhoodIter::* TestAsCArray::* TestWritebackIfCopy::test_view_*
            TestWritebackIfCopy::test_dealloc_warning test_npymath_* test_uintalignment_and_alignment
            test_npy_char_raises TestFlags::test_writeable_from_c_data TestNewBufferProtocol::test_export_flags
            TestNewBufferProtocol::test_export_and_pickle_user_dtype TestNewBufferProtocol::test_relaxed_strides
            TestNewBufferProtocol::test_error_if_stored_buffer_info_is_corrupted
            TestArgmaxArgminCommon::test_object_with_NULLs""",
        "_core/tests/test_nditer.py": "test_iter_too_large_with_multiindex",
        "linalg/tests/test_linalg.py": "test_xerbla_override test_blas64_*",
        "_core/tests/test_ufunc.py": "TestLowlevelAPIAccess::* TestUfunc::test_signature*",
    },
    THREADS: {"_core/tests/test_arrayprint.py": "test_multithreaded_array_printing"},
    FILES: {
        "_core/tests/test_longdouble.py": "TestFileBased::*",
        "_core/tests/test_multiarray.py": """TestIO::* TestFromBuffer::test_mmap_close TestFlags::test_xcontiguous_load_txt""",
        "_core/tests/test_overrides.py": "TestArrayLike::test_array_like_fromfile",
        "_core/tests/test_records.py": "TestFromrecords::test_recarray_fromfile TestPathUsage::*",
        "_core/tests/test_regression.py": "TestRegression::test_char_dump TestRegression::test_fromfile_tofile_seeks",
        "lib/tests/test_nanfunctions.py": "test_memmap_takes_fast_route",
        "lib/tests/test_regression.py": "TestRegression::test_loadtxt_fields_subarrays",
        "ma/tests/test_core.py": "TestMaskedArray::test_maskedarray_tofile_raises_notimplementederror",
        "ma/tests/test_mrecords.py": "TestMRecordsImport::test_fromtextfile",
        "testing/tests/test_utils.py": "test_tempdir test_temppath",
    },
}

EXCLUDED: tuple[tuple[str, str], ...] = (
    *((pattern, reason) for reason, patterns in _FILES.items() for pattern in patterns.split()),
    *(
        (f"{path}::{name}", reason)
        for reason, files in _TESTS.items()
        for path, names in files.items()
        for name in names.split()
    ),
)


def reason_left_out(test_id: str) -> str | None:
    """Return why the test or file is left out, or None where it counts."""
    name = test_id.partition("[")[0]
    return next((reason for pattern, reason in EXCLUDED if fnmatchcase(name, pattern)), None)


def is_file_left_out(path: str) -> bool:
    """Whether a row leaves out the whole file."""
    return reason_left_out(path) is not None and reason_left_out(f"{path}::any") is not None
