"""``incus-backup explain``."""

from pathlib import Path

import click
from attrs import evolve

from ..engine.observation.inventory import observe
from ..engine.planning.world import World
from ..engine.reporting.explanation import explain as explain_resource
from ..engine.selection.addresses import read_address, resolve
from ..engine.selection.stored import documents_to_read
from ..errors import RepositoryError
from ..model.backups import StoredManifest
from ..model.explanations import Explanation
from ..model.facts import Evidence
from ..model.policies import Policy
from ..model.refs import BackupId, ResourceRef
from ..policyfile import load_policies
from ..render.explanations import render_explanation, tabulate_explanation
from .complaints import about
from .options import Command, Settings, global_options
from .output import as_data, output_option
from .planning import read_documents, use_colour
from .session import Session, now
from .targets import TargetRun, attempt_each, target_runs_of

_OUTPUTS = ("text", "table", "json", "yaml")


@click.command(cls=Command)
@click.argument("address")
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="POLICY", help="File or folder.")
@output_option(*_OUTPUTS)
@global_options
@click.pass_obj
def explain(settings: Settings, address: str, files: tuple[str, ...], output: str) -> int:
    """Show which rule covers a resource, and why. Also the file and line of each setting, what is stored,
    when the next backup is due, and what restore rules would do.

    Of a policy with several targets it is told for each; --target NAME takes one of them.

    ADDRESS is instance/PROJECT/NAME, volume/PROJECT/POOL/NAME, image/FINGERPRINT (its beginning is enough,
    or an alias), or config.
    """
    policy = load_policies([Path(file) for file in files])

    def look(target_run: TargetRun) -> Explanation:
        session = Session(target_run.settings)
        return explain_by(target_run.policy, session, read_address(address, session.kinds))

    found, failure = attempt_each(target_runs_of(policy, settings), look, go_on=output == "text")
    explanations = [explanation for _, explanation in found]
    if output == "text":
        told = [render_explanation(each, now=now(), colour=use_colour()) for each in explanations]
        click.echo("\n".join(told), nl=False)
    elif output == "table":
        click.echo(tabulate_explanation(*explanations, now=now()), nl=False)
    else:
        as_list = bool(policy.targets) and not settings.flagged_target
        click.echo(as_data(explanations if as_list else explanations[0], output), nl=False)
    return failure


def explain_by(policy: Policy, session: Session, asked: ResourceRef) -> Explanation:
    """Look at the server and the repository, and explain one resource."""
    catalog = session.catalog()
    inventory = observe(session.server, session.journal, session.kinds)
    ref = resolve(asked, inventory, catalog, kinds=session.kinds)
    world = World(
        inventory,
        catalog,
        Evidence(
            _manifest(session, catalog.newest(ref)), usual_compression=session.repository.usual_compression
        ),
        session.kinds,
        now(),
        session.entities,
        sensitive=policy.sensitive,
    )
    needed = documents_to_read(policy, inventory, catalog, kinds=session.kinds)
    explanation = explain_resource(ref, policy, world, read_documents(session, needed))
    return evolve(explanation, repository=session.repository.uri)


def _manifest(session: Session, newest: BackupId | None) -> dict[BackupId, StoredManifest]:
    if newest is None:
        return {}
    try:
        return {newest: session.repository.manifest(newest)}
    except RepositoryError as error:  # what the server shows can be explained all the same
        session.warn(about(newest, error.message))
        return {}
