# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# crane, skopeo, regctl and helm: push, pull and log out, at every registry.
# skopeo knows credHelpers only, as podman does; regctl has no login of its own
# that a helper sees.

# first_words CLIENT REF: a look at the image without its layers.
first_words() {
  case $1 in
    crane) in_home crane manifest "$2" ;;
    skopeo) in_home skopeo inspect "docker://$2" ;;
    regctl) in_home regctl manifest get --format raw-body "$2" ;;
    helm) in_home helm show chart "oci://$(oci_ref "${2%/*}")/lab" --version 0.1.0 ;;
  esac
}

for client in crane skopeo regctl helm; do
  for wiring in $(wirings_of "$client"); do
    for host in $FIRST_FIVE $THE_REST; do
      ref=$(repo_of "$host"):$client-$wiring
      on="$client, $wiring, $(short "$host")"
      home "$client-$wiring-$(short "$host")" "$wiring" "$host"
      check_fails "$on: pull without an identity is refused" "$DENIED" "pull_$client" "$ref"
      identity "$host"
      if [ "$client-$wiring" = regctl-credsStore ]; then
        # regctl asks only for the hosts that the helper lists, and regauth
        # lists a host once it has answered for it.
        helper get "$host" >"$W/out" 2>&1 || failed "$on: first get" "exit $?"
      fi
      check "$on: push" "push_$client" "$ref"
      check "$on: pull" "pull_$client" "$ref"
      check_says "$on: look" 'mediaType|Digest|apiVersion' first_words "$client" "$ref"
      if declare -F "logout_$client" >/dev/null; then
        check "$on: logout" "logout_$client" "$host"
        check "$on: pull after logout" "pull_$client" "$ref"
      fi
    done
  done
done
at_least 304
