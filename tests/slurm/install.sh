#!/bin/sh
# Installs Slurm and munge from Debian or Ubuntu, where they are missing. Root only; starts no service.
set -eu
# One process at a time installs packages, see tests/browser.py.
exec 9< /var/lib/apt/lists && flock 9
if command -v slurmctld slurmd sbatch munged > /dev/null; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
apt-get update -qq
apt-get install -qq -y --no-install-recommends slurmctld slurmd slurm-client munge > /dev/null
