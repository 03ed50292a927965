"""numpy.lib.recfunctions on tensors of records: tensors are evaluated and numpy computes at the call."""

from numpy.lib import recfunctions

from composit.numpy.calls.declarations import without_rule

__all__ = [
    "append_fields",
    "apply_along_fields",
    "assign_fields_by_name",
    "drop_fields",
    "find_duplicates",
    "flatten_descr",
    "get_fieldstructure",
    "get_names",
    "get_names_flat",
    "join_by",
    "merge_arrays",
    "rec_append_fields",
    "rec_drop_fields",
    "rec_join",
    "recursive_fill_fields",
    "rename_fields",
    "repack_fields",
    "require_fields",
    "stack_arrays",
    "structured_to_unstructured",
    "unstructured_to_structured",
]

append_fields = without_rule(recfunctions.append_fields)
apply_along_fields = without_rule(recfunctions.apply_along_fields)
assign_fields_by_name = without_rule(recfunctions.assign_fields_by_name, "dst")
drop_fields = without_rule(recfunctions.drop_fields)
find_duplicates = without_rule(recfunctions.find_duplicates)
flatten_descr = without_rule(recfunctions.flatten_descr)
get_fieldstructure = without_rule(recfunctions.get_fieldstructure)
get_names = without_rule(recfunctions.get_names)
get_names_flat = without_rule(recfunctions.get_names_flat)
join_by = without_rule(recfunctions.join_by)
merge_arrays = without_rule(recfunctions.merge_arrays)
rec_append_fields = without_rule(recfunctions.rec_append_fields)
rec_drop_fields = without_rule(recfunctions.rec_drop_fields)
rec_join = without_rule(recfunctions.rec_join)
recursive_fill_fields = without_rule(recfunctions.recursive_fill_fields, "output")
rename_fields = without_rule(recfunctions.rename_fields)
repack_fields = without_rule(recfunctions.repack_fields)
require_fields = without_rule(recfunctions.require_fields)
stack_arrays = without_rule(recfunctions.stack_arrays)
structured_to_unstructured = without_rule(recfunctions.structured_to_unstructured)
unstructured_to_structured = without_rule(recfunctions.unstructured_to_structured)
