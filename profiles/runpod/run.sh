#!/usr/bin/env bash
# Runs a command on a pod and, if asked, stops or terminates the pod afterwards, however the command ends:
#
#     profiles/runpod/run.sh [--then stop|terminate] [--results DIRECTORY] -- COMMAND...
#
# A watcher (after_run.sh) in a session of its own waits for a lock that this run holds; the kernel gives it back also
# when everything here is killed. Nothing is stopped while results lie where they would be lost.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
# shellcheck source=profiles/runpod/environment.sh
source "$here/environment.sh"
# shellcheck source=profiles/runpod/saved.sh
source "$here/saved.sh"

action='' results=results
while (($#)); do
    case $1 in
        --then) action=$2 && shift 2 ;;
        --results) results=$2 && shift 2 ;;
        --) shift && break ;;
        *) break ;;
    esac
done

lock=${CAI_POD_LOCK:-/tmp/cai-bootstrap-pod.lock}
exec 9>> "$lock"
flock --shared 9
if [[ -n $action ]]; then
    mkdir -p "$results" logs
    refuse_unless_saved "$action" "$repository" "$results"
    setsid nohup "$here/after_run.sh" "$action" "$lock" "$repository" "$results" \
        >> logs/after_run.log 2>&1 < /dev/null 9>&- &
    echo "run: afterwards the pod is to $action; logs/after_run.log tells (to prevent it: kill $!)" >&2
fi
"$@"
