/** LifeRecorder: tells in the event log when an actor fails and when it is back, for whoever reads nothing else. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import { EventLog } from "../services/events/EventLog.ts"
import { endlessLimits, type Transition } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = yield* EventLog
    const supervisor = yield* Supervisor
    const transitions = yield* supervisor.transitions
    const tell = ({ from, lastFailure, name, restarts, state }: Transition) => {
      switch (state) {
        case "backing-off":
        case "failed":
          return log.record(
            `actor ${name} ${state === "failed" ? "failed" : "failed and is restarted"}: ${firstLine(lastFailure)}`,
            {
              level: "error"
            }
          )
        case "running":
          return from === "backing-off" ? log.record(`actor ${name} runs again (restart ${restarts})`) : Effect.void
        default:
          return Effect.void
      }
    }
    yield* supervisor.start({
      name: "LifeRecorder",
      run: Effect.forever(Effect.flatMap(PubSub.take(transitions), tell)),
      restart: "permanent",
      limits: endlessLimits
    })
  })
)

const firstLine = (text: string | undefined): string => text?.split("\n", 1)[0] ?? ""
