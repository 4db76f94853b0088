#!/usr/bin/env bash
# As csharp/test.sh, with the fakes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

source "$FAKE_REPOSITORY/csharp/nunit.sh"
cp "$(find_nunit)" .
[[ -e Fake.dll ]] || mcs -nologo -target:library -out:Fake.dll -r:nunit.framework.dll FakeTests.cs
run_nunit "$PWD" fake Fake.dll "$@"
