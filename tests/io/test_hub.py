"""Models on the hub: what is pushed to a stub of it comes back, by branch and by commit."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest
from helpers import ROOT, small_model

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed here")

import yaml

from dynamix import InputError
from dynamix.io import push_to_hub


class Hub:
    """What the hub keeps: repositories with branches, each a list of commits with their files."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, list[tuple[str, dict[str, bytes]]]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for branch, commits in self.repos.get(repo, {}).items():
            for oid, files in reversed(commits):
                if revision in (branch, oid):
                    return oid, files
        return None

    def commit(self, repo: str, branch: str, lines: list[dict]) -> str:
        commits = self.repos[repo][branch]
        files = dict(commits[-1][1])
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        oid = hashlib.sha1(f"{branch}{len(commits)}".encode()).hexdigest()
        commits.append((oid, files))
        return oid


class Handler(BaseHTTPRequestHandler):
    """The few addresses of the hub that an upload and a download ask for."""

    def log_message(self, *_):
        """Say nothing."""

    def answer(self, code, content=b"", **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.asked.append(("POST", path))
        hub.tokens.add(self.headers["Authorization"])
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if path == "/api/repos/create":
            name = json.loads(body)["name"]
            owner = json.loads(body).get("organization")
            repo = f"{owner}/{name}" if owner else name
            if repo.startswith("locked/"):
                return self.answer(403, {"error": "no rights"})
            if repo in hub.repos:
                return self.answer(409, {"error": "exists", "url": f"{self.server.url}/{repo}"})
            hub.repos[repo] = {"main": [(hashlib.sha1(repo.encode()).hexdigest(), {})]}
            return self.answer(200, {"url": f"{self.server.url}/{repo}"})
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        _, _, _, owner, name, action, *rest = path.split("/")
        repo = f"{owner}/{name}"
        if action == "branch":
            if rest[0] in hub.repos[repo]:
                return self.answer(409, {"error": "exists"})
            hub.repos[repo][rest[0]] = list(hub.repos[repo]["main"])
            return self.answer(200, {})
        if action == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        assert action == "commit"
        oid = hub.commit(repo, rest[0], [json.loads(line) for line in body.splitlines()])
        url = f"{self.server.url}/{repo}/commit/{oid}"
        return self.answer(200, {"commitUrl": url, "commitOid": oid, "success": True})

    def do_GET(self):
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path))
        if path == "/api/whoami-v2":
            return self.answer(200, {"name": "owner", "type": "user", "orgs": []})
        if path.startswith("/api/models/"):
            _, _, _, owner, name, *rest = path.split("/")
            found = hub.files(f"{owner}/{name}", rest[1] if rest else "main")
            if found is None:
                return self.answer(404, {}, X_Error_Code="RevisionNotFound")
            siblings = [{"rfilename": file} for file in found[1]]
            repo = f"{owner}/{name}"
            return self.answer(200, {"id": repo, "sha": found[0], "siblings": siblings})
        _, owner, name, _, revision, file = path.split("/")
        found = hub.files(f"{owner}/{name}", revision)
        if found is None or file not in found[1]:
            what = "RevisionNotFound" if found is None else "EntryNotFound"
            return self.answer(404, {"error": what}, X_Error_Code=what)
        content = found[1][file]
        tag = hashlib.sha256(content).hexdigest()
        return self.answer(200, content, ETag=f'"{tag}"', X_Repo_Commit=found[0])

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub, server.url = Hub(), f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.hub, server.url
    server.shutdown()


def run(code: str, folder, endpoint: str, **more: str) -> subprocess.CompletedProcess:
    """Python code with an endpoint of its own, which the hub's package reads when imported."""
    environment = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "hub"),
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        **more,
    }
    command = [sys.executable, "-c", f"from helpers import small_model\n{code}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


PUSH = """
first = small_model().push_to_hub(
    "owner/repo:dynamix-mine", description="Made for a test.", metadata={"license": "cc-by-4.0"}
)
other = small_model(seed=5).push_to_hub("owner/repo:dynamix-mine", revision="trial")
print(first, other)
"""
LOAD = """
import torch
from dynamix import DynaMix
for address, seed in zip(ADDRESSES, (0, 0, 5, 5)):
    model = DynaMix.from_pretrained(address)
    torch.testing.assert_close(model.gate.V, small_model(seed=seed).gate.V, rtol=0, atol=0)
    assert model.config == small_model().config
print("same")
"""


def test_what_is_pushed_comes_back(hub, tmp_path):
    kept, endpoint = hub
    done = run(PUSH, tmp_path, endpoint)
    assert done.returncode == 0, done.stderr
    first, other = done.stdout.split()
    assert first.startswith("owner/repo:dynamix-mine@")
    assert kept.tokens == {"Bearer hf_secret"}
    branches = kept.repos["owner/repo"]
    assert {name: len(commits) - 1 for name, commits in branches.items()} == {"main": 1, "trial": 2}
    files = branches["main"][-1][1]
    assert set(files) == {"dynamix-mine.safetensors", "config_mine.json", "README.md"}
    assert branches["trial"][-1][1]["README.md"] == files["README.md"]  # a card is kept
    _, header, text = files["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(header) == {
        "license": "cc-by-4.0",
        "library_name": "dynamix-companion",
        "pipeline_tag": "time-series-forecasting",
        "tags": ["time-series-forecasting", "dynamical-systems", "zero-shot", "dynamix"],
    }
    assert "Made for a test." in text
    assert 'model="owner/repo:dynamix-mine"' in text
    assert "| Experts | `4` |" in text

    addresses = ["owner/repo:dynamix-mine", first, f"{first.split('@')[0]}@trial", other]
    code = f"ADDRESSES = {addresses}\n{LOAD}"
    done = run(code, tmp_path, endpoint)
    assert done.stdout == "same\n", done.stderr
    # the hub's folder on this machine holds them from then on
    asked = len(kept.asked)
    done = run(code, tmp_path, endpoint, HF_HUB_OFFLINE="1")
    assert done.stdout == "same\n", done.stderr
    assert len(kept.asked) == asked


MOVED = """
import logging, sys, torch
from dynamix import DynaMix
logging.basicConfig(stream=sys.stdout, format="%(message)s")
def loads(address, seed):
    model = DynaMix.from_pretrained(address)
    torch.testing.assert_close(model.gate.V, small_model(seed=seed).gate.V, rtol=0, atol=0)
name = "owner/repo:dynamix-mine"
first = small_model(seed=0).push_to_hub(name)
loads(name, 0)
second = small_model(seed=5).push_to_hub(name)
loads(name, 5)
loads(first, 0)
print(first, second)
"""


def test_a_name_without_a_revision_is_the_newest_and_says_its_commit(hub, tmp_path):
    done = run(MOVED, tmp_path, hub[1])
    assert done.returncode == 0, done.stderr
    *warnings, addresses = done.stdout.splitlines()
    commits = [address.partition("@")[2] for address in addresses.split()]
    told = [line for line in warnings if "name it with @" in line]
    assert told == [f"owner/repo:dynamix-mine is of commit {c}; name it with @{c}" for c in commits]


def test_a_hub_that_refuses_is_one_message(hub, tmp_path):
    code = """
from dynamix import InputError
try:
    small_model().push_to_hub("locked/repo:mine")
except InputError as error:
    print(str(error).replace("\\n", " "))
"""
    done = run(code, tmp_path, hub[1])
    assert done.stdout.startswith("could not upload to 'locked/repo' (HfHubHTTPError: "), done
    assert "hf auth login" in done.stdout


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("owner/repo", {}, "a hub address is 'owner/repo:checkpoint', found 'owner/repo'"),
        ("mine", {}, "a hub address"),
        ("a/b:../c", {}, "a hub address"),
        ("a/b:c@main", {}, "A branch is named by revision"),
        ("a/b:c", {"revision": "0123456789abcdef" * 2 + "01234567"}, "must be a branch"),
    ],
)
def test_what_is_no_address_never_goes_to_the_hub(address, options, message, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", lambda *_, **__: pytest.fail("hub"))
    with pytest.raises(InputError, match=message):
        push_to_hub(small_model(), address, **options)
