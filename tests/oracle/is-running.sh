# is_running PID    for the scripts beside this one. What has ended is not running, although whoever adopted it has not noted that yet:
# in a container that can take seconds.
is_running() {
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}
