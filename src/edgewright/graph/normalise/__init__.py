"""Conversion of a foreign model to the dialect by passes, each of which changes the draft."""

from __future__ import annotations

import numpy as np

from edgewright.core.errors import GraphError, error_line
from edgewright.graph.draft import Draft
from edgewright.graph.normalise import (
    folding,
    layout,
    machine_learning,
    operators,
    quantised,
    recurrent,
    shaped,
    support_vectors,
)

# A pass relies on the form that the passes before it leave.
PASSES = (
    recurrent.convert_gru_loops,
    operators.name_activations,
    operators.convert_old_opsets,
    quantised.read_dynamic_quantisation,
    quantised.rewrite_integer_operators,
    quantised.replace_zero_scales,
    quantised.convert_unsigned_bytes,
    operators.remove_no_ops,
    recurrent.convert_recurrent_layers,
    machine_learning.convert_linear_models,
    machine_learning.convert_preprocessing,
    support_vectors.convert_support_vectors,
    machine_learning.convert_tree_ensembles,
    machine_learning.convert_class_outputs,
    operators.decompose_operators,
    shaped.rewrite_by_shape,
    folding.fold_constants,
    quantised.standardise_rounding,
    operators.remove_casts,
    layout.move_input_transpose,
    folding.standardise_pools,
    layout.merge_reshapes,
    folding.fold_batch_norm,
    folding.standardise_dense_layers,
    layout.convert_pointwise_layers,
    folding.fold_affine,
    layout.cancel_transposes,
)
# Exceptions that an attribute of a wrong type or length raises: the file is damaged or was written wrongly.
_ATTRIBUTE_ERRORS = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


def normalise(draft: Draft) -> None:
    """Run all passes twice: the changes of a pass may allow an earlier pass to change more.

    Raises:
        InputError: the dialect does not support an operator; the message names it and its nodes.
    """
    for run_pass in (*PASSES, *PASSES):
        try:
            # An overflow becomes infinite here, as in the model itself.
            with np.errstate(all="ignore"):
                run_pass(draft)
        except _ATTRIBUTE_ERRORS as error:
            got = "attributes and constants of the types the ONNX standard gives them"
            raise GraphError(got, error_line(error), f"model {draft.name}, {run_pass.__name__}") from None
        draft.prune()
