# Sourced by ./run, ./test and benchmarks/run, which set $root. `bootstrap EXTRAS` leaves a ready .venv
# and $python; at once where nothing changed. The work itself is in bootstrap.py.

# Where Python is told to keep nothing it has compiled, every start of a command compiles all its modules anew.
unset PYTHONDONTWRITEBYTECODE

find_python() {
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info)' 2>/dev/null || continue
    command -v "$candidate"
    return
  done
  echo "Photopeak needs Python 3.11 or newer. Install it, or name it: PYTHON=/path/to/python3.11 $0" >&2
  return 1
}

bootstrap() {
  python=$root/.venv/bin/python
  # The interpreter .venv was made with; another one only where there is none yet.
  base=$("$python" -c 'import sys; print(sys._base_executable)' 2>/dev/null) || base=
  [ -x "$base" ] || base=$(find_python) || exit 1
  # Debian keeps the venv module in a package of its own.
  if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -y -qq python3-venv
    else
      echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2
      exit 1
    fi
  fi
  "$base" "$root/scripts/bootstrap.py" "$1" || exit 1
}
