# Sourced by ./run and ./check: makes .venv and installs what is asked for, once. Needs only python3 (>= 3.11).
# usage: setup_environment run|test
setup_environment() {
  local want="$1" extra="" stamp=".venv/.installed-$1" fingerprint
  [ "$want" = test ] && extra="[test]"
  local python=""
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] || continue
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python="$candidate"
      break
    fi
  done
  if [ -z "$python" ]; then
    echo "teikei needs Python 3.11 or newer as python3. Install it from your system's packages or python.org, or set PYTHON to its path." >&2
    exit 2
  fi
  fingerprint="$(cat pyproject.toml requirements.lock scripts/setup.sh | cksum) $PWD"
  if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then
    return 0
  fi
  if [ ! -x .venv/bin/python ]; then
    echo "Making .venv ..." >&2
    if command -v uv >/dev/null 2>&1; then
      uv venv --quiet --python "$python" .venv
    elif ! "$python" -m venv .venv 2>.venv-error; then
      cat .venv-error >&2
      rm -rf .venv .venv-error
      echo "python3 cannot make a virtual environment here. On Debian or Ubuntu: apt install python3-venv. Or install uv." >&2
      exit 2
    fi
    rm -f .venv-error
  fi
  echo "Installing what teikei needs ($want) ..." >&2
  if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python .venv/bin/python --constraint requirements.lock --editable ".$extra"
  else
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
      echo "pip is missing from .venv. On Debian or Ubuntu: apt install python3-venv python3-pip, remove .venv and try again. Or install uv." >&2
      exit 2
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable ".$extra"
  fi
  echo "$fingerprint" >"$stamp"
}
