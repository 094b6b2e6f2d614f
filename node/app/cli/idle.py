"""Options that were typed and would do nothing beside the others: told, not passed over."""

from collections.abc import Mapping

import typer


def spelt(context: typer.Context) -> dict[str, str]:
    """Return how each parameter of the command is spelt, without its dashes."""
    return {one.name or "": one.opts[0].removeprefix("--") for one in context.command.params}


def typed(context: typer.Context) -> set[str]:
    """Return the parameters that were typed.

    What the environment says is no slip: the data folder may stand there for every command.
    """
    return {
        name
        for name in spelt(context)
        if (source := context.get_parameter_source(name)) is not None
        # By its name, as versions of typer differ in whose enumeration it is.
        if source.name == "COMMANDLINE"
    }


def idle_faults(
    context: typer.Context,
    among: set[str],
    only_with: Mapping[str, str],
    not_with: Mapping[str, str],
) -> list[str]:
    """Return a fault for each of ``among`` that lacks what it belongs to, or meets what ends it."""
    options, given = spelt(context), typed(context)
    shown = {
        one.name: one.name.upper() if one.param_type_name == "argument" else one.opts[0]
        for one in context.command.params
        if one.name
    }
    return [
        f"{options[name]}: {then} together with {shown[other]}"
        for pairs, idle, then in ((only_with, False, "only"), (not_with, True, "not"))
        for name, other in pairs.items()
        if name in among and (other in given) == idle
    ]
