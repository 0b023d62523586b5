/**
 * StatusTeller: the line that `systemctl status` shows of the daemon, kept up to date. It is told when it has changed, and
 * at most every `lookEvery`: what flickers in between is nobody's news.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServiceManager, status } from "../services/systemd/ServiceManager.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

const lookEvery = Duration.seconds(5)

const make = Effect.fnUntraced(function* (line: Effect.Effect<string>) {
  const manager = yield* ServiceManager
  const supervisor = yield* Supervisor
  let told: string | undefined
  const look = Effect.gen(function* () {
    const now = yield* line
    if (now === told) return
    told = now
    yield* manager.tell(status(now))
  })
  yield* supervisor.start({
    name: "StatusTeller",
    run: Effect.forever(Effect.andThen(look, Effect.sleep(lookEvery))),
    restart: "permanent",
    limits: endlessLimits
  })
})

export const layer = (line: Effect.Effect<string>) => Layer.effectDiscard(make(line))
