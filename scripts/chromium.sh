#!/usr/bin/env bash
# Installs Chromium for the tests that look at a page as a person would; they are skipped where it is absent.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    if { apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } >/tmp/chromium-install.log 2>&1; then
        exit 0
    fi
    tail -n 3 /tmp/chromium-install.log >&2
fi
echo "mmtune: Chromium is absent, so the page tests are skipped; install it with: apt-get install chromium" >&2
