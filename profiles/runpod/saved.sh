# shellcheck shell=bash
# What must hold before a pod may be stopped or terminated: results lie on a volume that outlives it.

# The mount point of the file system that holds a path.
mounted_at() { df --output=target "$1" | tail -n 1; }

# refuse_unless_saved ACTION PATH...: one line and status 1, unless the paths outlive the action on this pod.
refuse_unless_saved() {
    local action=$1 path
    shift
    [[ $action == stop || $action == terminate ]] ||
        { echo "run: refused: --then $action: give stop or terminate" >&2 && return 1; }
    [[ -n ${RUNPOD_POD_ID:-} ]] ||
        { echo "run: refused: RUNPOD_POD_ID is not set: this is no pod, or source environment.sh first" >&2 && return 1; }
    command -v runpodctl > /dev/null ||
        { echo "run: refused: runpodctl is not on PATH: nothing here could $action the pod" >&2 && return 1; }
    for path; do
        [[ $(mounted_at "$path") != / ]] ||
            { echo "run: refused: $path is on the container's disk and would be lost: put it on the volume" >&2 && return 1; }
    done
    # A stopped pod keeps its own volume; a terminated one keeps a network volume alone.
    [[ $action == stop || -n ${RUNPOD_VOLUME_ID:-} ]] ||
        { echo "run: refused: no network volume (RUNPOD_VOLUME_ID): to terminate would lose results; stop instead" >&2 && return 1; }
}
