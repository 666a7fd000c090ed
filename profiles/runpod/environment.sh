# shellcheck shell=bash
# A pod's shell for this workflow: places, PATH, and the pod's variables, which an SSH session may lack. Sourced by
# bootstrap.sh and, once that was run, by every login shell.

CAI_LOCAL=${CAI_LOCAL:-/opt/cai-bootstrap}   # the pod's own disk: environments
CAI_VOLUME=${CAI_VOLUME:-/workspace}         # the volume: downloads, models, results
CAI_VARIABLES=${CAI_VARIABLES:-/proc/1/environ}

export HF_HOME=${HF_HOME:-$CAI_VOLUME/cache/huggingface}
export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$CAI_VOLUME/cache/pip}
export CONDA_PKGS_DIRS=${CONDA_PKGS_DIRS:-$CAI_VOLUME/cache/conda}

for _place in "$CAI_LOCAL/miniforge/condabin" "$CAI_LOCAL/controller/bin"; do
    [[ :$PATH: == *":$_place:"* ]] || PATH=$_place:$PATH
done
unset _place
export PATH

# Takes from the pod's first process the variables named here and no other, where this shell lacks them. Prints nothing.
_cai_recover() {
    local - pair name
    set +x
    while IFS= read -r -d '' pair; do
        name=${pair%%=*}
        case $name in
            RUNPOD_POD_ID | RUNPOD_GPU_COUNT | RUNPOD_CPU_COUNT | RUNPOD_VOLUME_ID | RUNPOD_API_KEY | HF_TOKEN)
                [[ -n ${!name:-} ]] || export "$name=${pair#*=}"
                ;;
        esac
    done < <(cat "$CAI_VARIABLES" 2> /dev/null)
}
_cai_recover
unset -f _cai_recover
