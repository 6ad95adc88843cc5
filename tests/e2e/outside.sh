#!/usr/bin/env bash
# What a farm meets outside the quickstart: an existing PostgreSQL over TCP with a password, Git over ssh with a pinned host key, and
# Git over https with a private certificate authority. A changed host key and an unknown authority are refused and said.
. "$(dirname "$0")/farm.sh"
e2e_prepare

say "an existing PostgreSQL: a database, and a role that may create roles"
farm_pg_start
farm_psql -d postgres -c "create role farm_owner login createrole password 'not so secret'" -c "create database elsewhere owner farm_owner"
export FARM_CONNINFO="host=127.0.0.1 port=$(farm_port postgres) dbname=elsewhere user=farm_owner password='not so secret'"
e2e_farm
! grep -rF 'not so secret' "$FARM/log" || fail "the password of PostgreSQL stands in a log"
# The connection string stands in files that only their owner and root read.
! find "$FARM/etc" -name '*.conf' -perm /004 -exec grep -lF 'not so secret' {} + | grep . || fail "the password of PostgreSQL is readable by everybody"

repo=$FARM/etc/repo
e2e_template "$repo"
number_file "$repo/one/Containerfile" 1
cp "$FARM/etc/bases.conf" "$repo/build-args.conf"
mkdir -p "$FARM/git"
git init -q -b main "$repo"
git -C "$repo" -c user.name=x -c user.email=x@localhost add -A
git -C "$repo" -c user.name=x -c user.email=x@localhost commit -qm "First version"
git clone -q --bare "$repo" "$FARM/git/one.git"
synced() { bf status --json | jq -e ".[] | select(.name == \"$1:one@main\" and .state == \"Synced\")" >/dev/null; }
error_of() { bf repo list --json | jq -r ".[] | select(.name == \"$1\") | .error // empty"; }
has_error() { [ -n "$(error_of "$1")" ]; }

say "Git over ssh: the host key is pinned"
ssh_port=$(farm_port sshd)
mkdir -p "$FARM/sshd" /run/sshd
for key in host other client; do ssh-keygen -q -t ed25519 -N '' -f "$FARM/sshd/$key"; done
install -o bootfarm -g bootfarm -m 0600 "$FARM/sshd/client" "$FARM/keys/scheduler/git.key"
cp "$FARM/sshd/client.pub" "$FARM/sshd/authorized"
known() { printf '[127.0.0.1]:%s %s\n' "$ssh_port" "$(cut -d' ' -f1,2 "$FARM/sshd/$1.pub")" >"$FARM/etc/known_hosts"; }
known host
cat >"$FARM/sshd/config" <<CONF
ListenAddress 127.0.0.1:$ssh_port
HostKey $FARM/sshd/host
AuthorizedKeysFile $FARM/sshd/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
CONF
farm_spawn worker-sshd root /usr/sbin/sshd -D -e -f "$FARM/sshd/config"
farm_wait 20 sshd bash -c ": <>/dev/tcp/127.0.0.1/$ssh_port"
bf repo add "ssh://root@127.0.0.1:$ssh_port$FARM/git/one.git" --slug over-ssh --ssh-key "$FARM/keys/scheduler/git.key" --known-hosts "$FARM/etc/known_hosts"
wait_for 90 "the image of the repository over ssh" synced over-ssh

say "a changed host key is refused, and said"
known other
bf repo sync over-ssh || true
wait_for 60 "the error of over-ssh" has_error over-ssh
error_of over-ssh | grep -qi 'host key' || fail "over-ssh: $(error_of over-ssh)"
known host

say "Git over https: the authority is named per repository"
https_port=$(farm_port https)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$FARM/etc/https.key" -out "$FARM/etc/https.crt" 2>/dev/null
cat "$FARM/etc/https.key" "$FARM/etc/https.crt" >"$FARM/etc/https.pem"
cat >"$FARM/etc/https.conf" <<CONF
server.modules = ("mod_openssl", "mod_cgi", "mod_alias", "mod_setenv")
server.document-root = "$FARM/git"
server.bind = "127.0.0.1"
server.port = $https_port
server.errorlog = "$FARM/log/https.log"
ssl.engine = "enable"
ssl.pemfile = "$FARM/etc/https.pem"
alias.url = ("/git" => "$(git --exec-path)/git-http-backend")
\$HTTP["url"] =~ "^/git" {
    cgi.assign = ("" => "")
    setenv.set-environment = ("GIT_PROJECT_ROOT" => "$FARM/git", "GIT_HTTP_EXPORT_ALL" => "1")
}
CONF
farm_spawn worker-https root /usr/sbin/lighttpd -D -f "$FARM/etc/https.conf"
farm_wait 20 lighttpd curl -sf --cacert "$FARM/etc/https.crt" "https://127.0.0.1:$https_port/git/one.git/info/refs?service=git-upload-pack"
bf repo add "https://127.0.0.1:$https_port/git/one.git" --slug unknown-ca || true
wait_for 60 "the error of unknown-ca" has_error unknown-ca
error_of unknown-ca | grep -qi certificate || fail "unknown-ca: $(error_of unknown-ca)"
bf repo add "https://127.0.0.1:$https_port/git/one.git" --slug over-https --ca-file "$FARM/etc/https.crt"
wait_for 90 "the image of the repository over https" synced over-https

say "equal content in two repositories is built once"
[ "$(farm_psql -d elsewhere -Atc "select count(*) from farm.build_result")" = 1 ] || fail "equal content was built more than once"
say "done"
