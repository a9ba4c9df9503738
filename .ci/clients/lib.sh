# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks. Each prints one line and is counted; a failed one shows what it saw
# and the run goes on, to fail at its end.
#
#     check NAME COMMAND…               exit 0
#     check_says NAME REGEX COMMAND…    exit 0, and the output matches
#     check_fails NAME REGEX COMMAND…   an orderly failure: another exit status, the output
#                                       matches, no crash, no time out
#     also_says NAME REGEX              the last command's output matches this too
#     check_equal NAME WANT GOT
#
# The output of the last command is in $W/out (stdout and stderr).

# A client that crashes has failed no matter what was expected.
crash='panic:|goroutine [0-9]+|stack overflow|SIGSEGV|fatal error:'

begin() {
  SCRIPT=$1
  BEGUN=$SECONDS
  echo "== $SCRIPT"
  rm -f "$W/finished"
}

# finished is called at the end of a script; without it the script has died.
finished() { : >"$W/finished"; }

end() {
  if [ ! -e "$W/finished" ]; then
    failed "$SCRIPT ran to its end" "the script ended early"
  fi
  echo "== $SCRIPT: $((SECONDS - BEGUN)) s"
}

passed() {
  echo "ok $SCRIPT $1" >>"$W/results"
  local took=$((SECONDS - ${ATTEMPTED:-$SECONDS}))
  if [ "$took" -ge 5 ]; then printf 'ok    %s (%d s)\n' "$1" "$took"; else printf 'ok    %s\n' "$1"; fi
}

failed() {
  echo "FAIL $SCRIPT $1" >>"$W/results"
  printf 'FAIL  %s: %s\n' "$1" "$2"
  [ -s "$W/out" ] && tail -n 15 "$W/out" | cut -c1-600 | sed 's/^/      | /'
  return 0
}

# attempt COMMAND… keeps output and status of a command.
attempt() {
  STATUS=0
  ATTEMPTED=$SECONDS
  "$@" >"$W/out" 2>&1 </dev/null || STATUS=$?
}

check() {
  local name=$1
  shift
  attempt "$@"
  judge_success "$name" ''
}

check_says() {
  local name=$1 regex=$2
  shift 2
  attempt "$@"
  judge_success "$name" "$regex"
}

judge_success() {
  if [ "$STATUS" != 0 ]; then
    failed "$1" "exit $STATUS"
  elif [ -n "$2" ] && ! grep -qE -- "$2" "$W/out"; then
    failed "$1" "does not say /$2/"
  else
    passed "$1"
  fi
}

check_fails() {
  local name=$1 regex=$2
  shift 2
  attempt "$@"
  if [ "$STATUS" = 0 ]; then
    failed "$name" "succeeded, and should not"
  elif [ "$STATUS" = 124 ]; then
    failed "$name" "timed out"
  elif [ "$STATUS" -ge 126 ] || grep -qE -- "$crash" "$W/out"; then
    failed "$name" "crashed, exit $STATUS"
  elif ! grep -qE -- "$regex" "$W/out"; then
    failed "$name" "does not say /$regex/"
  else
    passed "$name"
  fi
}

# also_says NAME REGEX looks at the last output once more.
also_says() {
  if grep -qE -- "$2" "$W/out"; then passed "$1"; else failed "$1" "does not say /$2/"; fi
}

check_equal() {
  : >"$W/out"
  if [ "$2" = "$3" ]; then passed "$1"; else failed "$1" "want '$2', got '$3'"; fi
}

# at_least N fails when fewer checks than that ran in this script so far: a
# loop over nothing must not pass.
at_least() {
  local ran
  ran=$(grep -cE "^(ok|FAIL) $SCRIPT " "$W/results" || true)
  if [ "$ran" -lt "$1" ]; then
    : >"$W/out"
    failed "$SCRIPT: number of checks" "only $ran ran, expected at least $1"
  fi
}

summary() {
  local good bad
  good=$(grep -c '^ok ' "$W/results" || true)
  bad=$(grep -c '^FAIL ' "$W/results" || true)
  grep '^FAIL ' "$W/results" | sed 's/^FAIL/failed:/' || true
  echo "clients: $good passed, $bad failed"
  [ "$bad" = 0 ] && [ "$good" -gt 0 ]
}
