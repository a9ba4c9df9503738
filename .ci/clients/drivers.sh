# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# How each client is driven: a home of its own, its configuration, and the
# verbs push, pull, login, logout. REF is HOST/REPOSITORY:TAG.

# shellcheck disable=SC2034 # the scripts read these
{
  ECR=123456789012.dkr.ecr.eu-west-1.amazonaws.com
  ACR=corp.azurecr.io
  GAR=europe-docker.pkg.dev
  GCR=gcr.io
  GHCR=ghcr.io
  HUB=docker.io
  GITLAB=registry.gitlab.com
  QUAY=quay.io
  FIRST_FIVE="$ECR $ACR $GAR $GHCR $HUB"
  THE_REST="$GCR $GITLAB $QUAY"
  # What clients, or the helper before them, say of a private registry that they may not enter.
  DENIED='no identity|UNAUTHORIZED|denied|DENIED|[Uu]nauthorized|no basic auth|authentication required|Not Authorized|basic credential not found|Forbidden|invalid username/password'
}

# repo_of HOST: a repository there, of the form that registry wants.
repo_of() {
  case $1 in
    "$ECR") echo "$1/ecr-team/app" ;;
    "$ACR") echo "$1/acr-team/app" ;;
    "$GAR") echo "$1/project/images/app" ;;
    "$GCR") echo "$1/gcr-project/app" ;;
    "$GHCR") echo "$1/octo/app" ;;
    "$HUB") echo "$1/acme/app" ;;
    "$GITLAB") echo "$1/group/project/app" ;;
    "$QUAY") echo "$1/robots/app" ;;
    *) echo "$1/alice/app" ;;
  esac
}

# short HOST, for the lines that people read.
short() {
  case $1 in
    "$ECR") echo ecr ;; "$ACR") echo acr ;; "$GAR") echo gar ;; "$GCR") echo gcr ;;
    "$GHCR") echo ghcr ;; "$HUB") echo hub ;; "$GITLAB") echo gitlab ;; "$QUAY") echo quay ;;
    *) echo "$1" ;;
  esac
}

# env_of HOST: the lab's file of variables for it.
env_of() {
  case $1 in
    "$ECR") echo ecr ;; "$ACR") echo acr ;; "$GAR" | "$GCR") echo gar ;;
    "$GHCR") echo ghcr ;; "$HUB") echo hub ;; "$GITLAB") echo gitlab ;; "$QUAY") echo quay ;;
  esac
}

# home NAME WIRING [HOST…] begins a new home, whose clients use regauth as
# WIRING says: credHelpers (for the hosts), credsStore, or none.
# Docker Hub has two keys: Docker's own, and the one podman and skopeo read.
home() {
  H=$W/home/$1
  local wiring=$2 host config='{}'
  shift 2
  rm -rf "$H"
  mkdir -p "$H/docker" "$H/run" "$H/tmp" "$H/helm"
  chmod 700 "$H/run"
  case $wiring in
    credsStore) config='{"credsStore":"regauth"}' ;;
    credHelpers)
      for host in "$@"; do
        config=$(jq -c --arg h "$host" '.credHelpers[$h] = "regauth"' <<<"$config")
        [ "$host" = "$HUB" ] && config=$(jq -c '.credHelpers["https://index.docker.io/v1/"] = "regauth"' <<<"$config")
      done ;;
  esac
  for file in docker/config.json auth.json helm/config.json; do echo "$config" >"$H/$file"; done
  enter "${H#"$W/home/"}"
}

# enter NAME goes back into a home, without any variables of a person.
enter() {
  H=$W/home/$1
  BASE=(
    PATH="$W/bin:$PATH" HOME="$H" TMPDIR="$H/tmp" LC_ALL=C
    XDG_CONFIG_HOME="$H/.config" XDG_DATA_HOME="$H/.local/share" XDG_CACHE_HOME="$H/.cache" XDG_RUNTIME_DIR="$H/run"
    DOCKER_CONFIG="$H/docker" DOCKER_HOST="unix://$W/engine/d.sock" REGISTRY_AUTH_FILE="$H/auth.json"
    HELM_REGISTRY_CONFIG="$H/helm/config.json"
    SSL_CERT_FILE="$LAB/ca.pem" SSL_CERT_DIR="$W/none" CURL_CA_BUNDLE="$LAB/ca.pem"
    REGAUTH_CACHE_DIR="$H/regauth-cache" REGAUTH_STORE=file REGAUTH_METADATA=off REGAUTH_TIMEOUT=15s
    AWS_EC2_METADATA_DISABLED=true
  )
  VARIABLES=()
}

# identity HOST… gives the home the variables of these registries' people.
identity() {
  local host line
  for host in "$@"; do
    while IFS= read -r line; do
      line=${line#export }
      line=${line/=\'/=}
      VARIABLES+=("${line%\'}")
    done <"$LAB/env/$(env_of "$host").env"
  done
}

# in_home COMMAND… runs a client there. Nothing may hang: docker prompts when
# it has no credential, and no client has a time limit of its own.
in_home() { timeout --kill-after=5 "${LIMIT:-60}" env -i "${BASE[@]}" "${VARIABLES[@]}" "$@"; }

# helper VERB [ADDRESS] asks the helper itself.
helper() { printf '%s' "${2:-}" | in_home docker-credential-regauth "$1"; }

podman_in_home() {
  in_home podman --root "$W/podman/root" --runroot "$W/podman/run" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file "$@"
}

# seed HOST puts image (tag seed) and chart there, behind the registry's door.
seed() {
  local repo
  repo=$(repo_of "$1")
  repo=127.0.0.1:5000/${repo#*/}
  clean crane push --insecure "$W/images/hello.tar" "$repo:seed" >"$W/out" 2>&1
  clean crane push --insecure "$W/images/hello.tar" "${repo%/*}/open:seed" >"$W/out" 2>&1
  clean helm push --plain-http "$W/images/lab-0.1.0.tgz" "oci://${repo%/*}" >"$W/out" 2>&1
}

# wirings_of CLIENT: podman and skopeo do not know credsStore.
wirings_of() { case $1 in podman | skopeo) echo credHelpers ;; *) echo credHelpers credsStore ;; esac; }

# oci_ref: helm and skopeo name Docker Hub by its host.
oci_ref() { echo "${1/#docker.io\//registry-1.docker.io/}"; }

push_docker() { in_home docker tag lab/hello:1 "$1" && in_home docker push -q "$1"; }
pull_docker() { in_home docker rmi -f "$1" >/dev/null 2>&1; in_home docker pull -q "$1"; }
push_podman() {
  podman_in_home image exists localhost/hello:1 ||
    podman_in_home import -q -c 'CMD ["/hello"]' "$W/images/rootfs.tar" localhost/hello:1 || return
  podman_in_home tag localhost/hello:1 "$1" && podman_in_home push -q "$1"
}
pull_podman() { podman_in_home rmi -f "$1" >/dev/null 2>&1; podman_in_home pull -q "$1"; }
push_skopeo() { in_home skopeo copy -q "oci:$W/images/oci:v1" "docker://$1"; }
pull_skopeo() { rm -rf "$H/pulled"; in_home skopeo copy -q "docker://$1" "dir:$H/pulled" && test -s "$H/pulled/manifest.json"; }
push_crane() { in_home crane push "$W/images/hello.tar" "$1"; }
pull_crane() { rm -f "$H/pulled.tar"; in_home crane pull "$1" "$H/pulled.tar" && test -s "$H/pulled.tar"; }
push_regctl() { in_home regctl image copy "ocidir://$W/images/oci:v1" "$1"; }
pull_regctl() { rm -f "$H/pulled.tar"; in_home regctl image export "$1" "$H/pulled.tar" && test -s "$H/pulled.tar"; }
# A chart goes to the repository's folder, under its own name and version.
push_helm() { in_home helm push "$W/images/lab-0.1.0.tgz" "oci://$(oci_ref "${1%/*}")"; }
pull_helm() { rm -f "$H"/lab-0.1.0.tgz; in_home helm pull "oci://$(oci_ref "${1%/*}")/lab" --version 0.1.0 -d "$H" && test -s "$H/lab-0.1.0.tgz"; }

logout_docker() { if [ "$1" = "$HUB" ]; then in_home docker logout; else in_home docker logout "$1"; fi; }
logout_podman() { podman_in_home logout "$1"; }
logout_skopeo() { in_home skopeo logout "$1"; }
logout_crane() { if [ "$1" = "$HUB" ]; then in_home crane auth logout index.docker.io; else in_home crane auth logout "$1"; fi; }
logout_helm() { if [ "$1" = "$HUB" ]; then in_home helm registry logout registry-1.docker.io; else in_home helm registry logout "$1"; fi; }

# login_CLIENT HOST USER PASSWORD, with Docker Hub under the name each client has for it.
# shellcheck disable=SC2016 # the inner shell expands these
login_docker() { in_home sh -c 'printf %s "$3" | docker login -u "$2" --password-stdin ${1:+"$1"}' sh "${1/#"$HUB"/}" "$2" "$3"; }
login_podman() { in_home podman login -u "$2" -p "$3" "$1"; }
login_skopeo() { in_home skopeo login -u "$2" -p "$3" "$1"; }
login_crane() { in_home crane auth login -u "$2" -p "$3" "${1/#"$HUB"/index.docker.io}"; }
login_helm() { in_home helm registry login -u "$2" -p "$3" "${1/#"$HUB"/registry-1.docker.io}"; }

# secret_of ANSWER and user_of ANSWER read the helper's JSON.
secret_of() { jq -r .Secret <<<"$1"; }
user_of() { jq -r .Username <<<"$1"; }

# entry HOST USER SECRET prints the status with which the registry itself meets
# this credential, asked without any client or helper.
entry() {
  local repo
  repo=$(repo_of "$1")
  repo=${repo#*/}
  local scope="repository:$repo:pull" curl=(curl -s -o /dev/null -w '%{http_code}' --cacert "$LAB/ca.pem" --max-time 20)
  case $1 in
    "$ACR") "${curl[@]}" -d grant_type=refresh_token -d "service=$1" -d "scope=$scope" --data-urlencode "refresh_token=$3" "https://$1/oauth2/token" ;;
    "$GAR" | "$GCR") "${curl[@]}" -G -u "$2:$3" -d "service=$1" -d "scope=$scope" "https://$1/v2/token" ;;
    "$GHCR") "${curl[@]}" -G -u "$2:$3" -d service=ghcr.io -d "scope=$scope" https://ghcr.io/token ;;
    "$HUB") "${curl[@]}" -G -u "$2:$3" -d service=registry.docker.io -d "scope=$scope" https://auth.docker.io/token ;;
    "$GITLAB") "${curl[@]}" -G -u "$2:$3" -d service=container_registry -d "scope=$scope" "https://$1/jwt/auth" ;;
    "$QUAY") "${curl[@]}" -G -u "$2:$3" -d "service=$1" -d "scope=$scope" "https://$1/v2/auth" ;;
    *) "${curl[@]}" -u "$2:$3" "https://$1/v2/" ;;
  esac
}

# refused HOST USER SECRET succeeds when the registry does not let it in.
refused() { [[ $(entry "$@") =~ ^40[13]$ ]]; }
