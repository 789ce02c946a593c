"""What an execution uses, seen while it happens: code, files, variables, processes."""

from __future__ import annotations

from motools.observe.digests import (
    DOTENV,
    PRIVATE,
    entry_points_file,
    environment_digest,
    kind_of,
    listing,
    path_digest,
)
from motools.observe.events import Events, Source, read_log
from motools.observe.functions import is_mark
from motools.observe.hooks import observer
from motools.observe.observer import DATA_IN_C, READ_IN_C, WHOLE_ENVIRONMENT, Observer
from motools.observe.origin import is_installed_name, is_project

__all__ = [
    "DATA_IN_C",
    "DOTENV",
    "PRIVATE",
    "READ_IN_C",
    "WHOLE_ENVIRONMENT",
    "Events",
    "Observer",
    "Source",
    "entry_points_file",
    "environment_digest",
    "is_installed_name",
    "is_mark",
    "is_project",
    "kind_of",
    "listing",
    "observer",
    "path_digest",
    "read_log",
]
