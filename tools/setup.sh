#!/bin/sh
# Makes .venv and installs the lock into it; does nothing where that was done for this very lock.
# Plain sh, since there may be no Python yet. Each missing prerequisite names itself and its remedy.
#   PYTHON=/path/to/python  take this one      TORCH=cpu  PyTorch's CPU build, from PyTorch's index
set -eu
cd "$(dirname "$0")/.."
VENV=.venv
STAMP=$VENV/.installed

fail() {
    echo "setup: $1" >&2
    echo "  remedy: $2" >&2
    exit 1
}

suits() { # is $1 a Python that the course supports?
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13" \
            "make PYTHON=/path/to/python3.12 …"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null && suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no python3 at all")
    fail "no Python 3.11, 3.12 or 3.13 on the PATH (found: $found)" \
        "install one (Debian 12+: apt install python3 python3-venv; macOS: brew install python@3.13) or say make PYTHON=/path/to/it"
}

want="$(cksum <requirements.lock) $(cksum <pyproject.toml) ${TORCH:-default}"
if [ -x $VENV/bin/python ] && suits $VENV/bin/python && [ "$(cat $STAMP 2>/dev/null)" = "$want" ]; then
    exit 0
fi

if [ -d $VENV ] && ! { [ -x $VENV/bin/python ] && suits $VENV/bin/python; }; then
    fail "$VENV holds no working Python 3.11 to 3.13" "rm -rf $VENV, then the same command again"
fi

if [ ! -d $VENV ]; then
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module" "Debian and Ubuntu: apt install python3-venv"
    need=10
    [ "${TORCH:-}" = cpu ] || [ "$(uname)" != Linux ] && need=4
    free=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
    [ "$free" -ge "${COURSE_MIN_DISK_GB:-$need}" ] ||
        fail "$free GB free on this disk; the environment and the model need $need GB" \
            "free some space, or take PyTorch's CPU build (4 GB): make TORCH=cpu …; COURSE_MIN_DISK_GB=0 skips this check"
    echo "setup: $VENV from $("$python" --version)"
    "$python" -m venv $VENV
fi

LOG=$VENV/install.log
want_count=$(grep -c '==' requirements.lock)

install() { # pip install "$@", with a line that says how far it is
    began=$(date +%s)
    : >$LOG
    $VENV/bin/python -m pip --disable-pip-version-check install --progress-bar off "$@" >>$LOG 2>&1 &
    job=$!
    last=$began
    while kill -0 $job 2>/dev/null; do
        sleep 1
        now=$(date +%s)
        seen=$(grep -c '^Collecting\|^Requirement already' $LOG || true)
        line="setup: $seen packages found of about $want_count, $((now - began)) s"
        grep -q '^Installing collected' $LOG && line="setup: unpacking, $((now - began)) s"
        if [ -t 1 ]; then
            printf '\r%s ' "$line"
        elif [ $((now - last)) -ge 20 ]; then
            last=$now
            echo "$line"
        fi
    done
    if [ -t 1 ]; then printf '\r%60s\r' ''; fi
    wait $job || { tail -n 12 $LOG >&2; return 1; }
}

rm -f $STAMP
if [ "${TORCH:-}" = cpu ]; then
    echo "setup: PyTorch, the CPU build"
    install --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' requirements.lock)" ||
        fail "PyTorch's CPU build could not be installed" \
            "check that download.pytorch.org can be reached, or leave TORCH=cpu out"
fi
echo "setup: installing requirements.lock ($want_count packages; minutes the first time)"
install -r requirements.lock ||
    fail "requirements.lock could not be installed" \
        "read pip's last lines above (all of them: $LOG); a network is needed this once"
install --no-deps --no-build-isolation --editable . ||
    fail "the course's own package could not be installed" "read pip's last lines above"
echo "$want" >$STAMP
# The published model, which pages set beside ours. Without it every page shows recorded figures.
COURSE_HOME=${COURSE_HOME:-$PWD/.course} $VENV/bin/python -m course_lib.cli build published >>$LOG 2>&1 ||
    echo "setup: SmolLM2-135M-Instruct could not be fetched; pages show recorded figures in its place" \
        "(later: $VENV/bin/course build published)"
echo "setup: $VENV is ready"
