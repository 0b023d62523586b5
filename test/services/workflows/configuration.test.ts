import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { configOf, problemsOf, warningsOf } from "../config/support.ts"

const actions = `
[actions.copy]
argv = ["/bin/cp"]
args = [
  { name = "from", pattern = "/[a-z/]+" },
  { name = "times", type = "int", min = 1, max = 9, default = 1 }
]

[actions.clean]
argv = ["/bin/rm"]
args = [{ name = "path" }]

[actions.plain]
argv = ["/bin/true"]
`

const problems = (text: string) => problemsOf(`${actions}\n${text}`)

const step = (text: string) => problems(`[[workflows.w.steps]]\nname = "one"\n${text}`)

const told = (lines: ReadonlyArray<string>) => lines.map((line) => line.replace(/^systemapi-config\.toml:/u, ""))

describe("a workflow that can be meant", () => {
  it.effect("has everything filled in", () =>
    Effect.gen(function* () {
      const config = yield* configOf(`${actions}
[workflows.release]
description = "Copies, then makes a server for each."
parameters = [
  { name = "from", pattern = "/[a-z]+" },
  { name = "many", type = "int", min = 1, max = 5, default = 2 }
]
steps = [
  { name = "copy", action = "copy", input = { from = { parameter = "from" }, times = 3 }, retries = 2, compensate = "copy" },
  { name = "servers", operation = "server.create", needs = ["copy", "copy"], count = { parameter = "many" }, input = { hostname = "web", provider = "p", plan = "s", tags = ["a", { parameter = "from" }] } },
  { name = "lb", operation = "taskserv.create", needs = ["servers"], input = { name = "haproxy", servers = { step = "servers", member = "hostname" } } },
  { name = "note", action = "clean", needs = ["lb"], input = { path = { step = "copy", member = "stdout" } }, compensate = { action = "clean", input = { path = { step = "note", member = "stdout" } } } }
]
`)
      const workflow = config.workflows.get("release")
      assert.deepStrictEqual(
        workflow?.steps.map(({ count, input, name, needs, task }) => ({ count, input, name, needs, task })),
        [
          {
            name: "copy",
            task: { _tag: "Action", action: "copy" },
            needs: [],
            count: undefined,
            input: { from: { parameter: "from" }, times: 3 }
          },
          {
            name: "servers",
            task: { _tag: "Operation", operation: "server.create" },
            needs: ["copy"],
            count: { parameter: "many" },
            input: { hostname: "web", provider: "p", plan: "s", tags: ["a", { parameter: "from" }] }
          },
          {
            name: "lb",
            task: { _tag: "Operation", operation: "taskserv.create" },
            needs: ["servers"],
            count: undefined,
            input: { name: "haproxy", servers: { step: "servers", member: "hostname" } }
          },
          {
            name: "note",
            task: { _tag: "Action", action: "clean" },
            needs: ["lb"],
            count: undefined,
            input: { path: { step: "copy", member: "stdout" } }
          }
        ]
      )
      assert.deepStrictEqual(workflow?.steps[0]?.compensate, {
        action: "copy",
        input: { from: { parameter: "from" }, times: 3 }
      })
      assert.deepStrictEqual(workflow?.steps[3]?.compensate, {
        action: "clean",
        input: { path: { step: "note", member: "stdout" } }
      })
      assert.strictEqual(workflow?.steps[1]?.retries, 0)
      assert.strictEqual(workflow?.timeout_ms, 86_400_000)
      assert.strictEqual(workflow?.parameters[1]?.default, 2)
    })
  )

  it.effect("is told of keys that nobody knows", () =>
    Effect.gen(function* () {
      const warnings = yield* warningsOf(
        `${actions}\n[[workflows.w.steps]]\nname = "one"\naction = "copy"\nretrys = 1\ninput = { from = { parametr = "x", parameter = "f" } }\n[[workflows.w.parameters]]\nname = "f"\n`
      )
      assert.deepStrictEqual(told(warnings), [
        '19: workflows.w.steps[0].retrys: unknown key, did you mean "retries"?',
        '20: workflows.w.steps[0].input.from.parametr: unknown key, did you mean "parameter"?'
      ])
    })
  )
})

describe("a workflow that cannot be meant is told with file, line, key, what was found and what is allowed:", () => {
  const cases: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
    ["neither task", "", ["16: workflows.w.steps[0]: has neither action nor operation, needs one of them"]],
    [
      "both tasks",
      'action = "plain"\noperation = "server.delete"\ninput = { server_id = "x" }',
      ["19: workflows.w.steps[0].operation: given beside action, allowed: one of them"]
    ],
    [
      "an action that is not there",
      'action = "cpoy"',
      ['18: workflows.w.steps[0].action: found "cpoy", allowed: the actions copy, clean, plain']
    ],
    [
      "an operation that is not there",
      'operation = "server.reboot"',
      [
        '18: workflows.w.steps[0].operation: found "server.reboot", allowed: "server.create" or "server.delete" or "taskserv.create" or "taskserv.delete"'
      ]
    ],
    [
      "an argument that the action does not declare",
      'action = "plain"\ninput = { x = 1 }',
      ["19: workflows.w.steps[0].input.x: is nothing that it takes, allowed: nothing"]
    ],
    [
      "a member that the operation does not have",
      'operation = "server.delete"\ninput = { server_id = "x", force = true }',
      ["19: workflows.w.steps[0].input.force: is nothing that it takes, allowed: server_id, hostname"]
    ],
    [
      "both ways to name what is deleted, and none",
      'operation = "server.delete"\ninput = { server_id = "x", hostname = "y" }\n[[workflows.w.steps]]\nname = "two"\noperation = "taskserv.delete"',
      [
        "19: workflows.w.steps[0].input: needs one of server_id and hostname",
        "20: workflows.w.steps[1].input: needs one of taskserv_id and name"
      ]
    ],
    [
      "a required argument that is missing",
      'action = "copy"\ninput = { times = 2 }',
      ["19: workflows.w.steps[0].input: lacks from, which one requires"]
    ],
    [
      "a literal of another type",
      'action = "copy"\ninput = { from = 5, times = "2" }',
      [
        "19: workflows.w.steps[0].input.from: found 5, allowed: text",
        '19: workflows.w.steps[0].input.times: found "2", allowed: an integer'
      ]
    ],
    [
      "a literal beyond the argument's rules",
      'action = "copy"\ninput = { from = "relative", times = 10 }',
      [
        '19: workflows.w.steps[0].input.from: found "relative", allowed: text of at most 1024 bytes that matches /[a-z/]+',
        "19: workflows.w.steps[0].input.times: found 10, allowed: a whole number from 1 to 9"
      ]
    ],
    [
      "a list where one value goes, and one value where a list goes",
      'operation = "server.create"\ninput = { hostname = ["a"], provider = "p", plan = "s", tags = "x" }',
      [
        "19: workflows.w.steps[0].input.hostname: found an array of 1, allowed: text",
        '19: workflows.w.steps[0].input.tags: found "x", allowed: an array'
      ]
    ],
    [
      "a parameter that is not there",
      'action = "copy"\ninput = { from = { parameter = "frm" } }\n[[workflows.w.parameters]]\nname = "from"',
      ['19: workflows.w.steps[0].input.from: found the parameter "frm", allowed: from']
    ],
    [
      "a parameter of another type",
      'action = "copy"\ninput = { from = { parameter = "n" } }\n[[workflows.w.parameters]]\nname = "n"\ntype = "int"',
      ["19: workflows.w.steps[0].input.from: found the parameter n, which is of type int, allowed: text"]
    ],
    [
      "a table that is no reference",
      'action = "copy"\ninput = { from = { step = "one" } }',
      [
        '19: workflows.w.steps[0].input.from: found another table, allowed: { parameter = "NAME" } or { step = "NAME", member = "NAME" }'
      ]
    ],
    [
      "itself as a source",
      'action = "copy"\ninput = { from = { step = "one", member = "stdout" } }',
      ["19: workflows.w.steps[0].input.from: found the step one, allowed: a step that one needs, directly or not"]
    ],
    [
      "a need that is not there",
      'action = "plain"\nneeds = ["two"]\n[[workflows.w.steps]]\nname = "three"\naction = "plain"',
      ['19: workflows.w.steps[0].needs[0]: found "two", allowed: the steps three']
    ],
    [
      "a cycle",
      'action = "plain"\nneeds = ["three"]\n[[workflows.w.steps]]\nname = "two"\naction = "plain"\nneeds = ["one"]\n[[workflows.w.steps]]\nname = "three"\naction = "plain"\nneeds = ["two"]',
      ["19: workflows.w.steps[0].needs: goes in a circle: one needs three needs two needs one"]
    ],
    [
      "a step that needs itself",
      'action = "plain"\nneeds = ["one"]',
      ["19: workflows.w.steps[0].needs: goes in a circle: one needs one"]
    ],
    [
      "two steps of one name",
      'action = "plain"\n[[workflows.w.steps]]\nname = "one"\naction = "plain"',
      ["20: workflows.w.steps[1].name: one is given twice"]
    ],
    [
      "two parameters of one name",
      'action = "plain"\n[[workflows.w.parameters]]\nname = "a"\n[[workflows.w.parameters]]\nname = "a"',
      ["22: workflows.w.parameters[1].name: a is given twice"]
    ],
    [
      "a parameter with a wrong default",
      'action = "plain"\n[[workflows.w.parameters]]\nname = "a"\ntype = "int"\ndefault = "x"',
      [
        '22: workflows.w.parameters[0].default: found "x", allowed: a whole number from -9007199254740991 to 9007199254740991'
      ]
    ],
    [
      "a compensation that is not there",
      'action = "plain"\ncompensate = "undo"',
      ['19: workflows.w.steps[0].compensate: found "undo", allowed: the actions copy, clean, plain']
    ],
    [
      "a compensation that takes other arguments",
      'action = "copy"\ninput = { from = "/a" }\ncompensate = "clean"',
      [
        "20: workflows.w.steps[0].compensate.from: is nothing that it takes, allowed: path",
        "20: workflows.w.steps[0].compensate: lacks path, which one requires"
      ]
    ],
    [
      "a compensation that is given the wrong thing",
      'action = "plain"\ncompensate = { action = "clean", input = { path = { step = "one", member = "hostname" } } }',
      [
        '19: workflows.w.steps[0].compensate.input.path: found the member "hostname", allowed: stdout, stderr, exit_code, duration_ms'
      ]
    ],
    [
      "a count of an action",
      'action = "plain"\ncount = 2',
      ["19: workflows.w.steps[0].count: is for operation = server.create"]
    ],
    [
      "a count that is none",
      'operation = "server.create"\ninput = { hostname = "a", provider = "p", plan = "s" }\ncount = 0',
      ["20: workflows.w.steps[0].count: found 0, allowed: an integer from 1 to 1000"]
    ],
    [
      "a list, made by a count, where one value goes",
      'operation = "server.create"\ncount = 2\ninput = { hostname = "a", provider = "p", plan = "s" }\n[[workflows.w.steps]]\nname = "two"\nneeds = ["one"]\noperation = "server.delete"\ninput = { server_id = { step = "one", member = "server_id" } }',
      ["25: workflows.w.steps[1].input.server_id: found a list, because of one, allowed: text"]
    ],
    [
      "bounds",
      'action = "plain"\nretries = 101\nretry_delay_ms = -1\ntimeout_ms = 0',
      [
        "19: workflows.w.steps[0].retries: found 101, allowed: an integer from 0 to 100",
        "20: workflows.w.steps[0].retry_delay_ms: found -1, allowed: an integer from 0 to 3600000",
        "21: workflows.w.steps[0].timeout_ms: found 0, allowed: an integer from 1 to 86400000"
      ]
    ]
  ]
  for (const [name, text, expected] of cases) {
    it.effect(name, () => Effect.map(step(text), (lines) => assert.deepStrictEqual(told(lines), expected)))
  }

  it.effect("more steps or parameters than may be", () =>
    Effect.gen(function* () {
      const steps = Array.from({ length: 257 }, (_, n) => `{ name = "s${n}", action = "plain" }`).join(", ")
      const parameters = Array.from({ length: 65 }, (_, n) => `{ name = "p${n}" }`).join(", ")
      const lines = told(yield* problems(`[workflows.w]\nsteps = [${steps}]\nparameters = [${parameters}]`))
      assert.deepStrictEqual(lines, [
        "17: workflows.w.steps: found an array of 257, allowed: 1 to 256 tables",
        "18: workflows.w.parameters: found an array of 65, allowed: at most 64 tables"
      ])
    })
  )

  it.effect("no steps, and a name that is none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(told(yield* problems("[workflows.w]")), [
        "16: workflows.w.steps: found nothing, allowed: 1 to 256 tables"
      ])
      const lines = told(yield* problems('[[workflows."a b".steps]]\nname = "x y"\naction = "plain"'))
      assert.deepStrictEqual(lines, [
        '16: workflows."a b": allowed: a letter, then at most 63 of letters, digits, _ and -',
        '17: workflows."a b".steps[0].name: found "x y", allowed: a letter, then at most 63 of letters, digits, _ and -'
      ])
    })
  )
})
