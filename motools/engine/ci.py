"""What `motools init --ci` writes: a check of each change, and one comment that says what it changes.

At GitHub these are two workflows. The first executes the change, which may be a stranger's, and so may read the
repository and nothing else; it leaves its answer as a file. The second may write comments, and executes nothing that
comes from the change: it posts that file, to the pull request whose head is the commit that was looked at.
"""

from __future__ import annotations

from pathlib import Path

from motools.errors import ProjectError

__all__ = ["add_ci", "refuse_unknown"]

_GITHUB = """\
# Written by `motools init --ci github`. It executes what a pull request brings, so it may read, and has no secrets of
# yours in a fork's. What it finds out, motools-comment.yml posts.
name: motools
on: pull_request
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
          persist-credentials: false
          ref: ${{ github.event.pull_request.head.sha }}
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      # requirements.txt names MOTools, as you install it, and what your steps import.
      - run: python -m pip install -r requirements.txt
      # A remote that asks for credentials wants them here as `env:`, such as AWS_ACCESS_KEY_ID from your secrets; give
      # them the right to read, and nothing else.
      - name: What it changes
        env:
          BASE: ${{ github.event.pull_request.base.sha }}
          HEAD: ${{ github.event.pull_request.head.sha }}
        run: motools diff "$BASE...$HEAD" --markdown --plan | tee motools-diff.md >> "$GITHUB_STEP_SUMMARY"
      - uses: actions/upload-artifact@v4
        with:
          name: motools-diff
          path: motools-diff.md
      - name: Results are there and up to date
        run: |
          for params in $(git ls-files ':(glob)**/params.yaml'); do
            motools status "$(dirname "$params")" --complete
          done
"""

_GITHUB_COMMENT = """\
# Written by `motools init --ci github`. It may write comments, so it executes nothing that a pull request brings: no
# checkout, no artifact that is more than text to post, no number of a pull request that it was told.
name: motools comment
on:
  workflow_run:
    workflows: [motools]
    types: [completed]
permissions:
  actions: read
  pull-requests: write
jobs:
  comment:
    if: github.event.workflow_run.event == 'pull_request'
    runs-on: ubuntu-latest
    timeout-minutes: 5
    env:
      GH_TOKEN: ${{ github.token }}
      GH_REPO: ${{ github.repository }}
      RUN: ${{ github.event.workflow_run.id }}
      HEAD: ${{ github.event.workflow_run.head_sha }}
    steps:
      - run: |
          gh run download "$RUN" --name motools-diff
          test "$(stat -c %s motools-diff.md)" -le 100000
          number=$(gh pr list --state open --limit 1000 --json number,headRefOid \\
            --jq "map(select(.headRefOid == \\"$HEAD\\"))[0].number // empty")
          test -n "$number" || exit 0
          mine=$(gh api "repos/$GH_REPO/issues/$number/comments" --paginate \\
            --jq '.[] | select(.user.login == "github-actions[bot]")
                  | select(.body | startswith("<!-- motools diff -->")) | .id' | head -n 1)
          if [ -n "$mine" ]; then
            gh api --method PATCH "repos/$GH_REPO/issues/comments/$mine" --field body=@motools-diff.md --silent
          else
            gh api --method POST "repos/$GH_REPO/issues/$number/comments" --field body=@motools-diff.md --silent
          fi
"""

_GITLAB = """\
# Written by `motools init --ci gitlab`: write `include: [{local: .gitlab/motools.yml}]` into .gitlab-ci.yml. For the
# comment, give it a token of the project's (role: reporter, scope: api) as the masked variable MOTOOLS_TOKEN.
motools:
  image: python:3.12
  timeout: 30 minutes
  rules: [{if: $CI_PIPELINE_SOURCE == "merge_request_event"}]
  variables: {GIT_DEPTH: 0}
  script:
    # requirements.txt names MOTools, as you install it, and what your steps import.
    - python -m pip install -r requirements.txt
    - motools diff "$CI_MERGE_REQUEST_DIFF_BASE_SHA..HEAD" --markdown --plan > motools-diff.md
    - for params in $(git ls-files ':(glob)**/params.yaml'); do motools status "$(dirname "$params")" --complete; done
  artifacts: {paths: [motools-diff.md], when: always}

motools-comment:
  image: alpine:3
  needs: [{job: motools, artifacts: true}]
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID
      when: always
  variables: {GIT_STRATEGY: none}
  script:
    - test -n "$MOTOOLS_TOKEN" || exit 0
    - apk add --no-cache curl jq
    - notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
    - 'mine=$(curl -fsS -H "PRIVATE-TOKEN: $MOTOOLS_TOKEN" "$notes?per_page=100" | jq -r
      "[.[] | select(.body | startswith(\\"<!-- motools diff -->\\")) | .id][0] // empty")'
    - 'jq -Rs "{body: .}" motools-diff.md | curl -fsS -o /dev/null -H "PRIVATE-TOKEN: $MOTOOLS_TOKEN"
      -H "Content-Type: application/json" -d @- -X $([ -n "$mine" ] && echo PUT || echo POST) "$notes${mine:+/$mine}"'
"""

_FILES = {
    "github": {
        ".github/workflows/motools.yml": _GITHUB,
        ".github/workflows/motools-comment.yml": _GITHUB_COMMENT,
    },
    "gitlab": {".gitlab/motools.yml": _GITLAB},
}


def refuse_unknown(host: str) -> None:
    """Raise `ProjectError` for another host than `github` or `gitlab`."""
    if host not in _FILES:
        raise ProjectError(f"--ci takes github or gitlab, not {host!r}.")


def add_ci(top: Path, host: str) -> list[str]:
    """Write the files of a host, below the top of a repository; what is there stays. Tells what was done."""
    refuse_unknown(host)
    done = []
    for name, text in _FILES[host].items():
        path = top / name
        if path.exists():
            done.append(f"{name} is there, and stays as it is")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        done.append(f"wrote {name}")
    return done
