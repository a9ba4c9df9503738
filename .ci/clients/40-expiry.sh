# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The token behind a client's credential ends. Every client pulls with a token
# that lives for seconds; the registries are seen to take it; once they are
# seen to refuse it, every client pulls again, and exactly one new token is
# minted for it.

# mints HOST: how many tokens were minted for it so far.
mints() {
  case $1 in
    "$ECR") lab GET /count service=ecr action=GetAuthorizationToken status=200 ;;
    "$ACR") lab GET /count service=acr action=exchange status=200 ;;
    "$GAR") lab GET /count service=google-oauth action=token status=200 ;;
  esac
}

minted="$ECR $ACR $GAR"
seconds=30
homes=()
mkdir -p "$W/old"
for host in $minted; do seed "$host"; done

lab POST /life d=${seconds}s >/dev/null
for client in docker podman crane skopeo regctl helm; do
  for wiring in $(wirings_of "$client"); do
    for host in $minted; do
      name=expiry-$client-$wiring-$(short "$host")
      on="$client, $wiring, $(short "$host")"
      home "$name" "$wiring" "$host"
      identity "$host"
      if [ "$client-$wiring" = regctl-credsStore ]; then helper get "$host" >/dev/null || true; fi
      check "$on: pull with a token that lives for $seconds s" "pull_$client" "$(repo_of "$host"):seed"
      attempt helper get "$host"
      cp "$W/out" "$W/old/$name"
      check_equal "$on: the registry takes the token" 200 \
        "$(entry "$host" "$(user_of "$(cat "$W/old/$name")")" "$(secret_of "$(cat "$W/old/$name")")")"
      homes+=("$client $wiring $host $name")
    done
  done
done

last_is_refused() { refused "$host" "$(user_of "$(cat "$W/old/$name")")" "$(secret_of "$(cat "$W/old/$name")")"; }
wait_for 'the end of the last token' last_is_refused || true

lab POST /life d=12h >/dev/null
for entry in "${homes[@]}"; do
  read -r client wiring host name <<<"$entry"
  on="$client, $wiring, $(short "$host")"
  old=$(secret_of "$(cat "$W/old/$name")")
  enter "$name"
  identity "$host"
  check "$on: the old token is refused" refused "$host" "$(user_of "$(cat "$W/old/$name")")" "$old"
  before=$(mints "$host")
  check "$on: pull after that" "pull_$client" "$(repo_of "$host"):seed"
  check_equal "$on: one token was minted for it" $((before + 1)) "$(mints "$host")"
  attempt helper get "$host"
  new=$(secret_of "$(cat "$W/out")") || new=$old
  check "$on: it is another token" test "$new" != "$old"
done

# A secret that a person or a job holds is not minted: when it is replaced, the
# next client must use the new one.
for host in $GHCR $HUB $GITLAB $QUAY; do
  seed "$host"
  for client in docker podman crane skopeo regctl helm; do
    on="$client, $(short "$host")"
    home "rotate-$client-$(short "$host")" credHelpers "$host"
    identity "$host"
    check "$on: pull with the first secret" "pull_$client" "$(repo_of "$host"):seed"
    attempt helper get "$host"
    user=$(user_of "$(cat "$W/out")") || user=
    old=$(secret_of "$(cat "$W/out")") || old=
    lab POST /rotate "host=$host" >/dev/null
    check "$on: the first secret is refused" refused "$host" "$user" "$old"
    check_fails "$on: pull with it is refused" "$DENIED" "pull_$client" "$(repo_of "$host"):seed"
    enter "rotate-$client-$(short "$host")"
    identity "$host"
    check "$on: pull with the second" "pull_$client" "$(repo_of "$host"):seed"
  done
done

# A token that the registry stopped taking before its time: the helper cannot
# know, and a logout mends it.
home revoked credHelpers "$ECR"
identity "$ECR"
check "docker, ecr: pull before the token is revoked" pull_docker "$(repo_of "$ECR"):seed"
lab POST /reset >/dev/null
check_fails "docker, ecr: pull with a revoked token" "$DENIED" pull_docker "$(repo_of "$ECR"):seed"
check "docker, ecr: logout" logout_docker "$ECR"
check "docker, ecr: pull after the logout" pull_docker "$(repo_of "$ECR"):seed"
at_least 280
