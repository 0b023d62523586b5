/**
 * A systemctl and an nvidia-smi of a test's own, in a folder that comes first in PATH: they say what such tools say, are
 * slow, hang or fail as files in that folder tell them, and note how many of them run at once.
 */
import * as Effect from "effect/Effect"
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"

/** Notes itself while it runs, and how many do that have not been killed; `$here` is the folder. */
const counted = (name: string, here: string, body: string) => `#!/bin/sh
here='${here}'
mkdir "$here/running-${name}-$$"
trap 'rmdir "$here/running-${name}-$$"' EXIT
alive=0
for each in "$here"/running-${name}-*; do
  ! kill -0 "\${each##*-}" 2>/dev/null || alive=$((alive + 1))
done
echo $alive >> "$here/at-once-${name}"
test ! -e "$here/hang-${name}" || { trap '' TERM; sleep 60 & wait $!; }
${body}
`

const systemctl = `
case "$*" in
  *poweroff*)
    echo "$*" >> "$here/powered-off"
    test ! -e "$here/no-rights" || {
      echo "Call to PowerOff failed: Interactive authentication required." >&2
      exit 1
    }
    exit 0 ;;
esac
test ! -e "$here/no-bus" || { echo "Failed to connect to bus" >&2; exit 1; }
while [ "$1" != -- ]; do shift; done
shift
show() {
  printf 'Id=%s\\nNames=%s\\nLoadState=%s\\nActiveState=%s\\nSubState=%s\\nUnitFileState=enabled\\n' "$1" "$1" "$2" "$3" "$4"
  printf 'MainPID=%s\\nExecMainCode=%s\\nExecMainStatus=%s\\nResult=%s\\nNRestarts=0\\n\\n' "$5" "$6" "$7" "$8"
}
for unit; do
  case $unit in
    runs.service) show $unit loaded active running 4711 0 0 success ;;
    ran.service) show $unit loaded active exited 0 1 0 success ;;
    failed.service) show $unit loaded failed failed 0 1 3 exit-code ;;
    masked.service) show $unit masked inactive dead 0 0 0 success ;;
    *) show $unit not-found inactive dead 0 0 0 success ;;
  esac
done`

const nvidiaSmi = `
case "$*" in
  *"-i 9"*) echo "No devices were found"; exit 6 ;;
  -q*) echo "==============NVSMI LOG==============" ;;
  *) printf '| NVIDIA-SMI 550.54 |\\n| H200 |\\n' ;;
esac`

export interface MachineTools {
  readonly path: string
  /** Makes a file that the tools look for. */
  readonly mood: (name: string) => Effect.Effect<void>
  readonly unmood: (name: string) => Effect.Effect<void>
  /** The lines of a file that they have written. */
  readonly noted: (name: string) => Effect.Effect<ReadonlyArray<string>>
}

export const machineTools = (folder: string): Effect.Effect<MachineTools> =>
  Effect.promise(async () => {
    const path = join(folder, "tools")
    await mkdir(path)
    for (const [name, body] of [
      ["systemctl", systemctl],
      ["nvidia-smi", nvidiaSmi]
    ] as const) {
      await writeFile(join(path, name), counted(name, path, body))
      await chmod(join(path, name), 0o755)
    }
    return {
      path,
      mood: (name) => Effect.promise(() => writeFile(join(path, name), "")),
      unmood: (name) => Effect.promise(() => rm(join(path, name), { force: true })),
      noted: (name) =>
        Effect.promise(async () => {
          const text = await readFile(join(path, name), "utf8").catch(() => "")
          return text.split("\n").filter((line) => line !== "")
        })
    }
  })
