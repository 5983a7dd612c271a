"""The processes that the flags of a command name, or its surroundings, and that train together."""

from __future__ import annotations

from jaxdl.backend.distributed import Member, found_member, join, named_member
from jaxdl.backend.processes import Processes, processes
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import to_config
from jaxdl.files.paths import expanded
from jaxdl.record import provenance
from jaxdl.record.encoding import flattened
from jaxdl.report.terminal import announce, say_nothing


def joined(options: Options, experiment: Experiment | None) -> Processes | None:
    """Joins the other processes of a training; returns None where this process trains alone.

    Args:
        options: the options.
        experiment: the recipe, which all processes must have in common.

    Raises:
        UserError: the flags contradict each other or what the command does, or the others do not come.
    """
    member = member_of(options)
    if member is None or member.count == 1:
        return None
    if experiment is None or options.mode != "train":
        raise UserError(f"several processes train together; --mode={options.mode} needs one: leave out the flags.")
    _refuse_other_commands(options)
    # Each process says for whom it waits, so that one that hangs in a cluster's queue can be told from its log.
    say = say_nothing if options.quiet else announce
    identity = {"experiment": experiment.name, "run_dir": str(expanded(options.run_dir)) if options.run_dir else ""}
    identity |= {name: str(version) for name, version in provenance.versions().items()}
    identity |= {f"recipe {name}": str(value) for name, value in flattened(to_config(experiment)).items()}
    join(member, identity, seconds=options.join_timeout, heartbeat=options.heartbeat, notify=say)
    return processes()


def member_of(options: Options) -> Member | None:
    """Returns which process of how many this is; None where nothing says that there are others.

    Raises:
        UserError: the flags contradict each other.
    """
    named = named_member(options.coordinator, options.num_processes, options.process_id)
    if named is not None and options.distributed == "auto":
        raise UserError(
            "--distributed=auto takes the processes from SLURM, Open MPI, Kubernetes or a TPU pod, and --coordinator "
            "names them: leave out one of the two."
        )
    if named is not None or options.distributed == "off":
        return named
    return found_member(options.join_timeout)


def _refuse_other_commands(options: Options) -> None:
    """Raises `UserError` for what several processes do not do together."""
    if options.is_sweep:
        raise UserError(
            "a sweep's trials do not share their processes: run it in one process, or give its trials to a cluster "
            "with --executor."
        )
    if options.debug:
        raise UserError("--debug runs without compiled programs, in one process; leave it out.")
    if options.profile:
        raise UserError("--profile traces one process; leave it out, or train with one process.")
