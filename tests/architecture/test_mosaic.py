"""mosaic: the order of its folders and modules, the imports that still run against it, and no circles."""

from tests.architecture.order import Order, circles

MOSAIC = Order(
    "mosaic",
    (
        ("mosaic.c", "mosaic.targets", "mosaic.runtime", "mosaic.ir_affine"),
        ("mosaic.vector", "mosaic.ir_views", "mosaic.commands"),
        ("mosaic.matmul", "mosaic.ir_expressions"),
        ("mosaic.ir_schedule", "mosaic.tiling"),
        ("mosaic.ir_kinds",),
        ("mosaic.ir_loops",),
        ("mosaic.ir",),
        # A lowering looks up which scalar functions have a C expression, so it lies above the code generator.
        ("mosaic.codegen",),
        ("mosaic.lowering",),
        ("mosaic.compiled",),
        (
            "mosaic.passes",
            "mosaic.compiled_json",
            "mosaic.emitted",
            "mosaic.last_reads",
            "mosaic.memory_needs",
            "mosaic.numpy_islands",
        ),
        ("mosaic.program_differences", "mosaic.stored_programs"),
        ("mosaic.recompiles",),
        ("mosaic.executable",),
        ("mosaic.without_compiler",),
        ("mosaic.report", "mosaic.backend"),
        ("mosaic.api",),
        ("mosaic",),
    ),
)

# The intermediate form needs tiling.packing, and tiling.scheme, which chooses tiles for a program, needs what lies above the form.
_UPWARDS = {
    ("mosaic.tiling.scheme", "mosaic.ir"),
    ("mosaic.tiling.scheme", "mosaic.lowering.registry"),
    ("mosaic.tiling.scheme", "mosaic.codegen.matmul_kernel"),
}


def test_modules_import_only_what_lies_below_them() -> None:
    upwards = MOSAIC.arrows_up()
    assert {(found.importer.name, found.target) for found in upwards} == _UPWARDS, "\n".join(map(str, upwards))


def test_modules_import_each_other_in_no_circle() -> None:
    assert not circles("mosaic")


def test_the_order_names_only_modules_that_exist() -> None:
    assert not MOSAIC.names_without_a_module()
