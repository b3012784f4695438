#!/bin/bash
# A Dask cluster over SSH, for `edgewright --cluster dask://SCHEDULER:8786`; Ctrl-C ends it on all machines.
#   deploy/cluster/ssh.sh SCHEDULER MACHINE...     (a machine of eight cores, seven times: seven workers of one thread)
# Each machine has Edgewright with the extra `cluster` at the same path, EDGEWRIGHT_VENV, and the same data at the same path.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 2,4p "$0"; exit 2; }
venv=${EDGEWRIGHT_VENV:-$HOME/edgewright}
ssh=${EDGEWRIGHT_SSH:-ssh -tt -o BatchMode=yes}
config=${DASK_CONFIG:-$venv/dask.yaml}
scheduler=$1
shift

processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; wait' EXIT
start() {  # MACHINE WORDS...: a part of the cluster, which ends with its connection
    local machine=$1
    shift
    # shellcheck disable=SC2086 # the command and its options
    $ssh "$machine" "DASK_CONFIG=$config OMP_NUM_THREADS=1 exec $venv/bin/dask $*" &
    processes+=($!)
}

start "$scheduler" scheduler --host "$scheduler" --port "${PORT:-8786}" --no-dashboard
for machine in "$@"; do
    start "$machine" worker "$scheduler:${PORT:-8786}" --nthreads 1 --no-dashboard --death-timeout 60
done
wait -n  # a part that ends ends all
