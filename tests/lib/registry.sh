# registry.sh - a docker-registry of one's own, on a free port, in a directory of one's own.
# shellcheck shell=bash
#
#   . tests/lib/registry.sh
#   registry_start NAME DIR      sets REGISTRY_NAME=127.0.0.1:PORT (the name in capitals)
#   registry_stop NAME           ends that process, by id
#
# REGISTRY_TLS="CERT KEY" makes it speak HTTPS, REGISTRY_HTPASSWD=FILE makes it ask for a password.
#   registry_stop_all

declare -A REGISTRY_PID=()

# A port that nobody listens on now; another may take it before the registry does, hence the retries below.
registry_free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# Any answer will do, also one that asks for a password.
registry_answers() { curl -sk -o /dev/null "${REGISTRY_TLS:+https://}$1/v2/"; }

registry_start() { # registry_start NAME DIR [PORT]
    local name=$1 dir=$2 wanted=${3:-} port n
    mkdir -p "$dir"
    for _ in 1 2 3 4 5; do
        port=${wanted:-$(registry_free_port)}
        cat >"$dir.yml" <<YML
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $dir }
  delete: { enabled: true }
http:
  addr: 127.0.0.1:$port
YML
        [ -z "${REGISTRY_TLS:-}" ] || printf '  tls: { certificate: %s, key: %s }\n' "${REGISTRY_TLS% *}" "${REGISTRY_TLS#* }" >>"$dir.yml"
        [ -z "${REGISTRY_HTPASSWD:-}" ] || printf 'auth: { htpasswd: { realm: test, path: %s } }\n' "$REGISTRY_HTPASSWD" >>"$dir.yml"
        docker-registry serve "$dir.yml" >>"$dir.log" 2>&1 &
        REGISTRY_PID[$name]=$!
        for ((n = 0; n < 200; n++)); do
            kill -0 "${REGISTRY_PID[$name]}" 2>/dev/null || break
            if registry_answers "127.0.0.1:$port"; then
                printf -v "REGISTRY_${name^^}" '%s' "127.0.0.1:$port"
                return 0
            fi
            sleep 0.05
        done
    done
    echo "registry $name does not come up:" >&2
    cat "$dir.log" >&2
    return 1
}

registry_stop() {
    local pid=${REGISTRY_PID[$1]:-}
    [ -n "$pid" ] || return 0
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    unset "REGISTRY_PID[$1]"
}

registry_stop_all() {
    local name
    for name in "${!REGISTRY_PID[@]}"; do registry_stop "$name"; done
}

# registry_digest HOST/REPO:TAG
registry_digest() { skopeo inspect --tls-verify=false --raw "docker://$1" | sha256sum | sed 's/^/sha256:/; s/ .*//'; }
