#!/usr/bin/env bash
# Compares kingtide with its peers, side by side on this machine, and with the targets of the project.
#
#   benches/peers.sh                       all rows, medians of five; about 40 minutes
#   benches/peers.sh --only post,quick     only these of: post json journey think quick close tls http2 grpc rate threads start metrics
#   benches/peers.sh --runs 3 --duration 2 fewer and shorter runs, for a first look
#   benches/peers.sh --binary PATH         that kingtide instead of building one
#   benches/peers.sh --oha                 oha as well, built by cargo into .tools/, because Debian has none
#   benches/peers.sh --no-install          installs nothing; peers that are missing are left out
#   benches/peers.sh --awake               keeps the processors from sleeping meanwhile, for all tools alike; asks for root
#
# Prints a table with medians, spread, ratios and targets, and exits with 1 where a target is missed. Peers come from
# Debian's packages. nginx serves on one core, the generator has another, and all of it is loopback. What the rows mean:
# docs/guide/benchmarks.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly ROWS=(post json journey think quick close tls http2 grpc rate threads start metrics)
readonly OHA=1.16.0
# The ids of the cores.
readonly GENERATOR=0 SERVER=1
# A connection is a file, on both sides; and what else is open.
readonly FILES=10200
# Numbers with points, widths in characters.
export LC_ALL=C.UTF-8
export PATH="$PWD/.tools/bin:$PATH:/usr/sbin"
# As Debian installs lua-cjson; wrk looks for Lua 5.1's modules.
export LUA_CPATH="/usr/lib/$(uname -m)-linux-gnu/lua/5.1/?.so;;"

only=() runs=5 duration=5 binary="" micro="" with_oha=no install=yes awake=no

# What stands at the top of this file.
usage() {
  sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

fail() {
  echo "peers.sh: $*" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case "$1" in
    --only) IFS=, read -r -a only <<<"${2:?}"; shift ;;
    --runs) runs="${2:?}"; shift ;;
    --duration) duration="${2:?}"; shift ;;
    --binary) binary="$(realpath "${2:?}")"; shift ;;
    --oha) with_oha=yes ;;
    --no-install) install=no ;;
    --awake) awake=yes ;;
    *) usage ;;
  esac
  shift
done
[[ "$runs" =~ ^[1-9][0-9]*$ && "$duration" =~ ^[1-9][0-9]*$ ]] || usage
for row in "${only[@]}"; do [[ " ${ROWS[*]} " == *" $row "* ]] || usage; done

have() { command -v "$1" >/dev/null 2>&1; }

# wanted ROW: whether it is to be measured.
wanted() { [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }

peers() {
  [ "$install" = yes ] || return 0
  local missing=() root=()
  # command, package
  while read -r command package; do have "$command" || missing+=("$package"); done <<'LIST'
nginx nginx
wrk wrk
h2load nghttp2-client
ab apache2-utils
hey hey
python3 python3
openssl openssl
taskset util-linux
LIST
  [ -x /usr/bin/time ] || missing+=(time)
  compgen -G "/usr/lib/*/lua/5.1/cjson.so" >/dev/null || missing+=(lua-cjson)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then root=(sudo -n); fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  if [ "$with_oha" = yes ] && ! have oha; then
    echo "installing oha $OHA"
    CARGO_TARGET_DIR="$PWD/target/tools" cargo install --quiet --locked --root .tools "oha@$OHA"
  fi
}

# free_ports N: that many ports on which nobody listens.
free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))
PYTHON
}

work="$(mktemp -d)"
server_pid="" demo_pid=""
finish() {
  local pid
  for pid in $server_pid $demo_pid; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# items COUNT: a JSON answer with that many objects in it.
items() {
  python3 - "$1" <<'PYTHON'
import json, sys
items = [{"id": i, "name": f"Item number {i}", "price": i * 7919 % 100000 / 100, "tags": ["a", "b", "c"],
          "inStock": i % 2 == 0, "size": {"width": i, "height": 2 * i, "depth": 3.5}} for i in range(int(sys.argv[1]))]
print(json.dumps({"items": items, "total": len(items)}))
PYTHON
}

# Starts nginx with one worker: $url answers HTTP/1.1, $url2 HTTP/2 with prior knowledge, $url_tls HTTP/1.1 over TLS, all with
# 35 bytes of JSON; $url has answers of other sizes below /items/ too. It has more connections than anybody makes here, because
# it closes idle ones when few are left.
start_server() {
  local port port2 port_tls temp count
  read -r port port2 port_tls < <(free_ports 3)
  for temp in body proxy fastcgi uwsgi scgi www/items; do mkdir -p "$work/$temp"; done
  for count in 10 1000; do items $count >"$work/www/items/$count"; done
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.err" || fail "no certificate: $(cat "$work/openssl.err")"
  cat >"$work/nginx.conf" <<CONF
daemon off; master_process off; worker_processes 1;
pid $work/nginx.pid; error_log $work/nginx.log crit;
events { worker_connections 16000; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type application/json;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  server {
    listen 127.0.0.1:$port backlog=20000; location / { return 200 '{"id":12345,"status":"confirmed"} \n'; }
    location /items/ { root $work/www; }
  }
  server {
    listen 127.0.0.1:$port_tls ssl backlog=20000; location / { return 200 '{"id":12345,"status":"confirmed"} \n'; }
    ssl_protocols TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
    ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
  }
  server {
    listen 127.0.0.1:$port2 http2 backlog=20000; http2_max_requests 1000000000; http2_max_concurrent_streams 256;
    location / { return 200 '{"id":12345,"status":"confirmed"} \n'; }
  }
}
CONF
  taskset -c $SERVER nginx -e "$work/nginx.log" -p "$work" -c "$work/nginx.conf" 2>"$work/nginx.err" &
  server_pid=$!
  url="http://127.0.0.1:$port" url2="http://127.0.0.1:$port2" url_tls="https://127.0.0.1:$port_tls"
  local deadline=$((SECONDS + 10))
  until (: >"/dev/tcp/127.0.0.1/$port2") 2>/dev/null; do
    kill -0 "$server_pid" 2>/dev/null || fail "nginx did not start: $(cat "$work/nginx.err" "$work/nginx.log")"
    [ $SECONDS -lt $deadline ] || fail "nginx does not listen"
    sleep 0.05
  done
}

# Starts the built-in systems: tonic serves at $grpc.
start_demo() {
  taskset -c $SERVER "$binary" demo --port 0 >"$work/demo.out" 2>"$work/demo.err" &
  demo_pid=$!
  local deadline=$((SECONDS + 20))
  until grep -q '^CHALLENGE_GRPC=' "$work/demo.out"; do
    kill -0 "$demo_pid" 2>/dev/null || fail "the demo did not start: $(cat "$work/demo.err")"
    [ $SECONDS -lt $deadline ] || fail "the demo says no address"
    sleep 0.05
  done
  grpc="$(sed -n 's/^CHALLENGE_GRPC=//p' "$work/demo.out")"
}

# --- measuring

# count TOOL: how many requests the last run has made, by its own output; fails if any of them went wrong.
count() {
  local out="$work/out"
  case "$1" in
    kingtide)
      python3 - "$work/summary.json" <<'PYTHON'
import json, sys
metrics = json.load(open(sys.argv[1]))["metrics"]
of = "http" if metrics.get("http_reqs", {}).get("count") else "grpc"
failed = metrics[of + "_req_failed"]["passes"]
checks = metrics.get("checks", {"rate": 1})
if failed or checks["rate"] != 1:
    sys.exit(f"{failed} requests failed, checks passed: {checks['rate']}")
print(int(metrics[of + "_reqs"]["count"]))
PYTHON
      ;;
    wrk)
      if grep -qE 'Non-2xx|Socket errors: .*[1-9]|failed: [1-9]' "$out"; then return 1; fi
      grep -oE '[0-9]+ requests in' "$out" | cut -d' ' -f1
      ;;
    h2load)
      grep -qE ' 0 failed, 0 errored' "$out" || return 1
      sed -nE 's/^requests:.* ([0-9]+) succeeded.*/\1/p' "$out"
      ;;
    ab)
      grep -qE '^Failed requests: +0$' "$out" || return 1
      sed -nE 's/^Complete requests: +([0-9]+)$/\1/p' "$out"
      ;;
    hey) sed -nE 's/^ *\[200\][[:space:]]+([0-9]+) responses$/\1/p' "$out" ;;
    floor) sed -nE 's/^([0-9]+) answers,.*/\1/p' "$out" ;;
    oha) python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["statusCodeDistribution"]["200"])' "$out" ;;
  esac
}

# note SERIES VALUE
note() { echo "$2" >>"$work/$1.values"; }

# measure SERIES TOOL COMMAND…: runs it on the generator's core; notes its CPU time for each request (SERIES.cpu, µs), and
# its peak of resident memory (SERIES.rss, KB).
measure() {
  local series="$1" tool="$2" user system rss requests
  rm -f "$work/summary.json"
  # The process keeps its id while it becomes taskset and then the tool.
  # shellcheck disable=SC2016
  /usr/bin/time -o "$work/time" -f '%U %S %M' sh -c 'echo $$ >"$0"; exec "$@"' "$work/pid" \
    taskset -c $GENERATOR "${@:3}" >"$work/out" 2>"$work/err" ||
    fail "$series: ${*:3} failed: $(tail -n 5 "$work/out" "$work/err")"
  read -r user system rss < <(tail -n 1 "$work/time")
  requests="$(count "$tool")" || fail "$series: not all requests were answered well: $(tail -n 15 "$work/out" "$work/err")"
  [ "${requests:-0}" -gt 0 ] || fail "$series: no requests were made: $(tail -n 15 "$work/out" "$work/err")"
  note "$series.cpu" "$(awk -v c="$user $system" -v n="$requests" 'BEGIN { split(c, t, " "); printf "%.3f", (t[1] + t[2]) * 1e6 / n }')"
  note "$series.rss" "$rss"
  cpu_seconds="$(awk -v u="$user" -v s="$system" 'BEGIN { print u + s }')"
  requests_made="$requests"
}

# kt SERIES SCRIPT ARGS…: `kingtide run` on $threads threads.
threads=1
kt() {
  measure "$1" kingtide "$binary" run "benches/peers/$2.lua" -e "BASE_URL=$url" --threads "$threads" --quiet --no-results \
    --allow-suspect --summary-json "$work/summary.json" "${@:3}"
}

# quick SERIES URL ARGS…: `kingtide quick` on one thread.
quick() {
  measure "$1" kingtide "$binary" quick "$2" -d "${duration}s" --threads 1 --quiet --allow-suspect \
    --summary-json "$work/summary.json" "${@:3}"
}

# of_summary PATH: a number of the last summary.
of_summary() {
  python3 -c 'import functools, json, sys
print(functools.reduce(lambda tree, key: tree[key], sys.argv[2].split("/"), json.load(open(sys.argv[1]))))' \
    "$work/summary.json" "$1"
}

# --- the table

missed=0

# statistic FIELD SERIES: median, min or max of what was noted.
statistic() {
  sort -n "$work/$2.values" | awk -v want="$1" '
    { v[NR] = $1 }
    END {
      if (want == "min") print v[1]
      else if (want == "max") print v[NR]
      else print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
    }'
}

# spread SERIES UNIT: median and range, for people.
spread() {
  awk -v m="$(statistic median "$1")" -v a="$(statistic min "$1")" -v b="$(statistic max "$1")" -v unit="$2" \
    'function n(x) { return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x) }
     BEGIN { printf "%s %s (%s–%s)", n(m), unit, n(a), n(b) }'
}

# ratio SERIES OTHER: of their medians.
ratio() { awk -v a="$(statistic median "$1")" -v b="$(statistic median "$2")" 'BEGIN { printf "%.3f", a / b }'; }

# ratios SERIES OTHER: the range over the rounds, in each of which both ran one after the other.
ratios() {
  paste "$work/$1.values" "$work/$2.values" | awk '
    { r = $1 / $2; if (NR == 1 || r < a) a = r; if (NR == 1 || r > b) b = r }
    END { printf "%.2f–%.2f", a, b }'
}

# line CELL…: a line of the table. printf pads by bytes.
line() {
  local cell out="|" widths=(44 25 25 19 6 6)
  for cell in "$@"; do
    printf -v cell '%s%*s' "$cell" $((${widths[0]} > ${#cell} ? ${widths[0]} - ${#cell} : 0)) ""
    widths=("${widths[@]:1}")
    out+=" $cell |"
  done
  echo "$out"
}

# judge NAME OURS THEIRS SHOWN VALUE LIMIT: a line of the table; VALUE must be at most LIMIT.
judge() {
  local verdict=ok
  if awk -v v="$5" -v l="$6" 'BEGIN { exit !(v > l) }'; then
    verdict=MISSED
    missed=$((missed + 1))
  fi
  line "$1" "$2" "$3" "$4" "≤ $6" "$verdict"
}

# against NAME SERIES OTHER LIMIT UNIT: a ratio of two series.
against() {
  judge "$1" "$(spread "$2" "$5")" "$(spread "$3" "$5")" "$(ratio "$2" "$3")× ($(ratios "$2" "$3"))" "$(ratio "$2" "$3")" "$4"
}

# left_out NAME WHY: a target that could not be looked at is not met.
left_out() {
  line "$1" "$2" "" "" "" "MISSED"
  missed=$((missed + 1))
}

rounds() {
  local round
  for round in $(seq "$runs"); do
    echo "  $1: round $round of $runs" >&2
    "measure_$1"
  done
}

# --- the rows

measure_post() {
  measure post.wrk wrk wrk -t1 -c50 "-d${duration}" -s benches/peers/post.wrk.lua "$url"
  kt post.kingtide post -d "${duration}s"
}
show_post() { against "scripted POST, 50 users: wrk + cjson" post.kingtide.cpu post.wrk.cpu 1.0 "µs"; }

# An answer as big as those of real systems, parsed as a whole; ten objects are 1.3 KB, a thousand 140.
measure_json() {
  local count
  for count in 10 1000; do
    measure "json.$count.wrk" wrk env "COUNT=$count" wrk -t1 -c50 "-d${duration}" -s benches/peers/json.wrk.lua "$url"
    kt "json.$count.kingtide" json -d "${duration}s" -e "COUNT=$count"
  done
}
show_json() {
  against "scripted GET, 10 objects parsed: wrk + cjson" json.10.kingtide.cpu json.10.wrk.cpu 1.0 "µs"
  against "  1,000 objects" json.1000.kingtide.cpu json.1000.wrk.cpu 1.0 "µs"
}

# What people write around their requests: groups, tokens, a query, a header, a row of data, metrics with tags.
measure_journey() {
  kt journey.post post -d "${duration}s"
  kt journey.kingtide journey -d "${duration}s"
}
show_journey() {
  line "a journey, for each request: own POST" "$(spread journey.kingtide.cpu µs)" "$(spread journey.post.cpu µs)" \
    "$(ratio journey.kingtide.cpu journey.post.cpu)× ($(ratios journey.kingtide.cpu journey.post.cpu))" "" ""
}

# Ten thousand users and connections have to be made first, which a long run spreads over more requests; what a longer run
# costs above a shorter one is without that. What wrk asks for as many connections is what the sockets alone cost: each has
# left the caches, whoever uses it. What a tenth of the users costs at the same rate is what being many does not cost.
measure_think() {
  local cpu requests
  kt think.few post -d "${duration}s"
  kt think.short post -d "${duration}s" -u 10000 -e THINK=400ms
  cpu="$cpu_seconds" requests="$requests_made"
  kt think.many post -d "$((duration * 4))s" -u 10000 -e THINK=400ms
  note think.going.cpu "$(awk -v c="$cpu_seconds" -v n="$requests_made" -v c0="$cpu" -v n0="$requests" \
    'BEGIN { printf "%.3f", (c - c0) * 1e6 / (n - n0) }')"
  kt think.tenth post -d "${duration}s" -u 1000 -e THINK=40ms
  measure think.wrk.few wrk wrk -t1 -c50 "-d${duration}" "$url"
  measure think.wrk.many wrk wrk -t1 -c10000 "-d${duration}" "$url"
  note think.memory "$(awk -v a="$(tail -n 1 "$work/think.few.rss.values")" -v b="$(tail -n 1 "$work/think.many.rss.values")" \
    'BEGIN { printf "%.2f", (b - a) / (10000 - 50) }')"
}
show_think() {
  against "the same, 10,000 users, 0.4 s: own 50" think.many.cpu think.few.cpu 1.6 "µs"
  line "  once they are made" "$(spread think.going.cpu µs)" "$(spread think.few.cpu µs)" \
    "$(ratio think.going.cpu think.few.cpu)× ($(ratios think.going.cpu think.few.cpu))" "" ""
  line "  once they are made: 1,000 users, 40 ms" "$(spread think.going.cpu µs)" "$(spread think.tenth.cpu µs)" \
    "$(ratio think.going.cpu think.tenth.cpu)× ($(ratios think.going.cpu think.tenth.cpu))" "" ""
  line "  wrk without a script, 10,000 connections" "$(spread think.wrk.many.cpu µs)" "$(spread think.wrk.few.cpu µs)" \
    "$(ratio think.wrk.many.cpu think.wrk.few.cpu)× ($(ratios think.wrk.many.cpu think.wrk.few.cpu))" "" ""
  judge "  resident memory for each user" "$(spread think.memory KB)" "" "" "$(statistic median think.memory)" 12
}

measure_quick() {
  measure get.wrk wrk wrk -t1 -c50 "-d${duration}" "$url"
  quick get.kingtide "$url" -c 50
  if have h2load; then measure get.h2load h2load h2load --h1 -t1 -c50 -D "$duration" "$url"; fi
  if have ab; then measure get.ab ab ab -q -k -c 50 -t "$duration" -n 100000000 "$url/"; fi
  if have oha; then measure get.oha oha oha --no-tui --output-format json -c 50 -z "${duration}s" "$url"; fi
  if have hey; then measure get.hey hey hey -cpus 1 -c 50 -z "${duration}s" "$url"; fi
}
show_quick() {
  local peer
  against "quick GET, 50 connections: wrk" get.kingtide.cpu get.wrk.cpu 1.15 "µs"
  for peer in h2load ab oha hey; do
    if [ -f "$work/get.$peer.cpu.values" ]; then
      against "  $peer" get.kingtide.cpu "get.$peer.cpu" 1.0 "µs"
    else
      line "  $peer" "not installed" "" "" "≤ 1.0" "-"
    fi
  done
}

# Each request on a connection of its own.
measure_close() {
  measure close.wrk wrk wrk -t1 -c50 "-d${duration}" -H "Connection: close" "$url"
  quick close.kingtide "$url" -c 50 --no-keepalive
  if have ab; then measure close.ab ab ab -q -c 50 -t "$duration" -n 100000000 "$url/"; fi
}
show_close() {
  against "quick GET, a connection for each: wrk" close.kingtide.cpu close.wrk.cpu 1.15 "µs"
  if have ab; then against "  ab" close.kingtide.cpu close.ab.cpu 1.15 "µs"; fi
}

measure_tls() {
  measure tls.wrk wrk wrk -t1 -c50 "-d${duration}" "$url_tls"
  quick tls.kingtide "$url_tls" -k -c 50
  if have h2load; then measure tls.h2load h2load h2load --h1 -t1 -c50 -D "$duration" "$url_tls"; fi
  measure tls.close.wrk wrk wrk -t1 -c50 "-d${duration}" -H "Connection: close" "$url_tls"
  quick tls.close.kingtide "$url_tls" -k -c 50 --no-keepalive
}
show_tls() {
  against "quick GET over TLS, 50 connections: wrk" tls.kingtide.cpu tls.wrk.cpu 1.15 "µs"
  if have h2load; then against "  h2load" tls.kingtide.cpu tls.h2load.cpu 1.0 "µs"; fi
  against "  a connection for each: wrk" tls.close.kingtide.cpu tls.close.wrk.cpu 1.15 "µs"
}

measure_http2() {
  measure http2.h2load h2load h2load -t1 -c50 -m10 -D "$duration" "$url2"
  quick http2.kingtide "$url2" --http2 -c 500 --connections 50
}
show_http2() { against "HTTP/2, 50 connections × 10 streams: h2load" http2.kingtide.cpu http2.h2load.cpu 1.3 "µs"; }

# Against tonic on the server's core; what a request over HTTP/2 costs is measured with nginx there.
measure_grpc() {
  kt grpc.http2 http2 -d "${duration}s" -e "BASE_URL=$url2"
  kt grpc.call grpc -d "${duration}s" -e "GRPC=$grpc"
}
show_grpc() {
  judge "scripted gRPC call, 50 in flight" "$(spread grpc.call.cpu µs)" "" "" "$(statistic median grpc.call.cpu)" 18
  against "  own scripted HTTP/2 request" grpc.call.cpu grpc.http2.cpu 1.5 "µs"
}

measure_rate() {
  local seconds=$((duration * 2))
  kt rate rate -d "${seconds}s"
  note rate.percent "$(awk -v c="$cpu_seconds" -v s="$seconds" 'BEGIN { printf "%.2f", 100 * c / s }')"
  note rate.lag "$(of_summary generator/dispatch_lag_p99_ms)"
  if [ -x "$work/floor" ]; then
    measure rate.floor floor "$work/floor" "${url##*:}" 10000 "$seconds"
    note rate.floor.lag "$(sed -nE 's/.* lag p99 ([0-9.]+) ms$/\1/p' "$work/out")"
  fi
}
show_rate() {
  local lag=""
  judge "constant 10,000/s, scripted GET: of a core" "$(spread rate.percent %)" "" "" "$(statistic median rate.percent)" 30
  if [ -x "$work/floor" ]; then
    line "  for each request: C that parses nothing" "$(spread rate.cpu µs)" "$(spread rate.floor.cpu µs)" \
      "$(ratio rate.cpu rate.floor.cpu)× ($(ratios rate.cpu rate.floor.cpu))" "" ""
    lag="$(spread rate.floor.lag ms)"
  fi
  judge "  dispatch lag, p99" "$(spread rate.lag ms)" "$lag" "" "$(statistic median rate.lag)" 0.5
}

# Both threads on the generator's core, so that nothing but their number differs. Each core thread's CPU time is read
# while the second half of the load runs.
measure_threads() {
  local seconds=$((duration * 2)) sampler
  kt threads.one rate -d "${seconds}s"
  (
    sleep "$((duration + duration / 2))"
    for stat in "/proc/$(cat "$work/pid")"/task/*/stat; do
      # After the name: user and system time are the 12th and the 13th word.
      if grep -q '(kingtide-core)' "$stat"; then sed 's/.*) //' "$stat" | awk '{ print $12 + $13 }'; fi
    done
  ) >"$work/split" &
  sampler=$!
  threads=2 kt threads.two rate -d "${seconds}s"
  wait "$sampler"
  note threads.split "$(sort -n "$work/split" | awk '{ v[NR] = $1 } END { if (NR != 2) exit 1; printf "%.3f", v[2] / v[1] }')" ||
    fail "threads: the CPU time of two core threads could not be read"
}
show_threads() {
  against "two threads, same load: one" threads.two.cpu threads.one.cpu 1.08 "µs"
  judge "  the busier thread: the other" "$(spread threads.split ×)" "" "" "$(statistic median threads.split)" 1.05
}

measure_start() {
  local flags=(--no-results --quiet --allow-suspect --threads 1)
  taskset -c $GENERATOR python3 benches/peers/first_request.py 1 \
    "$binary" run benches/peers/hello.lua -e "BASE_URL={url}" "${flags[@]}" >>"$work/start.hello.values"
  taskset -c $GENERATOR python3 benches/peers/first_request.py 1 \
    "$binary" run benches/peers/rows.lua -e "BASE_URL={url}" -e "ROWS=$work/rows.json" "${flags[@]}" >>"$work/start.rows.values"
}
show_start() {
  judge "start to first request: hello.lua" "$(spread start.hello ms)" "" "" "$(statistic median start.hello)" 15
  judge "  with a data file of 10,000 rows" "$(spread start.rows ms)" "" "" "$(statistic median start.rows)" 50
}

# One of the benches that cargo runs; with `--repeat` it does nothing but that, so many times.
readonly SAMPLE="samples/trend" SAMPLES=50000000
measure_metrics() {
  local user system
  /usr/bin/time -o "$work/time" -f '%U %S' taskset -c $GENERATOR "$micro" --repeat "$SAMPLE" $SAMPLES
  read -r user system < <(tail -n 1 "$work/time")
  note metrics "$(awk -v u="$user" -v s="$system" -v n="$SAMPLES" 'BEGIN { printf "%.2f", (u + s) * 1e9 / n }')"
}
show_metrics() { judge "recording a sample with 5 tags" "$(spread metrics ns)" "" "" "$(statistic median metrics)" 60; }

# --- everything

prepare() {
  peers
  local tool
  for tool in nginx wrk python3 openssl taskset /usr/bin/time; do have "$tool" || fail "$tool is missing"; done
  [ "$(nproc)" -ge 2 ] || fail "this needs two cores: one for the generator, one for the server"
  ulimit -n "$(ulimit -Hn)"
  if wanted think && [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $FILES ]; then
    fail "10,000 connections need more open files than $(ulimit -n): ulimit -n $FILES, or leave out the row think"
  fi
  if [ -z "$binary" ]; then
    cargo build --locked --release --quiet
    binary="$PWD/${CARGO_TARGET_DIR:-target}/release/kingtide"
  fi
  if wanted metrics && [ -d benches/micro ]; then
    micro="$(cargo bench --locked --quiet --bench micro --no-run --message-format json |
      sed -nE 's/.*"executable":"([^"]*micro-[^"]*)".*/\1/p' | tail -n 1)"
  fi
  if wanted rate && have cc; then cc -O2 -o "$work/floor" benches/peers/floor.c; fi
  python3 - >"$work/rows.json" <<'PYTHON'
import json
print(json.dumps([{"id": n, "name": f"customer {n}", "email": f"c{n}@example.test"} for n in range(10_000)]))
PYTHON
}

# Holds the system to a wake-up latency of nothing for as long as this script runs: idle processors poll. The kernel's interface
# for it is a file that has to stay open (Documentation/power/pm_qos_interface.rst).
keep_awake() {
  exec 9>/dev/cpu_dma_latency || fail "--awake: /dev/cpu_dma_latency cannot be opened, which asks for root"
  printf '\0\0\0\0' >&9
}

# can ROW: whether there is what the row needs.
can() {
  case "$1" in
    http2) have h2load && "$binary" quick --help | grep -q -- '--http2' ;;
    metrics) [ -n "$micro" ] ;;
  esac
}

main() {
  prepare
  start_server
  if wanted grpc; then start_demo; fi
  if [ "$awake" = yes ]; then keep_awake; fi
  local before row
  before="$(cut -d' ' -f1-3 /proc/loadavg)"
  for row in "${ROWS[@]}"; do
    wanted "$row" || continue
    if can "$row"; then rounds "$row"; fi
  done
  echo
  echo "kingtide $("$binary" --version | cut -d' ' -f2) on $(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r)"
  echo "medians of $runs runs (lowest–highest) of ${duration} s; CPU = user + system of the generator for each request; ratios of medians (lowest–highest of a round)"
  echo "load average before: $before, after: $(cut -d' ' -f1-3 /proc/loadavg)"
  if [ "$awake" = yes ]; then echo "processors were kept from sleeping (--awake)"; fi
  echo
  line "Work: peer" "kingtide" "peer" "ratio" "target" ""
  line "---" "---" "---" "---" "---" "---"
  for row in "${ROWS[@]}"; do
    wanted "$row" || continue
    if can "$row"; then "show_$row"; else left_out "$row" "cannot be measured here"; fi
  done
  echo
  echo "k6 is not in Debian. As measured elsewhere, on a quiet machine of this class with k6 2.2: GET 34.5 µs, scripted POST"
  echo "63.8 µs (53–134), 213 KB for each user with requests, first request after 32 ms; at 10,000/s 1,600 of 100,000 dropped."
  if [ "$missed" -gt 0 ]; then
    echo "peers.sh: $missed targets missed"
    exit 1
  fi
  echo "peers.sh: all targets met"
}

main
