"""Results that only a remote has: what is planned, fetched, shared, and what is not paid for again."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chain import Chain, commit, dvc, git

from motools.base import trusted_hosts
from motools.repo.project import Project
from motools.repo.remote import Remote

READS = """def prepare(config, input_atoms, workspace):
    Path(__file__).with_name("rows.txt").read_text()
"""
PAID = ("Config, train)", "Config, train, paid=True)")


@pytest.fixture
def chain(project: Path) -> Chain:
    chain = Chain.lay(project)
    remote(chain, str(project.parent / "store"))
    return chain


def remote(chain: Chain, url: str, *more: str) -> None:
    dvc(chain.folder, "remote", "add", "-q", "-f", "-d", "store", url)
    for name, value in (word.split("=", 1) for word in more):
        dvc(chain.folder, "remote", "modify", "-q", "store", name, value)


def made(chain: Chain) -> None:
    """All three steps run, committed and pushed by plain DVC."""
    assert chain.run().code == 0
    commit(chain.folder)
    dvc(chain.folder, "push", "-q")


def clone(chain: Chain, name: str = "clone") -> Chain:
    target = chain.folder.parent / name
    git(chain.folder, "clone", "-q", ".", str(target))
    return Chain(target)


def plans(chain: Chain) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(chain.command("status", str(chain.folder), "--json").out)
    return found


def test_a_clone_executes_nothing_that_the_remote_has(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    done = there.run()
    assert done.code == 0, done.err
    assert done.statuses == ["restored"] * 3
    assert there.executed() == []
    assert there.dvc_status() == {}
    assert git(there.folder, "status", "--porcelain") == ""


def test_status_says_fetch_with_the_size_and_brings_no_output(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    assert [plan["action"] for plan in plans(there)] == ["fetch"] * 3
    sizes = [plan["bytes"] for plan in plans(there)]
    assert all(isinstance(size, int) and size > 100 for size in sizes)
    shown = there.command("status", str(there.folder)).out
    assert "from the remote" in shown
    store = Project(there.folder).store
    assert not any(store.has(there.oid(f"atoms/{name}")) for name in ("dataset", "model", "results"))


def test_an_edit_in_a_clone_executes_what_it_changes_and_fetches_the_rest(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    there.set("evaluate", seed=7)
    assert [plan["action"] for plan in plans(there)] == ["fetch", "fetch", "run"]
    assert there.run().statuses == ["restored", "restored", "finished"]
    assert there.executed() == ["results"]


def test_only_the_last_step_of_a_clone_fetches_what_it_needs(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    assert there.run("--stages", "evaluate").code == 0
    assert there.executed() == []


def test_a_step_that_dvc_runs_fetches_too(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    dvc(there.folder, "repro", "-q", "--single-item", "prepare")
    assert there.executed() == []


def test_what_the_cache_has_lost_and_the_remote_has_is_fetched(chain: Chain) -> None:
    made(chain)
    chain.set("train", seed=1)
    chain.run()
    commit(chain.folder)
    dvc(chain.folder, "push", "-q")
    shutil.rmtree(chain.path(".dvc", "cache", "files"))
    for packed in chain.path(".dvc", "cache", "runs").rglob("*.zip"):
        packed.unlink()
    chain.set("train", seed=0)
    chain.executed()
    assert [plan["action"] for plan in plans(chain)] == ["restore", "fetch", "fetch"]
    assert chain.run().code == 0
    assert chain.executed() == []


def test_what_the_remote_lacks_is_executed(chain: Chain) -> None:
    chain.run()
    commit(chain.folder)
    (chain.folder.parent / "store").mkdir()
    there = clone(chain)
    done = there.run()
    assert done.statuses == ["finished"] * 3


def test_data_that_dvc_tracks_is_brought_into_a_clone_too(chain: Chain) -> None:
    chain.path("rows.txt").write_text("some rows")
    chain.edit("chain.py", "def prepare(config, input_atoms, workspace):\n", READS)
    dvc(chain.folder, "add", "-q", "rows.txt")
    made(chain)
    there = clone(chain)
    assert [plan["action"] for plan in plans(there)] == ["fetch"] * 3
    assert there.run().statuses == ["restored"] * 3
    assert there.path("rows.txt").read_text() == "some rows"
    assert there.dvc_status() == {}
    assert there.executed() == []


# -- a remote that cannot be asked ------------------------------------------------


def test_without_its_remote_a_clone_executes_what_is_free_and_says_so(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    shutil.rmtree(chain.folder.parent / "store")
    assert [plan["action"] for plan in plans(there)] == ["run", "maybe", "maybe"]
    done = there.command("run", str(there.folder))
    assert done.code == 0, done.err
    assert "The DVC remote 'store' (" in done.said
    assert "cannot be reached" in done.said
    assert there.executed() == ["dataset", "model", "results"]


def test_without_its_remote_nothing_is_paid_for_until_the_person_says_so(chain: Chain) -> None:
    chain.edit("chain.py", *PAID)
    made(chain)
    there = clone(chain)
    shutil.rmtree(chain.folder.parent / "store")
    done = there.run()
    assert done.code == 2
    assert "cannot be reached" in done.sentence
    assert "paid for again (train)" in done.sentence
    assert done.sentence.endswith("motools run --without-remote")
    assert there.executed() == []
    assert not there.path("atoms", "dataset").exists()
    assert "paid for again (train)" in there.command("status", str(there.folder)).said
    one = dvc(there.folder, "repro", "-q", ok=False)
    assert one.returncode != 0
    assert there.executed() == ["dataset"]
    assert there.run("--without-remote").code == 0
    assert there.executed() == ["model", "results"]


def test_whether_a_step_is_paid_may_depend_on_its_config(chain: Chain) -> None:
    chain.edit("chain.py", "Config, train)", "Config, train, paid=lambda config, atoms: config.seed == 5)")
    made(chain)
    there = clone(chain)
    shutil.rmtree(chain.folder.parent / "store")
    there.set("train", seed=5)
    assert there.run().code == 2
    there.set("train", seed=4)
    assert there.run().code == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gs://bucket/folder", "needs the plug-in dvc-gs, which is not installed: type pip install dvc-gs"),
        ("nonsense://bucket/folder", "cannot be used"),
        ("http://127.0.0.1:9/folder", "cannot be reached"),
    ],
)
def test_a_remote_that_cannot_be_asked_is_told_in_a_sentence(chain: Chain, url: str, words: str) -> None:
    chain.edit("chain.py", *PAID)
    made(chain)
    text = chain.path(".dvc", "config").read_text()
    chain.path(".dvc", "config").write_text(
        "\n".join(f"    url = {url}" if line.strip().startswith("url") else line for line in text.splitlines())
    )
    commit(chain.folder)
    there = clone(chain)
    done = there.run()
    assert done.code == 2
    assert words in done.sentence
    assert url in done.sentence
    assert there.executed() == []


@pytest.fixture
def closed() -> Iterator[str]:
    """A server that lets nobody in."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/store"
        server.shutdown()


def test_a_remote_that_asks_for_credentials_says_so(chain: Chain, closed: str) -> None:
    chain.edit("chain.py", *PAID)
    made(chain)
    remote(chain, closed)
    commit(chain.folder)
    done = clone(chain).run()
    assert done.code == 2
    assert "credentials" in done.sentence
    assert "--without-remote" in done.sentence


# -- sharing ------------------------------------------------------------------------


def test_a_pulled_result_is_found_when_a_parameter_goes_there_and_back(chain: Chain) -> None:
    made(chain)
    there = clone(chain)
    dvc(there.folder, "pull", "-q")
    shutil.rmtree(chain.folder.parent / "store")
    there.set("evaluate", seed=3)
    assert there.run("--without-remote").statuses == ["current", "current", "finished"]
    there.set("evaluate", seed=0)
    assert there.run("--without-remote").statuses == ["current", "current", "restored"]
    assert there.executed() == ["results"]


def test_push_and_pull_share_earlier_results_too(chain: Chain) -> None:
    chain.run()
    commit(chain.folder)
    chain.set("train", seed=1)
    chain.run()
    commit(chain.folder)
    told = json.loads(chain.command("push", "--json").out)
    assert told["remote"] == "store"
    assert told["results"] == 5
    there = clone(chain)
    with contextlib.chdir(there.folder):
        done = there.command("pull")
    assert done.code == 0, done.err
    assert "the step cache here has 5 results" in done.out
    shutil.rmtree(chain.folder.parent / "store")
    there.set("train", seed=0)
    assert there.run("--without-remote").code == 0
    assert there.executed() == []


def test_what_a_remote_has_lost_is_pushed_again_and_is_not_taken_for_there(chain: Chain) -> None:
    chain.run()
    chain.set("train", seed=1)
    chain.run()
    commit(chain.folder)
    store = chain.folder.parent / "store"

    def files() -> set[Path]:
        return {path.relative_to(store) for path in store.rglob("*") if path.is_file()}

    assert chain.command("push", "-q").code == 0
    pushed = files()
    shutil.rmtree(store / "files")  # as by somebody's `dvc gc --cloud`
    assert chain.command("push", "-q").code == 0
    assert files() == pushed
    there = clone(chain)
    assert there.run().statuses == ["restored", "restored", "restored"]
    project = Project(there.folder)
    oid = there.oid("atoms/dataset")
    for lost in (f for name, f in project.store.tree(oid).items() if name.startswith("data/")):
        project.store.path(lost).unlink()
        (store / "files" / "md5" / lost[:2] / lost[2:]).unlink()
    remote = Remote(project)
    assert (remote.fetch([oid]), remote.problem) == (False, None)


def test_dvc_itself_shares_earlier_results_that_are_small(chain: Chain) -> None:
    chain.run()
    chain.set("train", seed=1)
    chain.run()
    commit(chain.folder)
    dvc(chain.folder, "push", "-q", "--run-cache")
    there = clone(chain)
    dvc(there.folder, "pull", "-q", "--run-cache")
    shutil.rmtree(chain.folder.parent / "store")
    there.set("train", seed=0)
    assert there.run("--without-remote").code == 0
    assert there.executed() == []


def test_before_paying_the_remote_is_asked_for_results_that_nothing_here_names(chain: Chain) -> None:
    chain.edit("chain.py", *PAID)
    commit(chain.folder)
    there = clone(chain)
    chain.run()
    assert chain.command("push", "-q").code == 0
    done = there.run()
    assert done.code == 0, done.err
    assert there.executed() == ["dataset", "results"]
    assert done.statuses == ["finished", "restored", "finished"]


def test_push_without_a_remote_says_how_to_add_one(project: Path) -> None:
    done = Chain.lay(project).command("push")
    assert done.code == 2
    assert done.sentence == "There is no remote to share results by. Type: dvc remote add -d NAME URL"
    done = Chain(project).command("pull", "--remote", "nowhere")
    assert done.code == 2
    assert "'nowhere'" in done.sentence


# -- S3 -------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server on this machine, with a bucket called results."""
    pytest.importorskip("dvc_s3")
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    import boto3

    for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="results")
    trusted_hosts.allow(f"{host}:{port}")
    yield f"http://{host}:{port}"
    server.stop()


TOKEN = "a-token-of-their-own"
OTHERS = {
    "a command": (
        "webdavs://dav.example.org/x",
        {"bearer_token_command": "touch ran; echo x"},
        {},
        "bearer_token_command",
    ),
    "a file that may name a command": ("s3://results/x", {"configpath": "aws"}, {}, "configpath"),
    "no check of who answers": ("https://data.example.org/x", {"ssl_verify": "false"}, {}, "ssl_verify"),
    "an endpoint": ("s3://results/x", {"endpointurl": "https://s3.example.org"}, {}, "motools trust s3.example.org"),
    "a host for one's password": ("https://x.example.org/x", {}, {"password": TOKEN}, "motools trust x.example.org"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_committed_configuration_has_no_command_run_and_no_credentials_sent(what: str, chain: Chain) -> None:
    url, committed, own, told = OTHERS[what]
    remote(chain, url, *(f"{name}={value}" for name, value in committed.items()))
    for name, value in own.items():
        dvc(chain.folder, "remote", "modify", "-q", "--local", "store", name, value)
    git(chain.folder, "add", "-A")
    asked = Remote(Project(chain.folder))
    assert not asked.look(["0" * 32])
    assert asked.problem is not None
    assert told in str(asked.problem)
    assert ".dvc/config, which git keeps," in str(asked.problem)
    assert TOKEN not in str(asked.problem)
    assert not chain.path("ran").exists()


ENDPOINT = ("url = s3://results/x", "endpointurl = https://s3.example.org")
WAYS_IN = {
    "as a part of another remote": (
        ".dvc/config",
        {"base": ENDPOINT, "store": ("url = remote://base/below",)},
        "motools trust s3.example.org",
    ),
    "as what is a person's own": (".dvc/config.local", {"store": ENDPOINT}, "motools trust s3.example.org"),
    "behind a link": ("behind/config", {"store": ENDPOINT}, "motools trust s3.example.org"),
    "in a name that becomes an address": (
        ".dvc/config",
        {"store": ("url = azure://results", "account_name = az.example.org/x")},
        "motools trust az.example.org",
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_no_committed_configuration_is_taken_for_a_persons_own(way: str, chain: Chain) -> None:
    file, remotes, told = WAYS_IN[way]
    if file.startswith("behind"):
        chain.path(".dvc").rename(chain.path("behind"))
        chain.path(".dvc").symlink_to("behind")
    sections = [f"['remote \"{name}\"']\n" + "\n".join(lines) for name, lines in remotes.items()]
    chain.path(".dvc", "config").write_text("[core]\nremote = store\n")
    with chain.path(file).open("a") as config:
        config.write("\n".join([*sections, ""]))
    git(chain.folder, "add", "-A")
    git(chain.folder, "add", "-f", file)
    asked = Remote(Project(chain.folder))
    assert not asked.look(["0" * 32])
    assert told in str(asked.problem)
    assert f"{Path(file).name}, which git keeps," in str(asked.problem)


def test_a_password_in_the_address_of_a_remote_is_not_shown(chain: Chain) -> None:
    remote(chain, "http://ada:pass-word@127.0.0.1:9/x")
    asked = Remote(Project(chain.folder))
    asked.look(["0" * 32])
    assert "(http://127.0.0.1:9/x) cannot be reached" in str(asked.problem)
    assert "pass-word" not in str(asked.problem)


def test_what_a_persons_own_configuration_says_of_a_remote_is_followed(chain: Chain) -> None:
    remote(chain, "s3://results/x")
    git(chain.folder, "add", "-A")
    dvc(chain.folder, "remote", "modify", "-q", "--local", "store", "endpointurl", "http://127.0.0.1:9")
    dvc(chain.folder, "remote", "modify", "-q", "--local", "store", "configpath", "aws")
    assert Remote(Project(chain.folder))._distrusted() is None


def test_a_public_server_of_a_committed_configuration_is_read_without_a_question(chain: Chain) -> None:
    remote(chain, "https://data.example.org/x")
    git(chain.folder, "add", "-A")
    assert Remote(Project(chain.folder))._distrusted() is None


def test_a_clone_executes_nothing_that_s3_has(chain: Chain, bucket: str) -> None:
    remote(chain, "s3://results/motools", f"endpointurl={bucket}")
    assert chain.run().code == 0
    commit(chain.folder)
    chain.set("train", seed=1)
    chain.run()
    commit(chain.folder)
    assert chain.command("push", "-q").code == 0
    there = clone(chain)
    assert [plan["action"] for plan in plans(there)] == ["fetch"] * 3
    assert there.run().statuses == ["restored"] * 3
    there.set("train", seed=0)
    with contextlib.chdir(there.folder):
        assert there.command("pull", "-q").code == 0
    assert there.run().statuses == ["current", "restored", "restored"]
    assert there.executed() == []


def test_s3_without_credentials_or_its_bucket_is_told(
    chain: Chain, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.edit("chain.py", *PAID)
    made(chain)
    remote(chain, "s3://other/motools", f"endpointurl={bucket}")
    commit(chain.folder)
    there = clone(chain)
    done = there.run()
    assert done.code == 2
    assert "cannot be reached" in done.sentence
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = there.run()
    assert done.code == 2
    assert "credentials" in done.sentence


@pytest.fixture
def ill(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Counter[str]]]:
    """The address of a server that is out of order, and how often each thing was asked of it."""
    pytest.importorskip("dvc_s3")
    asked: Counter[str] = Counter()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[f"{self.command} {self.path}"] += 1
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    for name, value in {"ACCESS_KEY_ID": "any", "SECRET_ACCESS_KEY": "any", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        trusted_hosts.allow(f"127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("words", [("lineage", "results"), ("compare", ".", "results")])
def test_a_command_that_reads_asks_a_remote_that_is_out_of_order_once_and_names_it(
    chain: Chain, ill: tuple[str, Counter[str]], words: tuple[str, ...]
) -> None:
    address, asked = ill
    made(chain)
    remote(chain, "s3://results/motools", f"endpointurl={address}")
    commit(chain.folder)
    there = clone(chain)
    for name in ("results", f"eval-{chain.oid('atoms/results').removesuffix('.dir')}", f"eval-{'0' * 32}"):
        asked.clear()
        with contextlib.chdir(there.folder):
            done = there.command("lineage", name)
        assert done.code == 2
        assert done.sentence.startswith("The DVC remote 'store' (s3://results/motools) cannot be reached")
        assert asked.total() == 1


@pytest.mark.parametrize("kind", ["s3", "http"])
def test_what_is_at_hand_is_told_though_the_remote_cannot_be_asked(
    chain: Chain, ill: tuple[str, Counter[str]], kind: str
) -> None:
    address, asked = ill
    made(chain)
    url, *more = ["s3://results/motools", f"endpointurl={address}"] if kind == "s3" else [f"{address}/motools"]
    remote(chain, url, *more)
    oid = chain.oid("atoms/dataset")
    chain.path(".dvc/cache/files/md5", oid[:2], oid[2:]).unlink()
    shutil.rmtree(chain.path("atoms/dataset"))
    done = chain.command("lineage", "results")
    assert done.code == 0, done.err
    assert "model: model-" in done.out
    assert "(not at hand)" in done.out
    assert done.said.count(f"The DVC remote 'store' ({url}) cannot be reached") == 1
    assert max(asked.values()) == 1


@pytest.fixture(params=["folder", "s3", "http"])
def shelf(request: pytest.FixtureRequest, chain: Chain) -> Iterator[Callable[[str, bytes], None]]:
    """A remote of each kind; puts bytes there under a name."""
    folder = chain.folder.parent / "store"
    if request.param == "s3":
        import boto3

        address = request.getfixturevalue("bucket")
        remote(chain, "s3://results/store", f"endpointurl={address}")
        client = boto3.client("s3", endpoint_url=address)
        yield lambda name, data: client.put_object(Bucket="results", Key=f"store/{name}", Body=data)
        return

    def put(name: str, data: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if request.param == "http":
            threading.Thread(target=server.serve_forever, daemon=True).start()
            remote(chain, f"http://127.0.0.1:{server.server_port}")
        yield put
        if request.param == "http":
            server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


def test_small_objects_are_read_and_what_is_missing_or_something_else_is_left(
    chain: Chain, shelf: Callable[[str, bytes], None]
) -> None:
    oids = [hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"one", b"two", b"other", b"none")]
    oids[1] += ".dir"
    for oid, data in zip(oids, (b"one", b"two", b"damaged"), strict=False):
        shelf(f"files/md5/{oid[:2]}/{oid[2:]}", data)
    project = Project(chain.folder)
    asked = Remote(project)
    asked.read(oids[2:])
    asked.read(oids)
    assert asked.problem is None
    assert project.missing(oids) == {*oids[2:]}
    assert [project.store.read(oid) for oid in oids[:2]] == [b"one", b"two"]
