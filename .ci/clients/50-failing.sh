# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# An identity is there and the cloud refuses to mint for it. Where nothing is
# served without a credential (ECR) that is one line, which every client lets
# through; elsewhere it is a warning, and the client goes on anonymously. No
# client may crash, and logging out works.

for host in $ECR $ACR $GAR; do seed "$host"; done
lab POST /reset >/dev/null
lab POST /refuse >/dev/null

# without FILE TEXT…: none of the texts is in the file.
without() {
  local file=$1 text
  shift
  for text in "$@"; do
    ! grep -qF -- "$text" "$file" || return 1
  done
}

for host in $ECR $ACR $GAR; do
  on="helper, $(short "$host")"
  home "failing-$(short "$host")" none
  identity "$host"
  [ "$host" = "$ECR" ] || VARIABLES+=(REGAUTH_STRICT=1)
  status=0
  helper get "$host" >"$W/stdout" 2>"$W/stderr" || status=$?
  check_equal "$on: exit status" 1 "$status"
  check_equal "$on: standard output is one line" 1 "$(wc -l <"$W/stdout")"
  cp "$W/stdout" "$W/out"
  also_says "$on: it names host and reason" "^regauth: $host: .+"
  check "$on: standard error is the same line" cmp "$W/stdout" "$W/stderr"
  check "$on: no secret in it" without "$W/stdout" '~of.the.lab' 'a+secret/key' 'PRIVATE KEY' eyJ
  home "failing-$(short "$host")" none
  identity "$host"
  check "$on: erase" helper erase "$host"
  check_says "$on: list" '^\{' helper list
done

for client in docker podman crane skopeo regctl helm; do
  for wiring in $(wirings_of "$client"); do
    on="$client, $wiring"
    home "failing-$client-$wiring-ecr" "$wiring" "$ECR"
    identity "$ECR"
    if [ "$client-$wiring" = regctl-credsStore ]; then
      # The host is not in `list` while nothing was minted for it, and regctl
      # does not ask: there is no line to see.
      check_fails "$on, ecr: pull" "$DENIED" "pull_$client" "$(repo_of "$ECR"):seed"
    else
      check_fails "$on, ecr: pull shows the helper's line" "regauth: $ECR: " "pull_$client" "$(repo_of "$ECR"):seed"
      also_says "$on, ecr: with its reason" 'AccessDenied|not authorized'
    fi
    if declare -F "logout_$client" >/dev/null; then
      check "$on, ecr: logout" "logout_$client" "$ECR"
    fi
    for host in $ACR $GAR; do
      home "failing-$client-$wiring-$(short "$host")" "$wiring" "$host"
      identity "$host"
      if [ "$client-$wiring" = regctl-credsStore ]; then
        check_fails "$on, $(short "$host"): pull" "$DENIED" "pull_$client" "$(repo_of "$host"):seed"
      else
        check_fails "$on, $(short "$host"): pull shows the warning" "regauth: warning: $host: " "pull_$client" "$(repo_of "$host"):seed"
        also_says "$on, $(short "$host"): and the registry's refusal" "$DENIED"
      fi
      if declare -F "logout_$client" >/dev/null; then
        check "$on, $(short "$host"): logout" "logout_$client" "$host"
      fi
    done
    # What is public is still served.
    if [ "$client" != helm ]; then
      home "failing-$client-$wiring-open" "$wiring" "$GAR"
      identity "$GAR"
      check "$on, gar: pull of a public image" "pull_$client" "$GAR/project/images/open:seed"
    fi
  done
done

# The classic builder asks for every host it knows of before it begins: a
# refused identity at one registry must not cost the build that at another.
seed "$GHCR"
for wiring in credHelpers credsStore; do
  on="docker, $wiring, build at ghcr while ecr refuses"
  home "failing-build-$wiring" "$wiring" "$ECR" "$GHCR"
  identity "$ECR" "$GHCR"
  check_fails "$on: pull from ecr" "regauth: $ECR: " pull_docker "$(repo_of "$ECR"):seed"
  check "$on: pull from ghcr" pull_docker "$(repo_of "$GHCR"):seed"
  in_home docker rmi -f "$(repo_of "$GHCR"):seed" >/dev/null 2>&1
  mkdir -p "$H/build"
  printf 'FROM %s:seed\nCMD ["/hello"]\n' "$(repo_of "$GHCR")" >"$H/build/Dockerfile"
  check "$on: build" in_home env DOCKER_BUILDKIT=0 docker build -q --network none "$H/build"
done

# Strict: the error in place of anonymous, where the client passes it on.
for client in podman crane skopeo helm; do
  for host in $ACR $GAR; do
    home "strict-$client-$(short "$host")" credHelpers "$host"
    identity "$host"
    VARIABLES+=(REGAUTH_STRICT=1)
    check_fails "$client, strict, $(short "$host"): pull shows the error" "regauth: $host: " "pull_$client" "$(repo_of "$host"):seed"
    check "$client, strict, $(short "$host"): logout" "logout_$client" "$host"
  done
done

# Once the cloud mints again, nothing that failed is remembered for long.
lab POST /reset >/dev/null
for host in $ECR $ACR $GAR; do
  enter "failing-crane-credHelpers-$(short "$host")"
  identity "$host"
  check "crane, $(short "$host"): pull once the cloud mints again" pull_crane "$(repo_of "$host"):seed"
done
at_least 135
