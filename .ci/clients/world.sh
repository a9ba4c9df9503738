# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The world inside the name space: loopback, registries, the clouds, an Engine.

LAB=$W/lab
CONTROL=http://127.0.0.1:9000
PIDS=()
: >"$W/results"

# CLEAN is an environment with nothing of this machine's in it.
CLEAN=(env -i PATH="$PATH" HOME="$W" TMPDIR="$W/tmp")
clean() { "${CLEAN[@]}" "$@"; }

# start NAME COMMAND… runs a server until the end. It must not be a function of
# the shell's: the number that is kept would be a subshell's.
start() {
  local name=$1
  shift
  "${CLEAN[@]}" "$@" >"$W/log/$name" 2>&1 </dev/null &
  PIDS+=($!)
}

# wait_for WHAT COMMAND… waits up to 30 s.
wait_for() {
  local what=$1
  shift
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 </dev/null && return 0
    sleep 0.1
  done
  echo "clients: $what did not come up" >&2
  tail -n 20 "$W"/log/* >&2 || true
  return 1
}

lab() { # METHOD PATH [name=value…]: the control API of clientlab
  local method=$1 path=$2 data=()
  shift 2
  for pair in "$@"; do data+=(--data-urlencode "$pair"); done
  [ "$method" = GET ] && data+=(-G)
  curl -sSf -X "$method" "${data[@]}" "$CONTROL$path"
}

registry_config() { # NAME PORT AUTH-YAML
  mkdir -p "$W/registry/$1"
  cat >"$W/registry/$1.yml" <<YAML
version: 0.1
log: {accesslog: {disabled: false}, level: warn}
storage:
  filesystem: {rootdirectory: $W/registry/$1}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:$2
  relativeurls: true
$3
YAML
  start "registry-$1" docker-registry serve "$W/registry/$1.yml"
}

# The token server signs with a key of its own; its certificate is what the
# registry trusts.
token_registry() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tokens -keyout "$W/token.pem" -out "$W/token.crt" 2>/dev/null
  openssl rsa -in "$W/token.pem" -traditional -out "$W/token.key" 2>/dev/null # the only form the server reads
  registry_config token 5002 "auth:
  token:
    realm: https://auth.corp.example/token/
    service: token.corp.example
    issuer: lab-token-server
    rootcertbundle: $W/token.crt"
  start token-server token-server -addr 127.0.0.1:5003 -issuer lab-token-server -key "$W/token.key" \
    -passwd "$W/htpasswd" -realm token.corp.example
}

world_begin() {
  local port
  mkdir -p "$W/log" "$W/tmp" "$W/engine"
  ip link set lo up
  # The word for the logins that people store themselves.
  PASSWORD=correct-horse
  htpasswd -Bbn alice "$PASSWORD" >"$W/htpasswd" 2>/dev/null
  registry_config plain 5000 ''
  registry_config htpasswd 5001 "auth: {htpasswd: {realm: lab, path: $W/htpasswd}}"
  token_registry
  start clientlab "$W/clientlab" serve -dir "$LAB"
  mkdir -p "$LAB"
  wait_for clientlab test -e "$LAB/ready"
  mount --bind "$LAB/hosts" /etc/hosts
  echo '{}' >"$W/engine/daemon.json"
  start dockerd SSL_CERT_FILE="$LAB/ca.pem" dockerd --storage-driver=vfs --iptables=false --ip6tables=false --bridge=none \
    --data-root "$W/engine/data" --exec-root "$W/engine/exec" --pidfile "$W/engine/pid" \
    -H "unix://$W/engine/d.sock" --config-file "$W/engine/daemon.json"
  for port in 5000 5001 5002 5003; do wait_for "the server on port $port" curl -s "http://127.0.0.1:$port/v2/"; done
  wait_for dockerd clean docker -H "unix://$W/engine/d.sock" version
  prepare_images
}

# One image in every client's form, and one chart.
prepare_images() {
  mkdir -p "$W/images"
  tar -C "$W" -cf "$W/images/rootfs.tar" hello
  clean docker -H "unix://$W/engine/d.sock" import -c 'CMD ["/hello"]' "$W/images/rootfs.tar" lab/hello:1 >/dev/null
  clean docker -H "unix://$W/engine/d.sock" save lab/hello:1 >"$W/images/hello.tar"
  clean skopeo copy -q "docker-archive:$W/images/hello.tar" "oci:$W/images/oci:v1"
  mkdir -p "$W/images/chart/lab"
  printf 'apiVersion: v2\nname: lab\nversion: 0.1.0\n' >"$W/images/chart/lab/Chart.yaml"
  (cd "$W/images" && clean helm package chart/lab >/dev/null)
}

# world_end ends what was started, by its number. Whatever a client left behind
# ends with the name space, whose first process this shell is.
world_end() {
  local pid
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  umount /etc/hosts 2>/dev/null || true
}
