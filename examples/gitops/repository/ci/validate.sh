#!/bin/sh
# Check the policies; no server is needed.
set -eu
cd "$(dirname "$0")/.."
exec incus-backup validate -f policies
