# shellcheck shell=bash disable=SC2034,SC2012,SC2046,SC2207
# What the scripts of this folder share. It is sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$(basename "$0"): $*"
  exit 2
}

# Stages of a check: `step NAME` ends the one before and starts the next; `print_steps`, called when the script exits, lists
# the time of each, also after a failure. A script that another one calls adds its stages to that one's list.
step_name=''
if [ -n "${STEP_TIMES:-}" ]; then
  step_owner=false
else
  step_owner=true
fi

step() {
  end_step
  if $step_owner && [ -z "${STEP_TIMES:-}" ]; then
    STEP_TIMES=$(mktemp)
    export STEP_TIMES
  fi
  step_name=$*
  step_start=$SECONDS
  say ""
  say "== $*"
}

end_step() {
  [ -n "$step_name" ] || return 0
  printf '%s\t%s\n' $((SECONDS - step_start)) "$step_name" >>"$STEP_TIMES"
  step_name=''
}

print_steps() {
  local seconds name total=0
  end_step
  if ! $step_owner || [ ! -s "${STEP_TIMES:-}" ]; then return 0; fi
  say ""
  while IFS=$'\t' read -r seconds name; do
    total=$((total + seconds))
    say "$(printf '%3d:%02d  %s' $((seconds / 60)) $((seconds % 60)) "$name")"
  done <"$STEP_TIMES"
  say "$(printf '%3d:%02d  in all' $((total / 60)) $((total % 60)))"
  rm -f -- "$STEP_TIMES"
}

has() { command -v "$1" >/dev/null 2>&1; }

# The folder with PostgreSQL's programs, 14 or newer; nothing if there is none.
postgres_bin() {
  local bin version
  for bin in ${MILEPOST_POSTGRES_BIN:+"$MILEPOST_POSTGRES_BIN"} $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) \
    "$(if has pg_config; then pg_config --bindir; fi)" "$(dirname "$(command -v postgres || echo /none/postgres)")"; do
    if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then
      version=$("$bin/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
      if [ "$version" -ge 14 ]; then
        echo "$bin"
        return
      fi
    fi
  done
}

java_17() {
  has java && [ "$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p')" -ge 17 ] 2>/dev/null
}

# A C toolchain that links.
c_toolchain() {
  has cc && has make && echo 'int main(void){return 0;}' | cc -x c - -o /dev/null 2>/dev/null
}

# Node 18 or newer with npm.
node_18() {
  has npm && has node && [ "$(node --version | sed -E 's/^v([0-9]+).*/\1/')" -ge 18 ]
}

python_venv() {
  has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null
}

# The Debian package for each thing that may be missing.
package_of() {
  case $1 in
    c_toolchain | cxx) echo build-essential ;;
    perl) echo perl ;;
    postgres) echo postgresql ;;
    java_17) echo openjdk-17-jre-headless ;;
    mvn) echo maven ;;
    node_18) echo "nodejs npm" ;;
    python_venv) echo python3-venv ;;
    psql) echo postgresql-client ;;
    git) echo git ;;
    setpriv | flock) echo util-linux ;;
    *) echo "$1" ;;
  esac
}

there() {
  case $1 in
    postgres) [ -n "$(postgres_bin)" ] ;;
    cxx) has c++ ;;
    perl) has perl && perl -MFindBin -MIPC::Cmd -MFile::Compare -e 1 2>/dev/null ;;
    c_toolchain | java_17 | node_18 | python_venv) "$1" ;;
    *) has "$1" ;;
  esac
}

# Sees to it that things are there: installs them with apt when it may, or names the line that does.
need() {
  local thing packages=()
  for thing in "$@"; do
    there "$thing" || packages+=($(package_of "$thing"))
  done
  if [ ${#packages[@]} -gt 0 ]; then
    if has apt-get && [ "$(id -u)" = 0 ]; then
      say "installing: ${packages[*]}"
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2 ||
        fail "apt-get could not install ${packages[*]}"
    elif has apt-get; then
      fail "missing: ${packages[*]}. Install with: sudo apt-get install -y ${packages[*]}"
    else
      fail "missing what Debian calls: ${packages[*]}. Install it with the package manager of your system"
    fi
    for thing in "$@"; do
      there "$thing" || fail "$thing is still missing after installing $(package_of "$thing")"
    done
  fi
}

# Rust comes from rustup, not from apt: Debian's is too old.
need_rust() {
  local home=${CARGO_HOME:-${HOME:-/root}/.cargo}
  has cargo || { [ -x "$home/bin/cargo" ] && PATH="$home/bin:$PATH"; } ||
    fail "Rust is missing. Install it from https://rustup.rs, version 1.89 or newer"
  local version
  # In the workspace, whose rust-toolchain.toml has a say.
  version=$(cd "$root" && cargo --version | sed -E 's/^cargo ([0-9]+)\.([0-9]+).*/\1 \2/')
  # shellcheck disable=SC2086
  set -- $version
  [ "$1" -gt 1 ] || [ "$2" -ge 89 ] || fail "Rust is too old ($1.$2); update it with: rustup update stable"
}
