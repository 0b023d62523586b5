/**
 * `/overview` of seven units and eight GPUs over 32 keep-alive connections, against a bare node:http server that answers
 * "ok". The tools are a systemctl and an nvidia-smi of ours, which say what such machines say and note how many of them
 * run: more than one of either at once is a failure, however fast the answers are.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { alternate, type Line, load, throughputLine } from "./harness.ts"
import { startBare, startDaemon, temporaryFolder, withServers } from "./servers.ts"

const connections = 32

const gpus = 8

/** What it prints of itself and of each GPU, as wide as it does. */
const smiText = [
  "+-----------------------------------------------------------------------------------------+",
  "| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |",
  ...Array.from({ length: gpus }, (_, n) => [
    `|   ${n}  NVIDIA H200                    On  |   00000000:0${n}:00.0 Off |                    0 |`,
    "| N/A   31C    P0             75W /  700W |       1MiB / 143771MiB |      0%      Default |",
    "|                                         |                        |             Disabled |"
  ]).flat()
].join("\n")

const showUnits = `
while [ "$1" != -- ]; do shift; done
shift
for unit; do
  printf 'Id=%s\\nNames=%s\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\n' $unit $unit
  printf 'MainPID=4711\\nExecMainCode=0\\nExecMainStatus=0\\nResult=success\\nNRestarts=0\\n'
  printf 'MemoryCurrent=1048576\\nInvocationID=0123456789abcdef0123456789abcdef\\n\\n'
done`

/** As long as the real one takes, so that there is a time in which a second could be started. */
const printGpus = `sleep 0.5\ncat <<'end'\n${smiText}\nend`

const makeTools = (folder: string): void => {
  mkdirSync(folder, { recursive: true })
  for (const [name, body] of [
    ["systemctl", showUnits],
    ["nvidia-smi", printGpus]
  ] as const) {
    const script = `#!/bin/sh
mkdir '${folder}'/running-${name}-$$
ls -d '${folder}'/running-${name}-* | wc -l >> '${folder}/at-once-${name}'
${body}
rmdir '${folder}'/running-${name}-$$
`
    writeFileSync(join(folder, name), script)
    chmodSync(join(folder, name), 0o755)
  }
}

const mostAtOnce = (folder: string, name: string): number =>
  Math.max(
    ...readFileSync(join(folder, `at-once-${name}`), "utf8")
      .trim()
      .split("\n")
      .map(Number)
  )

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const tools = temporaryFolder()
  makeTools(tools)
  const daemon = startDaemon({
    env: { PATH: `${tools}:${process.env["PATH"] ?? ""}` }
  })
  const bare = startBare("ok")
  try {
    return await withServers([daemon, bare], async (ours, theirs) => {
      const answer: { readonly status: string; readonly services: ReadonlyArray<unknown> } = JSON.parse(
        await (await fetch(`${ours}/overview`)).text()
      )
      if (answer.status !== "ok" || answer.services.length !== 7) {
        throw new Error(`not the overview that is measured: ${answer.status}, ${answer.services.length} units`)
      }
      const sides = await alternate(
        () => load(daemon, { url: `${ours}/overview`, connections }),
        () => load(bare, { url: `${theirs}/`, connections })
      )
      return [
        throughputLine({ path: "/overview", unit: "requests/s", wanted: { of: "ratio", least: 0.3 } }, sides),
        ...["systemctl", "nvidia-smi"].map((name): Line => ({
          path: `/overview: ${name} at once`,
          unit: "processes",
          ours: [mostAtOnce(tools, name)],
          wanted: { of: "ours", most: 1 }
        }))
      ]
    })
  } finally {
    rmSync(tools, { recursive: true, force: true })
  }
}
