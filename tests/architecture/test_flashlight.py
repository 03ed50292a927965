"""flashlight: the order of its modules, no circles, and why some files are small."""

from tests.architecture.order import Order, circles
from tests.architecture.sources import modules

FLASHLIGHT = Order(
    "flashlight",
    (
        ("flashlight.conversion", "flashlight.comparison", "flashlight.errors"),
        (
            "flashlight.half_precision",
            "flashlight.inputs",
            "flashlight.nested",
            "flashlight.parameters",
            "flashlight.table",
        ),
        ("flashlight.kernels",),
        # Rows build graphs, the capture asks the table for rows, the backend runs graphs: none needs another.
        ("flashlight.operations", "flashlight.capture", "flashlight.backend"),
        ("flashlight.sizes",),
        ("flashlight.tracer",),
        ("flashlight.captured", "flashlight.export"),
        ("flashlight.report", "flashlight.algorithms"),
        ("flashlight",),
    ),
)
# Inside the folder of the capture, from the ground up.
_CAPTURE = Order(
    "flashlight.capture",
    (
        (
            "flashlight.capture.higher_order",
            "flashlight.capture.module_scopes",
            "flashlight.capture.nested_parts",
            "flashlight.capture.patches",
            "flashlight.capture.read_guards",
            "flashlight.capture.scatter",
            "flashlight.capture.shown_texts",
            "flashlight.capture.tensor_attributes",
        ),
        (
            "flashlight.capture.active",
            "flashlight.capture.layouts",
            "flashlight.capture.other_threads",
            "flashlight.capture.row_errors",
        ),
        ("flashlight.capture.sequences", "flashlight.capture.trace_record", "flashlight.capture.views"),
        ("flashlight.capture.memory",),
        ("flashlight.capture.traced_tensors",),
        ("flashlight.capture.attach_results", "flashlight.capture.handed_out"),
        ("flashlight.capture.calls",),
        ("flashlight.capture.recorder",),
        ("flashlight.capture.storages",),
        ("flashlight.capture.autograd_functions", "flashlight.capture.torch_modes"),
        ("flashlight.capture",),
    ),
)
# Inside the folder of named sizes.
_SIZES = Order(
    "flashlight.sizes",
    (
        ("flashlight.sizes.symbols", "flashlight.sizes.leaves"),
        ("flashlight.sizes.metadata",),
        ("flashlight.sizes.own_rules", "flashlight.sizes.sized_tensor"),
        ("flashlight.sizes.tape", "flashlight.sizes.shape_rules"),
        ("flashlight.sizes.recording",),
        ("flashlight.sizes.whole_operations",),
        ("flashlight.sizes.replay",),
        ("flashlight.sizes.programs",),
        ("flashlight.sizes.sessions",),
        ("flashlight.sizes",),
    ),
)
# Inside the folder of captured functions.
_CAPTURED = Order(
    "flashlight.captured",
    (
        (
            "flashlight.captured.structures",
            "flashlight.captured.named_sizes",
            "flashlight.captured.cells",
            "flashlight.captured.mentioned",
        ),
        ("flashlight.captured.templates", "flashlight.captured.reachable"),
        ("flashlight.captured.paths", "flashlight.captured.python_state"),
        ("flashlight.captured.recordings",),
        ("flashlight.captured.captured",),
        ("flashlight.captured",),
    ),
)
# Inside the folder of the way back to torch.
_EXPORT = Order(
    "flashlight.export",
    (
        ("flashlight.export.tensor_programs", "flashlight.export.named_values"),
        (
            "flashlight.export.operator",
            "flashlight.export.draws",
            "flashlight.export.own_decompositions",
            "flashlight.export.recording",
            "flashlight.export.torch_optimizers",
        ),
        ("flashlight.export.fx_graphs", "flashlight.export.joint_graphs", "flashlight.export.modules"),
        ("flashlight.export.compiled_graphs", "flashlight.export.exported_programs", "flashlight.export.training"),
        ("flashlight.export.dynamo_backend",),
        ("flashlight.export",),
    ),
)
# Inside the folder of the doors to algorithms.
_ALGORITHMS = Order(
    "flashlight.algorithms",
    (
        ("flashlight.algorithms.operations", "flashlight.algorithms.held_tensors"),
        ("flashlight.algorithms.recordings",),
        ("flashlight.algorithms.module_functions", "flashlight.algorithms.input_shapes"),
        ("flashlight.algorithms.backends", "flashlight.algorithms.selectors"),
        ("flashlight.algorithms.swapped",),
        ("flashlight.algorithms.swap", "flashlight.algorithms.choices"),
        ("flashlight.algorithms.models",),
        ("flashlight.algorithms",),
    ),
)

_SMALL_LINES = 40
_SMALL = {
    "flashlight.errors": "people import errors from the package that raises them",
    "flashlight.sizes.leaves": "both the recording and the rules take arguments apart",
    "flashlight.operations.jagged": "people look for a torch operation in the file of its family",
    "flashlight.operations.dropout": "people look for a torch operation in the file of its family",
    "flashlight.operations.questions": "people look for a torch operation in the file of its family",
}


def test_modules_import_only_what_lies_below_them() -> None:
    assert not FLASHLIGHT.arrows_up(), "\n".join(map(str, FLASHLIGHT.arrows_up()))
    assert not _CAPTURE.arrows_up(), "\n".join(map(str, _CAPTURE.arrows_up()))
    assert not _CAPTURED.arrows_up(), "\n".join(map(str, _CAPTURED.arrows_up()))
    assert not _SIZES.arrows_up(), "\n".join(map(str, _SIZES.arrows_up()))
    assert not _EXPORT.arrows_up(), "\n".join(map(str, _EXPORT.arrows_up()))
    assert not _ALGORITHMS.arrows_up(), "\n".join(map(str, _ALGORITHMS.arrows_up()))


def test_modules_import_each_other_in_no_circle() -> None:
    assert not circles("flashlight")


def test_the_order_names_only_modules_that_exist() -> None:
    assert not FLASHLIGHT.names_without_a_module()
    assert not _CAPTURE.names_without_a_module()
    assert not _CAPTURED.names_without_a_module()
    assert not _SIZES.names_without_a_module()
    assert not _EXPORT.names_without_a_module()
    assert not _ALGORITHMS.names_without_a_module()


def test_a_small_file_has_a_reason() -> None:
    small = {
        module.name
        for module in modules()
        if module.name.startswith("flashlight.")
        and module.path.name != "__init__.py"
        and len(module.text.splitlines()) < _SMALL_LINES
    }
    assert small == set(_SMALL)
