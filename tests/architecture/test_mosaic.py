"""mosaic: the order of its folders and modules, and no circles."""

from tests.architecture.order import Order, circles

MOSAIC = Order(
    "mosaic",
    (
        ("mosaic.c", "mosaic.targets", "mosaic.runtime", "mosaic.ir.affine"),
        ("mosaic.vector", "mosaic.ir.views"),
        ("mosaic.matmul", "mosaic.ir.expressions"),
        ("mosaic.ir.schedule", "mosaic.winograd"),
        ("mosaic.tiling",),
        ("mosaic.ir.kinds",),
        ("mosaic.ir.loops",),
        ("mosaic.ir",),
        # A lowering looks up which scalar functions have a C expression, so it lies above the code generator.
        ("mosaic.codegen",),
        ("mosaic.lowering",),
        ("mosaic.algorithms",),
        ("mosaic.compiled",),
        (
            "mosaic.passes",
            "mosaic.compiled_json",
            "mosaic.last_reads",
            "mosaic.memory_needs",
            "mosaic.numpy_islands",
        ),
        ("mosaic.kernels",),
        ("mosaic.program_differences", "mosaic.stored_programs"),
        ("mosaic.recompiles",),
        ("mosaic.executable",),
        ("mosaic.without_compiler",),
        ("mosaic.algorithms.measuring",),
        ("mosaic.algorithms.chosen", "mosaic.requests"),
        ("mosaic.report",),
        ("mosaic.backend",),
        ("mosaic.api",),
        ("mosaic.algorithms.checking", "mosaic.exporting"),
        ("mosaic.commands",),
        ("mosaic",),
    ),
)


def test_modules_import_only_what_lies_below_them() -> None:
    upwards = MOSAIC.arrows_up()
    assert not upwards, "\n".join(map(str, upwards))


def test_modules_import_each_other_in_no_circle() -> None:
    assert not circles("mosaic")


def test_the_order_names_only_modules_that_exist() -> None:
    assert not MOSAIC.names_without_a_module()
