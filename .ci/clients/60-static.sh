# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What a person stores with a client's login, at registries of their own:
# distribution with an htpasswd file, and with a token server that hands docker
# an identity token. Store, get, list, erase, through every client that has a
# login.

BASIC=htpasswd.corp.example
TOKEN=token.corp.example

# not_in_files: no configuration file holds the password in any form.
not_in_files() {
  local form
  # shellcheck disable=SC2153 # it is the world's
  for form in "$PASSWORD" "$(printf 'alice:%s' "$PASSWORD" | base64)"; do
    ! grep -rqF -- "$form" "$H/docker" "$H/auth.json" "$H/helm" || return 1
  done
}

for host in $BASIC $TOKEN; do
  for client in docker podman crane skopeo helm; do
    for wiring in $(wirings_of "$client"); do
      on="$client, $wiring, $host"
      ref=$host/alice/app:$client
      home "static-$client-$wiring-$host" "$wiring" "$host"
      check_fails "$on: push without a login is refused" "$DENIED" "push_$client" "$ref"
      if [ "$client" != crane ]; then # which keeps a login without trying it
        check_fails "$on: login with a wrong password" "$DENIED|incorrect|invalid|401" "login_$client" "$host" alice wrong-horse
        check_fails "$on: which is not kept" 'credentials not found in native keychain' helper get "$host"
      fi
      check "$on: login" "login_$client" "$host" alice "$PASSWORD"
      check "$on: the password is in no client's file" not_in_files
      check_says "$on: get" '"Username":"(alice|<token>)"' helper get "$host"
      check_says "$on: list" "$host" helper list
      check "$on: push" "push_$client" "$ref"
      check "$on: pull" "pull_$client" "$ref"
      check "$on: logout" "logout_$client" "$host"
      check_fails "$on: get after logout" '^credentials not found in native keychain$' helper get "$host"
      check_says "$on: list after logout" '^\{\}$' helper list
      check_fails "$on: pull after logout" "$DENIED" "pull_$client" "$ref"
    done
  done
  # regctl keeps a login of its own in plain text; it reads docker's.
  for wiring in credHelpers credsStore; do
    on="regctl, $wiring, $host"
    home "static-regctl-$wiring-$host" "$wiring" "$host"
    check_fails "$on: push without a login is refused" "$DENIED" push_regctl "$host/alice/app:regctl"
    check "$on: login by docker" login_docker "$host" alice "$PASSWORD"
    check "$on: push" push_regctl "$host/alice/app:regctl"
    check "$on: pull" pull_regctl "$host/alice/app:regctl"
    check "$on: logout by docker" logout_docker "$host"
    check_fails "$on: pull after logout" "$DENIED" pull_regctl "$host/alice/app:regctl"
  done
done

# A registry with a port, over plain HTTP on loopback.
for client in docker podman; do
  on="$client, 127.0.0.1:5001"
  home "static-port-$client" credHelpers 127.0.0.1:5001
  insecure=()
  [ "$client" = podman ] && insecure=(--tls-verify=false)
  run_client() { if [ "$client" = podman ]; then podman_in_home "$@"; else in_home docker "$@"; fi; }
  check "$on: login" run_client login "${insecure[@]}" -u alice -p "$PASSWORD" 127.0.0.1:5001
  check_says "$on: get" '"Username":"alice"' helper get 127.0.0.1:5001
  check "$on: pull" run_client pull -q "${insecure[@]}" "127.0.0.1:5001/alice/app:$client"
  check "$on: logout" run_client logout 127.0.0.1:5001
  check_fails "$on: get after logout" '^credentials not found in native keychain$' helper get 127.0.0.1:5001
done

# What a person stores at the known registries, each client naming Docker Hub in
# its own way. Nobody's variables are set.
stored_of() { # HOST: user and password there, one a line
  # shellcheck disable=SC1090
  (
    . "$LAB/env/$(env_of "$1").env"
    case $1 in
      "$ACR") printf '%s\n' "$AZURE_CLIENT_ID" "$AZURE_CLIENT_SECRET" ;;
      "$GAR") printf '%s\n' _json_key_base64 "$(base64 -w0 <"$GOOGLE_APPLICATION_CREDENTIALS")" ;;
      "$GHCR") printf '%s\n' "$GITHUB_ACTOR" "$GITHUB_TOKEN" ;;
      "$HUB") printf '%s\n' "$DOCKERHUB_USERNAME" "$DOCKERHUB_TOKEN" ;;
      "$GITLAB") printf '%s\n' "$CI_REGISTRY_USER" "$CI_REGISTRY_PASSWORD" ;;
      "$QUAY") printf '%s\n' "$QUAY_ROBOT_USERNAME" "$QUAY_ROBOT_TOKEN" ;;
    esac
  )
}

for host in $ACR $GAR $GHCR $HUB $GITLAB $QUAY; do
  seed "$host"
  mapfile -t stored < <(stored_of "$host")
  for client in docker podman crane skopeo helm; do
    on="$client, stored at $(short "$host")"
    home "stored-$client-$(short "$host")" credHelpers "$host"
    check_fails "$on: pull before the login" "$DENIED" "pull_$client" "$(repo_of "$host"):seed"
    check "$on: login" "login_$client" "$host" "${stored[@]}"
    check "$on: pull" "pull_$client" "$(repo_of "$host"):seed"
    check "$on: logout" "logout_$client" "$host"
    check_fails "$on: pull after logout" "$DENIED" "pull_$client" "$(repo_of "$host"):seed"
  done
done

# A login at a cloud's registry wins over the cloud's identity until it ends.
home static-ecr none
identity "$ECR"
attempt helper get "$ECR"
password=$(secret_of "$(cat "$W/out")")
seed "$ECR"
home static-ecr-login credHelpers "$ECR"
check "docker, ecr: login with a password from elsewhere" login_docker "$ECR" AWS "$password"
check "docker, ecr: pull with it, with no AWS identity" pull_docker "$(repo_of "$ECR"):seed"
identity "$ECR"
before=$(lab GET /count service=ecr)
check "docker, ecr: pull with it, with one" pull_docker "$(repo_of "$ECR"):seed"
check_equal "docker, ecr: nothing was minted" "$before" "$(lab GET /count service=ecr)"
check "docker, ecr: logout" logout_docker "$ECR"
check "docker, ecr: pull mints again" pull_docker "$(repo_of "$ECR"):seed"
check_equal "docker, ecr: once" $((before + 1)) "$(lab GET /count service=ecr)"
at_least 391
