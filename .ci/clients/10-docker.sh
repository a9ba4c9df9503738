# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The docker CLI with its Engine: every verb that asks the helper, at every
# registry, with regauth as credHelpers and as credsStore.

dockerfile() { # REF: a build whose base image is private
  rm -rf "$H/build"
  mkdir -p "$H/build"
  printf 'FROM %s\nCOPY note /note\n' "$1" >"$H/build/Dockerfile"
  echo note >"$H/build/note"
}

build_docker() {
  in_home docker rmi -f "$1" >/dev/null 2>&1
  in_home env DOCKER_BUILDKIT=0 docker build -q --network none "$H/build"
}

run_docker() {
  in_home docker rmi -f "$1" >/dev/null 2>&1
  in_home docker run --rm --network none "$1"
}

relogin_docker() { if [ "$1" = "$HUB" ]; then in_home docker login; else in_home docker login "$1"; fi; }

for wiring in credHelpers credsStore; do
  for host in $FIRST_FIVE $THE_REST; do
    ref=$(repo_of "$host"):docker-$wiring
    on="docker, $wiring, $(short "$host")"
    home "docker-$wiring-$(short "$host")" "$wiring" "$host"
    # Pulled, not pushed: dockerd retries a push for a minute when a token is refused.
    check_fails "$on: pull without an identity is refused" "$DENIED" pull_docker "$ref"
    identity "$host"
    check "$on: push" push_docker "$ref"
    check_says "$on: pull" "$host" pull_docker "$ref"
    check_says "$on: run" 'hello from a private image' run_docker "$ref"
    check_says "$on: manifest inspect" 'mediaType' in_home docker manifest inspect "$ref"
    dockerfile "$ref"
    check_says "$on: classic build on a private base" 'sha256:' build_docker "$ref"
    # Docker cannot reuse an identity token to log in, and asks for a user name.
    if [ "$host" != "$ACR" ]; then
      check_says "$on: login with what the helper answers" 'Login Succeeded' relogin_docker "$host"
    fi
    check_says "$on: logout" 'Removing login credentials' logout_docker "$host"
    check "$on: pull after logout" pull_docker "$ref"
    in_home docker rmi -f "$ref" >/dev/null 2>&1 || true
  done
done
at_least 142
