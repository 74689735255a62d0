#!/usr/bin/env bash
# The one test command. Installs what the tests need and is missing, then runs every check, fastest first.
#
#   ./test.sh          everything; on a fresh machine about 20 minutes on 2 cores, minutes when warm
#   ./test.sh --fast   format, clippy, Lua checks with the tools that are there, tests
#
# Needs a stable Rust toolchain and a C/C++ toolchain. Reaches package registries only (crates.io, npm, Debian's), and
# leaves nothing outside this checkout and the ordinary cargo folders: tools go into .tools/, builds into target/.
# nginx and Prometheus, against which some tests run, and the browser that looks at pages are the exception: they come
# from Debian's packages when this may install them.
# Needs Python 3 with pip for another such server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# What is installed when nothing new enough is found: name, version to install, oldest version that will do.
readonly NEXTEST=(cargo-nextest 0.9.151 0.9.100)
readonly DENY=(cargo-deny 0.20.2 0.18.0)
readonly MACHETE=(cargo-machete 0.9.2 0.9.0)
readonly EMMYLUA=(emmylua_check 0.25.1 0.25.1)
readonly STYLUA=(stylua 2.5.2 2.5.2)
readonly GRPCIO=1.85.1

export PATH="$PWD/.tools/bin:$PWD/.tools/node_modules/.bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
# Tests have Luau's assertions, which .cargo/config.toml takes out of what is used.
export LUAU_CXXFLAGS=

fast=no
case "${1:-}" in
  "") ;;
  --fast) fast=yes ;;
  *)
    echo "usage: ./test.sh [--fast]" >&2
    exit 2
    ;;
esac

steps=0
current="the start"
trap 'code=$?; if [ "$code" -ne 0 ]; then echo; echo "test.sh: FAILED at: $current (exit $code, after ${SECONDS}s)"; fi' EXIT

# step HEADING COMMAND…: runs one check under a heading; the first that fails ends the script.
step() {
  current="$1"
  local start=$SECONDS
  echo
  echo "== $current"
  "${@:2}"
  echo "-- $current: ok, $((SECONDS - start))s"
  steps=$((steps + 1))
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least VERSION OLDEST
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# version_of TOOL: the first version number that it prints of itself; nothing when it is not there.
version_of() {
  have "$1" || return 0
  local args=("$1" --version)
  case "$1" in cargo-nextest) args=("$1" nextest --version) ;; esac
  { "${args[@]}" 2>/dev/null || true; } | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 || true
}

# missing TOOL VERSION OLDEST: whether it has to be installed.
missing() {
  local found
  found="$(version_of "$1")"
  if [ -n "$found" ] && at_least "$found" "$3"; then
    echo "$1 $found is there"
    return 1
  fi
  echo "$1 $2: installing (found: ${found:-none})"
}

# cargo_tool TOOL VERSION OLDEST [ARGS…]: all tools share one build folder, and are built for a short build rather than
# for speed: each runs for a second or two.
cargo_tool() {
  missing "${@:1:3}" || return 0
  CARGO_TARGET_DIR="$PWD/target/tools" \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=true \
    cargo install --quiet --locked --root .tools "$1@$2" "${@:4}"
}

stylua_tool() {
  if have npm && have node; then
    missing "${STYLUA[@]}" || return 0
    npm install --silent --no-audit --no-fund --no-save --no-package-lock --ignore-scripts --prefix .tools \
      "@johnnymorganz/stylua-bin@${STYLUA[1]}"
  else
    cargo_tool "${STYLUA[@]}"
  fi
}

# debian_package PACKAGE: installs it from the system's packages when this may.
debian_package() {
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo || ! sudo -n true 2>/dev/null; then
      echo "$1 is missing and this may not install packages: install it (Debian: apt-get install $1) and try again"
      return 1
    fi
    root=(sudo -n)
  fi
  if ! have apt-get; then
    echo "$1 is missing: install it with this system's package manager and try again"
    return 1
  fi
  echo "$1: installing"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# server_tool NAME: a server that tests start themselves; the system's is not wanted.
server_tool() {
  if have "$1" || [ -x "/usr/sbin/$1" ]; then
    echo "$1 is there"
    return
  fi
  debian_package "$1"
  if [ -d /run/systemd/system ]; then
    local root=()
    if [ "$(id -u)" -ne 0 ]; then root=(sudo -n); fi
    "${root[@]}" systemctl disable --now "$1"
  fi
}

# The browser that looks at the report and the live page.
chromium_tool() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if [ -x "/usr/bin/$name" ]; then
      echo "$name is there"
      return
    fi
  done
  debian_package chromium
}

# Python's gRPC, which serves some tests.
grpcio_tool() {
  if ! have python3; then
    echo "python3 is missing (Debian: apt-get install python3 python3-pip)"
    return 1
  fi
  if PYTHONPATH="$PWD/.tools/python" python3 -c "import grpc, grpc_tools, grpc_health.v1, grpc_reflection.v1alpha" 2>/dev/null; then
    echo "grpcio is there"
    return
  fi
  echo "grpcio ${GRPCIO}: installing"
  local packages=(grpcio grpcio-tools grpcio-reflection grpcio-health-checking)
  rm -rf .tools/python
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .tools/python "${packages[@]/%/==$GRPCIO}"
}

prerequisites() {
  have cargo || { echo "no cargo: install a stable Rust toolchain (https://rustup.rs)"; return 1; }
  cargo fmt --version >/dev/null || { echo "no rustfmt: rustup component add rustfmt"; return 1; }
  cargo clippy --version >/dev/null || { echo "no clippy: rustup component add clippy"; return 1; }
  have cc || { echo "no C compiler (Debian: apt-get install build-essential)"; return 1; }
  have c++ || { echo "no C++ compiler (Debian: apt-get install build-essential)"; return 1; }
  cargo --version
  cc --version | head -n 1
}

tools() {
  cargo_tool "${MACHETE[@]}"
  cargo_tool "${NEXTEST[@]}" --no-default-features --features default-no-update
  cargo_tool "${EMMYLUA[@]}"
  cargo_tool "${DENY[@]}"
  stylua_tool
  server_tool nginx
  server_tool prometheus
  chromium_tool
  grpcio_tool
  # 2 GB that nothing needs any more.
  rm -rf target/tools
}

shell_syntax() {
  local script
  for script in test.sh .ci/run benches/*.sh; do bash -n "$script"; done
}

# lua_folders: those of the folders with Lua that exist.
lua_folders() {
  local folder
  for folder in scripts lib-lua src/api src/cli/init docs tests benches; do
    if [ -d "$folder" ]; then echo "$folder"; fi
  done
}

lua_format() {
  local folders
  mapfile -t folders < <(lua_folders)
  stylua --check "${folders[@]}"
}

docs() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --document-private-items; }

step "prerequisites" prerequisites
if [ "$fast" = no ]; then step "tools" tools; fi
step "shell syntax" shell_syntax
step "Rust format" cargo fmt --check
if have stylua || [ "$fast" = no ]; then step "Lua format" lua_format; fi
if have emmylua_check || [ "$fast" = no ]; then step "Lua types" emmylua_check .; fi
if [ "$fast" = no ]; then
  # Advisories are left out: their database comes from a host that is no package registry.
  step "dependencies: bans, licences, sources" cargo deny --locked --log-level error check bans licenses sources
  step "dependencies: unused" cargo machete --skip-target-dir
fi
step "clippy" cargo clippy --locked --all-targets --quiet -- -D warnings
if have cargo-nextest; then
  step "tests" cargo nextest run --locked --cargo-quiet
else
  step "tests" cargo test --locked --quiet --all-targets
fi
if [ "$fast" = no ]; then
  step "tests in documents" cargo test --locked --quiet --doc
  step "API documents" docs
  # A noisy machine may make the generator suspect, which is its honest answer and no mistake in this tree.
  step "the README's first command" env --unset=LUAU_CXXFLAGS cargo run --locked --quiet --release -- run scripts/shop/saga.lua --demo --allow-suspect
fi

echo
echo "test.sh: all steps passed in $((SECONDS / 60))m$((SECONDS % 60))s"
echo "steps: $steps passed, 0 failed"
