"""Checkpoints of the Hugging Face hub: ``owner/repo:checkpoint``, fetched and uploaded.

A repository may hold several checkpoints, each as two files with the published names:
``dynamix-NAME.safetensors`` and ``config_NAME.json``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, needs
from .files import digest, scratch

logger = logging.getLogger(__name__)

SUFFIX = ".safetensors"
_NAME = r"(?!\.)[\w.-]+"  # no path, and no dot in front
ADDRESS = re.compile(
    rf"(?P<owner>{_NAME})/(?P<repo>{_NAME}):(?P<name>{_NAME})(@(?P<revision>{_NAME}))?"
)
_COMMIT, _SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")
_TAGS = ["time-series-forecasting", "dynamical-systems", "zero-shot", "dynamix"]
_CARD = """
# {name}

{description}

| | |
|---|---|
| kind | `{kind}` |
{rows}

```python
import dynamix

y = dynamix.forecast(context, horizon=1000, model="{address}")
```

The weights are `{weights}`, their settings `{config}`. `pip install "dynamix-companion[hub]"`
installs the library that reads them. Append `@COMMIT` to the model's name to fix the version.
"""


def _files(name: str) -> tuple[str, str]:
    """The published naming: dynamix-3d-alrnn-v1.0.safetensors and config_3d-alrnn-v1.0.json."""
    return f"{name}{SUFFIX}", f"config_{name.removeprefix('dynamix-')}.json"


def fetch(owner: str, repo: str, name: str, revision: str | None) -> tuple[Path, Path]:
    """Weights and config of one commit; the hub's cache keeps them."""
    with needs("hub"):
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, files = f"{owner}/{repo}", _files(name)

    def download(file: str, revision: str) -> Path:
        wheres: list[Callable[[], Any]] = [dict, dict, lambda: {"cache_dir": scratch()}]
        for where in wheres:  # the last one where no cache can be kept or mended
            with suppress(PermissionError, FileExistsError, NotADirectoryError):
                path = Path(hf_hub_download(repository, file, revision=revision, **where()))
                if _is_whole(path):
                    return path
                logger.warning("the cached %s was damaged; fetching it again", file)
                path.resolve().unlink(missing_ok=True)
        raise OSError(f"no whole copy of {file} can be kept")

    try:
        weights = download(files[0], revision or "main")
        commit = weights.parent.name if _COMMIT.fullmatch(weights.parent.name) else revision
        if revision is None:
            logger.warning(
                "%s:%s is of commit %s; name it with @%s", repository, name, commit, commit
            )
        config = download(files[1], commit or "main")
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise InputError(
            f"could not fetch {files[0]!r} and {files[1]!r} of {repository!r} from the hub "
            f"({type(error).__name__}: {error}). Check the name and the network, or give a local "
            "file or a bundled name."
        ) from error
    return weights, config


def _is_whole(path: Path) -> bool:
    """Whether a file is what the hub's cache has named it by: its SHA-256, or git's SHA-1."""
    name = path.resolve().name
    if _COMMIT.fullmatch(name):
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == name
    return not _SHA256.fullmatch(name) or digest(path) == name


def push_to_hub(
    model: Any,
    address: str,
    *,
    revision: str | None = None,
    description: str = "",
    metadata: dict[str, Any] | None = None,
    private: bool | None = None,
    message: str | None = None,
) -> str:
    """Upload a model to the Hugging Face hub, with its settings and a model card, in one commit.

    The repository and the branch are created if they do not exist. A card that is there stays as it
    is. The hub's own login is used: ``hf auth login``, or the variable ``HF_TOKEN``.

    Parameters
    ----------
    model
        A :class:`dynamix.DynaMix`, or another model with ``save_pretrained``.
    address
        ``owner/repo:checkpoint``, as :meth:`dynamix.DynaMix.from_pretrained` reads it.
    revision
        The branch; None: the repository's ``main``.
    description
        Text of the model card: how the model was made, and what it is good for.
    metadata
        Entries of the card's header, such as ``{"license": "cc-by-4.0", "datasets": [...]}``.
    private
        Whether a new repository is private; None: the owner's default.
    message
        Of the commit.

    Returns
    -------
    str
        ``owner/repo:checkpoint@COMMIT``, the address of exactly this version.

    Raises
    ------
    InputError
        If the address has another form, ``revision`` is a commit, or the hub refuses.

    Examples
    --------
    >>> from dynamix import DynaMix
    >>> push_to_hub(DynaMix(), "owner/repo")
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: a hub address is 'owner/repo:checkpoint', found 'owner/repo'.
    """
    with needs("hub"):
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError

    found = ADDRESS.fullmatch(address)
    if found is None or found["revision"]:
        more = " A branch is named by revision." if found else ""
        raise InputError(f"a hub address is 'owner/repo:checkpoint', found {address!r}.{more}")
    if revision is not None and _COMMIT.fullmatch(revision):
        raise InputError(f"revision must be a branch, found the commit {revision!r}. Name another.")
    repository, names, api = f"{found['owner']}/{found['repo']}", _files(found["name"]), HfApi()
    with tempfile.TemporaryDirectory() as folder:
        weights = model.save_pretrained(Path(folder, names[0]))
        settings = weights.with_name(f"{found['name']}.json")
        card = _card(model, address, description, metadata or {}, settings.read_text("utf-8"))
        files: dict[str, Any] = {names[0]: str(weights), names[1]: str(settings)}
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            if revision not in (None, "main"):
                api.create_branch(repository, branch=str(revision), exist_ok=True)
            if not api.file_exists(repository, "README.md", revision=revision):
                files["README.md"] = card.encode()
            done = api.create_commit(
                repository,
                [CommitOperationAdd(name, content) for name, content in files.items()],
                commit_message=message or f"Upload {found['name']}",
                revision=revision,
            )
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise InputError(
                f"could not upload to {repository!r} ({type(error).__name__}: {error}). Log in "
                "with 'hf auth login', and check the name and the network."
            ) from error
    logger.info("%s is on the hub, commit %s", address, done.oid)
    return f"{address}@{done.oid}"


def _card(
    model: Any, address: str, description: str, metadata: dict[str, Any], settings: str
) -> str:
    """A model card: what a program and a reader of the hub should know."""
    from huggingface_hub import ModelCardData

    known = {"library_name": "dynamix-companion", "pipeline_tag": "time-series-forecasting"}
    header = ModelCardData(**{**known, "tags": _TAGS, **metadata}).to_yaml()
    parts = {name: part for name, part in json.loads(settings).items() if isinstance(part, dict)}
    rows = [f"| {key} | `{value}` |" for part in parts.values() for key, value in part.items()]
    name = address.partition(":")[2]
    text = _CARD.format(
        name=name,
        description=description or "A model of dynamical systems for zero-shot forecasts.",
        kind=type(model).__name__,
        rows="\n".join(rows),
        address=address,
        weights=_files(name)[0],
        config=_files(name)[1],
    )
    return f"---\n{header}\n---\n{text}"
