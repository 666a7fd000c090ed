#!/usr/bin/env bash
# Waits until no run is left on this pod, then stops or terminates it: after_run.sh stop|terminate LOCK PATH...
# Started by run.sh. The paths are what must be saved: where they would be lost the pod goes on.
set -uo pipefail
# shellcheck source=profiles/runpod/saved.sh
source "$(dirname "${BASH_SOURCE[0]}")/saved.sh"
action=$1 lock=$2
shift 2
grace=${CAI_STOP_GRACE:-60} # seconds in which a new run, or a person, may prevent it
again=${CAI_STOP_AGAIN:-60} # seconds between attempts

say() { echo "after_run: $*"; }

exec 8>> "$lock"
while :; do
    flock --exclusive 8
    flock --unlock 8
    say "no run is left; $action in $grace s, unless another run starts or this process ($$) is killed"
    sleep "$grace"
    flock --exclusive --nonblock 8 && break
    say "another run has started"
done
sync
refuse_unless_saved "$action" "$@" || { say "the pod goes on, and costs: save the results, then $action it" && exit 1; }

# The commands of runpodctl, and how they were called before.
if [[ $action == stop ]]; then
    commands=("pod stop" "stop pod")
else
    commands=("pod delete" "remove pod")
fi
for attempt in 1 2 3 4 5; do
    for words in "${commands[@]}"; do
        # shellcheck disable=SC2086 # two words
        if runpodctl $words "$RUNPOD_POD_ID" > /dev/null 2>&1; then
            say "asked: $words"
            exit 0
        fi
    done
    say "attempt $attempt failed"
    sleep "$again"
done
say "the pod could not be asked to $action: it goes on, and costs; do it by hand"
exit 1
