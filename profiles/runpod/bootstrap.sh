#!/usr/bin/env bash
# Makes a fresh pod ready for this workflow: profiles/runpod/bootstrap.sh [--without-gpu]
#
# Miniforge and an environment for Snakemake on the pod's own disk, caches on the volume, the pod's variables in every
# shell. Run it on each new pod, and again at any time: what is there is left alone. --without-gpu is for a cheap pod
# without one, to download the model to the volume beforehand.
set -euo pipefail

MINIFORGE=25.11.0-1
MINIFORGE_SHA256=be1bad9d4e67a8753eb76fb4940e9a08036786675c7adf060627e55791bf110d
MINIFORGE_URL=https://github.com/conda-forge/miniforge/releases/download/$MINIFORGE/Miniforge3-$MINIFORGE-Linux-x86_64.sh
LOCAL_GB=35 # Miniforge, Snakemake's environment, and those of the rules
CUDA=13     # what the pinned packages are built for
# The rules have these in environments of their own; Snakemake itself needs none of them.
MODEL_PACKAGES='torch|transformers|peft|trl|accelerate|datasets|bitsandbytes|vllm'

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=profiles/runpod/environment.sh
source "$repository/profiles/runpod/environment.sh"

say() { echo "bootstrap: $*" >&2; }
refuse() {
    say "refused: $*"
    exit 1
}

check_driver() {
    local found
    found=$(nvidia-smi 2> /dev/null | sed -nE 's/.*CUDA( UMD)? Version *: *([0-9]+).*/\2/p' | head -n 1) || true
    [[ -n $found ]] || refuse "no GPU: nvidia-smi finds none; take a pod with one, or give --without-gpu"
    ((found >= CUDA)) || refuse "driver: it runs CUDA $found at most, the pins need $CUDA; take a pod with" \
        "a newer driver (runpodctl pod create --min-cuda-version $CUDA.0)"
}

check_disk() {
    local place=$CAI_LOCAL free
    while [[ ! -e $place ]]; do place=$(dirname "$place"); done
    free=$(($(df --output=avail --block-size=1000000000 "$place" | tail -n 1)))
    [[ -x $CAI_LOCAL/controller/bin/snakemake ]] || ((free >= LOCAL_GB)) ||
        refuse "disk: $free GB free at $place, $LOCAL_GB needed; make the pod with a larger container disk"
    [[ -d $CAI_VOLUME && -w $CAI_VOLUME ]] ||
        refuse "volume: $CAI_VOLUME cannot be written; attach one, or name its place in CAI_VOLUME"
}

install_miniforge() {
    [[ ! -x $CAI_LOCAL/miniforge/condabin/conda ]] || return 0
    local installer=$CAI_VOLUME/cache/miniforge/${MINIFORGE_URL##*/}
    if [[ ! -f $installer ]]; then
        say "downloading Miniforge $MINIFORGE"
        mkdir -p "${installer%/*}"
        curl --fail --silent --show-error --location --retry 3 --output "$installer.part" "$MINIFORGE_URL" ||
            refuse "Miniforge: $MINIFORGE_URL cannot be downloaded; check the network"
        mv "$installer.part" "$installer"
    fi
    if ! echo "$MINIFORGE_SHA256  $installer" | sha256sum --check --status; then
        rm -f "$installer"
        refuse "Miniforge: the download is not the pinned file (SHA-256 differs); it was removed, try again"
    fi
    say "installing Miniforge to $CAI_LOCAL/miniforge"
    rm -rf "$CAI_LOCAL/miniforge"
    bash "$installer" -b -p "$CAI_LOCAL/miniforge" > /dev/null
}

install_controller() {
    local controller=$CAI_LOCAL/controller wanted
    wanted=$(cat "$repository"/{requirements,constraints}.txt "${BASH_SOURCE[0]}" | sha256sum | cut -d ' ' -f 1)
    [[ $(cat "$controller/made-from" 2> /dev/null) != "$wanted" ]] || return 0
    say "making Snakemake's environment in $controller"
    [[ -x $controller/bin/python ]] || "$CAI_LOCAL/miniforge/condabin/conda" create --quiet --yes \
        --prefix "$controller" --override-channels --channel conda-forge python=3.11 pip=25.3 > /dev/null
    grep -vE "^($MODEL_PACKAGES)==" "$repository/requirements.txt" > "$CAI_LOCAL/controller.txt"
    "$controller/bin/python" -m pip --disable-pip-version-check install --quiet \
        --requirement "$CAI_LOCAL/controller.txt" --constraint "$repository/constraints.txt"
    echo "$wanted" > "$controller/made-from"
}

# make uses .venv; on a volume that several pods share it leads to each pod's own disk.
link_venv() {
    if [[ -d $repository/.venv && ! -L $repository/.venv ]]; then
        say "$repository/.venv is there already and stays: make uses that one"
        return
    fi
    [[ $(readlink "$repository/.venv" || true) == "$CAI_LOCAL/controller" ]] ||
        ln --symbolic --force --no-dereference "$CAI_LOCAL/controller" "$repository/.venv"
    # For make: what is wanted of .venv is there.
    [[ -e $CAI_LOCAL/controller/installed && ! $CAI_LOCAL/controller/made-from -nt $CAI_LOCAL/controller/installed ]] ||
        touch "$CAI_LOCAL/controller/installed"
}

remember_environment() {
    local line="source '$repository/profiles/runpod/environment.sh'"
    grep -qxF "$line" ~/.bashrc 2> /dev/null || echo "$line" >> ~/.bashrc
}

[[ ${1:-} == --without-gpu ]] || check_driver
check_disk
mkdir -p "$HF_HOME" "$PIP_CACHE_DIR" "$CONDA_PKGS_DIRS" "$CAI_LOCAL/environments"
install_miniforge
install_controller
link_venv
remember_environment
say "ready: open a new shell (or: source profiles/runpod/environment.sh), then make preflight"
