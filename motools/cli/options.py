"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="The pipeline's folder.", show_default="the current one")]
Stages = Annotated[str | None, typer.Option(help="Only these: names (a,b) or a range (a:c, :b, c:).", metavar="STAGES")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="How many steps at once.", show_default="one a core")
]
User = Annotated[
    str | None, typer.Option(help="Who is recorded as having run it.", envvar="MOTOOLS_USER", show_default="git's user")
]
Force = Annotated[bool, typer.Option("--force", help="Execute even where results are at hand.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run, and why; run nothing.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Start nothing more after a failure.")]
WithoutRemote = Annotated[
    bool, typer.Option("--without-remote", help="Execute what only the remote may have, without asking it.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Refuse, instead of waiting for another run.")]
Cancel = Annotated[bool, typer.Option("--cancel-on-interrupt", help="On Ctrl-C, end the jobs at providers too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More details.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
