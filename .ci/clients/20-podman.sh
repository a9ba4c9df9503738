# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# podman, which knows credHelpers only: every verb, at every registry.

build_podman() {
  podman_in_home rmi -f "$1" >/dev/null 2>&1
  podman_in_home build -q --isolation chroot --network host -t localhost/built:1 "$H/build"
}

run_podman() {
  podman_in_home rmi -f "$1" >/dev/null 2>&1
  # runc, a few limits and no control groups of conmon's: what also works in a container.
  podman_in_home --runtime runc run --rm --network none --cgroups no-conmon --ulimit nofile=256:256 --ulimit nproc=256:256 "$1"
}

for host in $FIRST_FIVE $THE_REST; do
  ref=$(repo_of "$host"):podman
  on="podman, $(short "$host")"
  home "podman-$(short "$host")" credHelpers "$host"
  check_fails "$on: pull without an identity is refused" "$DENIED" pull_podman "$ref"
  identity "$host"
  check "$on: push" push_podman "$ref"
  check "$on: pull" pull_podman "$ref"
  check_says "$on: run" 'hello from a private image' run_podman "$ref"
  mkdir -p "$H/build"
  printf 'FROM %s\nCOPY note /note\n' "$ref" >"$H/build/Dockerfile"
  echo note >"$H/build/note"
  check "$on: build on a private base" build_podman "$ref"
  if [ "$host" != "$ACR" ]; then
    check_says "$on: login with what the helper answers" 'Existing credentials are valid' podman_in_home login "$host"
  fi
  check "$on: logout" logout_podman "$host"
  check "$on: pull after logout" pull_podman "$ref"
  podman_in_home rmi -f "$ref" localhost/built:1 >/dev/null 2>&1 || true
done
at_least 63
