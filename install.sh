#!/usr/bin/env bash
# Sets up .venv beside this file, then does what was asked:
#
#   ./install.sh                  set up, run the main job (examples/sentence_similarity.py)
#   ./install.sh run [ARGS...]    the same, with arguments for the main job
#   ./install.sh test [ARGS...]   set up, run the tests on all cores (arguments go to pytest)
#   ./install.sh bench [ARGS...]  set up with the peers to compare with, run the benchmarks
#   ./install.sh setup            only set up
#
# Needs Python 3.11 or newer with its venv module and, for compiled models, a C compiler. What is missing is named with
# the command that installs it; as root on a Debian-like system it is installed (COMPOSIT_NO_APT=1 forbids that).
# The versions are those of constraints.txt, the set the tests run with. Nothing outside .venv is written by pip.
#
# PYTHON=...  chooses the interpreter that .venv is made from. pip's own settings hold: where the configured index has
# torch only as a build with CUDA (several GB), let PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS name a place with torch's CPU
# build; pip then prefers it, because its version "2.13.0+cpu" is the later one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '%s\n' "install.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "install.sh"; }

# provide PACKAGE...: Debian packages by apt, if this user may and wants; false otherwise.
provide() {
    [[ "${COMPOSIT_NO_APT:-}" != 1 && "$(id -u)" == 0 ]] && has apt-get || return 1
    say "installing with apt: $*"
    { [[ -n "${apt_updated:-}" ]] || apt-get update -qq >/dev/null; } && apt_updated=1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if has "$candidate" && is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

has_compiler() { [[ -n "${CC:-}" ]] || has cc || has gcc || has clang; }

# A venv works when its interpreter starts and has pip.
has_working_venv() { [[ -x .venv/bin/python ]] && .venv/bin/python -c 'import pip' 2>/dev/null; }

make_venv() {
    local python
    python="$(find_python)" || { [[ -z "${PYTHON:-}" ]] && provide python3 python3-venv && python="$(find_python)"; } ||
        fail "no Python 3.11 or newer found${PYTHON:+ (PYTHON=$PYTHON)}. Install one (sudo apt install python3 python3-venv), or name it: PYTHON=/path/to/python3 ./install.sh"
    can_make_venv "$python" || { provide python3-venv && can_make_venv "$python"; } ||
        fail "$python cannot make virtual environments: its venv or ensurepip module is missing. sudo apt install python3-venv"
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
}

check_programs() {
    has_compiler || provide gcc libc6-dev || say "warning: no C compiler (CC, cc, gcc, clang): models are compiled" \
        "with the slower-to-start compiler of the ziglang package instead. sudo apt install gcc libc6-dev"
    has dot || provide graphviz || say "warning: no 'dot' program: visualize() returns its source but draws no" \
        "pictures. sudo apt install graphviz"
}

# fingerprint SET: changes when what pip would install changes.
fingerprint() {
    { cat pyproject.toml constraints.txt install.sh; pwd; .venv/bin/python --version; echo "$1"; } | sha256sum
}

# install_packages SET: composit itself (editable), with the torch and demo extras, the dev group and perhaps the bench group.
install_packages() {
    local stamp=.venv/installed-$1 group=() wanted
    wanted="$(fingerprint "$1")"
    [[ -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]] && return
    [[ "$1" == bench ]] && group=(--group bench)
    say "installing the packages of constraints.txt into .venv (a few minutes the first time)"
    .venv/bin/python -m pip install -qq -c constraints.txt pip setuptools
    .venv/bin/python -m pip install -qq -c constraints.txt --no-build-isolation \
        --group dev "${group[@]}" -e '.[demo,torch]' ||
        fail "pip could not install the packages; its message is above. Check the package index pip is set up with (pip config list)"
    echo "$wanted" >"$stamp"
}

set_up() {
    has_working_venv || make_venv
    install_packages "$1"
}

# run_tests ARGS...: a process per core, each with its share of the tests, of which one that is done takes from another.
# Bytecode is written first, because the tests start many interpreters, which may be forbidden to write it.
run_tests() {
    .venv/bin/python -m compileall -q -j 0 composit flashlight mosaic benchmarks model_zoo tests || fail "a module has errors; they are above"
    exec .venv/bin/python -m pytest -n auto --maxprocesses 8 --dist worksteal "$@"
}

main() {
    local task="${1:-run}"
    [[ $# -gt 0 ]] && shift
    case "$task" in
        setup | run | test) check_programs; set_up base ;;
        bench) check_programs; set_up bench ;;
        -h | --help | help) usage; exit ;;
        *) usage >&2; fail "unknown task '$task'" ;;
    esac
    case "$task" in
        setup) say "ready: .venv/bin/python" ;;
        run) exec .venv/bin/python examples/sentence_similarity.py "$@" ;;
        test) run_tests "$@" ;;
        bench) exec .venv/bin/python -m benchmarks "$@" ;;
    esac
}

main "$@"
