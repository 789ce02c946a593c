"""Fetching published files from a real server that can fail, and sampling their rows."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motools.errors import DamagedError, UserError
from mozoo import fetching
from mozoo.sources import FetchError, Source, digest_of, fetch, load, rows, sample

CONTENT = b"".join(b'{"number": %d}\n' % number for number in range(50))


def numbers(every: list[dict[str, int]]) -> list[int]:
    return [row["number"] for row in every]


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_matching_content_is_loaded_and_lies_where_the_source_says(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    path = fetch(source, tmp_path)
    assert path == source.cached(tmp_path)
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [path]


def test_a_second_load_makes_no_request(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    assert load(source, tmp_path) == load(source, tmp_path)
    assert mirror.requests == [f"/{source.repo}/{source.commit}/{source.path}"]


def test_a_refresh_downloads_again(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    fetch(source, tmp_path)
    fetch(source, tmp_path, refresh=True)
    assert len(mirror.requests) == 2


def test_wrong_content_is_refused_with_both_digests(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    mirror.serve(source, b"{}\n")
    with pytest.raises(DamagedError) as error:
        fetch(source, tmp_path)
    assert source.digest in str(error.value)
    assert "git:0967ef424bce6791893e9a57bb952f80fd536e93" in str(error.value)  # of "{}\n"
    assert len(mirror.requests) == 1  # what is wrong stays wrong
    assert files_in(tmp_path) == []


def test_wrong_content_on_refresh_leaves_the_good_copy(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    path = fetch(source, tmp_path)
    mirror.serve(source, b"{}\n")
    with pytest.raises(DamagedError, match="is kept"):
        fetch(source, tmp_path, refresh=True)
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [path]
    assert fetch(source, tmp_path) == path


def test_a_damaged_copy_in_the_cache_is_downloaded_again(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    path = fetch(source, tmp_path)
    path.write_bytes(CONTENT[:-1])
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert len(mirror.requests) == 2


def test_a_damaged_copy_is_not_used_when_the_download_fails(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    fetch(source, tmp_path).write_bytes(b"half")
    mirror.status, mirror.failures = 500, -1
    with pytest.raises(FetchError) as error:
        fetch(source, tmp_path)
    assert "is kept" not in str(error.value)


@pytest.mark.parametrize("status", [404, 500])
def test_a_failed_refresh_keeps_the_good_copy(mirror, tmp_path, status):
    source = mirror.publish(CONTENT)
    path = fetch(source, tmp_path)
    mirror.status, mirror.failures = status, -1
    with pytest.raises(FetchError, match=f"answered {status} .*is kept"):
        fetch(source, tmp_path, refresh=True)
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [path]
    assert numbers(load(source, tmp_path)) == list(range(50))


def test_a_refused_request_is_final_and_says_what_to_do(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    mirror.files.clear()
    with pytest.raises(FetchError) as error:
        fetch(source, tmp_path)
    message = str(error.value)
    assert source.mirrored in message
    assert f"put the file at {source.cached(tmp_path)}" in message
    assert "MOTOOLS_MIRROR" in message
    assert len(mirror.requests) == 1


def test_a_server_that_recovers_is_asked_again(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    mirror.status, mirror.failures = 503, 2
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert len(mirror.requests) == 3


def test_a_server_that_stays_down_is_given_up(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    mirror.status, mirror.failures = 500, -1
    with pytest.raises(FetchError, match="answered 500"):
        fetch(source, tmp_path)
    assert len(mirror.requests) == fetching.ATTEMPTS


def test_a_download_that_breaks_off_is_not_taken_for_the_file_and_is_continued(mirror, tmp_path):
    content = CONTENT * 200
    source = mirror.publish(content)
    mirror.withheld = 10
    with pytest.raises(FetchError, match="Could not download"):
        fetch(source, tmp_path)
    assert not source.cached(tmp_path).exists()
    mirror.withheld = 0
    assert fetch(source, tmp_path).read_bytes() == content
    first, *_, last = mirror.asked_ranges
    assert first is None
    assert int(last[len("bytes=") : -1]) > len(content) // 2
    assert files_in(tmp_path) == [source.cached(tmp_path)]


@pytest.mark.cold
def test_a_download_that_is_killed_is_continued_by_the_next_process(mirror, tmp_path):
    content = CONTENT * 500
    source = mirror.publish(content)
    mirror.stall = 60
    code = f"from mozoo.sources import Source, fetch; fetch({source!r}, {str(tmp_path)!r})"
    part = source.cached(tmp_path).with_name(".rows.jsonl.part")
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        deadline = time.monotonic() + 300
        while not (part.exists() and part.stat().st_size > len(content) // 3) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    mirror.stall = 0
    assert fetch(source, tmp_path).read_bytes() == content
    assert int(mirror.asked_ranges[-1][len("bytes=") : -1]) > len(content) // 3
    assert len(mirror.requests) == 2


def test_a_server_that_does_not_stop_sending_is_given_up(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "LARGEST", 100)
    with pytest.raises(FetchError, match="sends more than 100 bytes"):
        fetch(mirror.publish(CONTENT), tmp_path)


def test_a_mirror_that_is_no_address_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("MOTOOLS_MIRROR", "not an address")
    with pytest.raises(FetchError, match="Could not download not an address/a/b"):
        fetch(Source("a/b", "c", "d.jsonl", "git:0"), tmp_path)


def test_a_server_without_ranges_is_asked_from_the_beginning(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    mirror.withheld, mirror.ranges = 10, False
    with pytest.raises(FetchError):
        fetch(source, tmp_path)
    mirror.withheld = 0
    assert fetch(source, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("junk", [b"<html>", b"x" * 10_000])
def test_what_is_no_part_of_the_file_is_thrown_away_and_the_file_comes_whole(mirror, tmp_path, junk):
    source = mirror.publish(CONTENT)
    part = source.cached(tmp_path).with_name(".rows.jsonl.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(junk)
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert files_in(tmp_path) == [source.cached(tmp_path)]


def test_a_part_that_is_the_whole_file_is_put_in_place_without_a_request(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    part = source.cached(tmp_path).with_name(".rows.jsonl.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert fetch(source, tmp_path).read_bytes() == CONTENT
    assert mirror.requests == []


def test_of_several_processes_that_want_a_file_one_downloads_it(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    mirror.delay = 0.5
    code = f"from mozoo.sources import Source, fetch; fetch({source!r}, {str(tmp_path)!r})"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(300) for process in running] == [0, 0, 0]
    assert len(mirror.requests) == 1
    assert files_in(tmp_path) == [source.cached(tmp_path)]


def test_offline_nothing_is_requested_and_what_is_missing_is_a_sentence(mirror, tmp_path, monkeypatch):
    source = mirror.publish(CONTENT)
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    with pytest.raises(FetchError) as error:
        fetch(source, tmp_path)
    assert "because MOTOOLS_OFFLINE is set" in str(error.value)
    assert f"put the file at {source.cached(tmp_path)}" in str(error.value)
    assert mirror.requests == []
    monkeypatch.setenv("MOTOOLS_OFFLINE", "0")
    path = fetch(source, tmp_path)
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    assert fetch(source, tmp_path) == path
    with pytest.raises(FetchError, match=r"MOTOOLS_OFFLINE is set.*is kept"):
        fetch(source, tmp_path, refresh=True)
    assert path.read_bytes() == CONTENT


def test_a_wrong_file_at_the_place_that_an_error_names_is_told_from_a_missing_one(mirror, tmp_path, monkeypatch):
    source = mirror.publish(CONTENT)
    monkeypatch.setenv("MOTOOLS_OFFLINE", "1")
    path = source.cached(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another file")
    with pytest.raises(FetchError) as error:
        fetch(source, tmp_path)
    seen = digest_of(path, source.digest)
    assert f"replace {path}, whose content is not the published one: it is {seen}, not {source.digest}" in str(
        error.value
    )
    path.write_bytes(CONTENT)
    assert fetch(source, tmp_path) == path


def test_the_cache_of_all_projects_can_be_moved(mirror, tmp_path, monkeypatch):
    source = mirror.publish(CONTENT)
    monkeypatch.setenv("MOTOOLS_CACHE", str(tmp_path / "moved"))
    assert tmp_path / "moved" in fetch(source).parents
    assert tmp_path / "named" in fetch(source, tmp_path / "named").parents


def test_rows_know_the_published_file_they_come_from_whatever_mirror_was_used(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    (origin,) = load(source, tmp_path, sample_size=3).sources
    assert origin.as_dict() == {"url": source.url, "revision": "0" * 40, "content": source.digest}


def unpinned(mirror, content=CONTENT):
    source = Source("someone/things", "main", "data/rows.jsonl", "")
    mirror.serve(source, content)
    return source


def test_what_nothing_pins_is_known_by_the_digest_that_was_seen(mirror, tmp_path):
    source = unpinned(mirror)
    (origin,) = load(source, tmp_path).sources
    assert not source.pinned
    assert origin.revision == "main"
    assert origin.content == digest_of(source.cached(tmp_path), "sha256:")
    mirror.serve(source, b'{"number": 0}\n')
    assert len(load(source, tmp_path)) == 50
    assert len(load(source, tmp_path, refresh=True)) == 1
    assert len(load(source, tmp_path)) == 1
    assert len(mirror.requests) == 2


def test_damage_to_what_nothing_pins_shows(mirror, tmp_path):
    source = unpinned(mirror)
    fetch(source, tmp_path).write_bytes(b'{"number": 7}\n')
    assert len(load(source, tmp_path)) == 50
    assert len(mirror.requests) == 2


def test_an_unreachable_server_is_a_sentence(tmp_path, monkeypatch):
    with socket.socket() as taken:  # bound but not listening: connecting is refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MOTOOLS_MIRROR", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(fetching, "PAUSE", 0.0)
        source = Source("a/b", "c", "d.jsonl", "git:0")
        with pytest.raises(FetchError, match=r"Could not download http://127.*refused") as error:
            fetch(source, tmp_path)
    assert "0x" not in str(error.value)  # no object's address


def test_a_silent_server_is_given_up(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", (1, 0.2))
    mirror.silent = True
    started = time.monotonic()
    with pytest.raises(FetchError, match="timed out"):
        fetch(mirror.publish(CONTENT), tmp_path)
    assert time.monotonic() - started < 200  # it would be silent for 300 s


def test_a_cache_folder_that_cannot_be_used_is_a_sentence(mirror, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="cache_dir"):
        fetch(mirror.publish(CONTENT), tmp_path / "file")


def test_the_file_may_be_put_into_the_cache_by_hand(tmp_path, mirror):
    source = mirror.publish(CONTENT)
    path = source.cached(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert len(load(source, tmp_path)) == 50
    assert mirror.requests == []


def test_the_cache_is_the_users_own_unless_named(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    source = mirror.publish(CONTENT)
    assert tmp_path / "home" in fetch(source).parents
    assert tmp_path / "near" in fetch(source, "near").parents


def test_without_a_mirror_the_address_is_githubs(monkeypatch):
    monkeypatch.delenv("MOTOOLS_MIRROR", raising=False)
    source = Source("owner/name", "abc", "folder/file.jsonl", "git:0")
    assert source.mirrored == source.url
    assert source.url == "https://raw.githubusercontent.com/owner/name/abc/folder/file.jsonl"


def test_the_blob_id_is_the_one_that_git_prints(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    printed = subprocess.run(["git", "hash-object", path], capture_output=True, text=True)
    assert digest_of(path, "git:") == f"git:{printed.stdout.strip()}"


def test_a_file_may_be_pinned_by_its_sha256(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    known = fetch(source, tmp_path / "one")
    pinned = Source(source.repo, source.commit, source.path, digest_of(known, "sha256:"))
    assert fetch(pinned, tmp_path / "two").read_bytes() == CONTENT


def test_another_number_of_rows_than_declared_is_damage(mirror, tmp_path):
    with pytest.raises(DamagedError, match="50 rows where 51"):
        load(mirror.publish(CONTENT, rows=51), tmp_path)


def test_a_sample_larger_than_declared_is_refused_before_the_download(mirror, tmp_path):
    with pytest.raises(UserError, match="51, but there are 50"):
        load(mirror.publish(CONTENT, rows=50), tmp_path, sample_size=51)
    assert mirror.requests == []


def test_rows_are_read_one_by_one_and_empty_lines_skipped(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "\u2028"}\n\n{"a": 2}', encoding="utf-8")
    assert list(rows(path)) == [{"a": "\u2028"}, {"a": 2}]


@pytest.mark.parametrize("line", [b"{oops", b"[1]", b'{"a": "\xff"}'])
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + line + b"\n")
    with pytest.raises(UserError, match=r"rows\.jsonl, line 3: "):
        list(rows(path))


def test_equal_seeds_give_equal_rows_and_other_seeds_others(mirror, tmp_path):
    source = mirror.publish(CONTENT)
    first = load(source, tmp_path, sample_size=20, seed=7)
    assert first == load(source, tmp_path, sample_size=20, seed=7)
    assert first != load(source, tmp_path, sample_size=20, seed=8)


def test_a_sample_is_the_same_on_every_machine():
    assert sample("abcdefghij", 4, 0) == ["a", "c", "g", "j"]


def test_a_sample_keeps_the_published_order_and_has_no_row_twice():
    for seed in range(20):
        drawn = sample(range(100), 30, seed)
        assert drawn == sorted(set(drawn))
        assert len(drawn) == 30


def test_no_sample_size_is_every_row():
    assert sample("abc", None, 0) == ["a", "b", "c"] == sample("abc", 3, 5)


@pytest.mark.parametrize("size", [True, False, -1, 0, 1.5, "10"])
def test_a_sample_size_that_is_no_count_is_refused(size):
    with pytest.raises(UserError, match="sample_size must be"):
        sample("abc", size, 0)


@pytest.mark.parametrize("seed", [True, -1, 0.5, None, "1"])
def test_a_seed_that_is_no_seed_is_refused(seed):
    with pytest.raises(UserError, match="seed must be"):
        sample("abc", 1, seed)


def test_a_sample_larger_than_what_there_is_names_both_numbers():
    with pytest.raises(UserError, match="sample_size is 4, but there are 3 rows"):
        sample("abc", 4, 0)


def test_rows_survive_the_way_through_the_cache(mirror, tmp_path):
    row = {"messages": [{"role": "user", "content": "¿Cuánto? \u2028 😀"}]}
    source = mirror.publish(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    assert load(source, tmp_path) == [row]
