/**
 * The units that are shown, and the state of one: what was last known of it where systemctl does not answer, else the
 * error that it is in the words of the System Status Service.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { statusEndpoints } from "../api/endpoints.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler, Handlers } from "../edge/routes.ts"
import { configuredUnit } from "./configuredUnit.ts"
import { type ControlServices, makeControlHandlers } from "./controlHandlers.ts"
import { toolFailure } from "./failures.ts"
import { serviceEntry, serviceOf } from "./serviceEntry.ts"
import type { StatusServices } from "./statusRoutes.ts"

export type ServiceHandlerServices = ControlServices & Pick<StatusServices, "units">

export const makeServiceHandlers = (services: ServiceHandlerServices): Handlers<typeof statusEndpoints.services> => {
  const { config, units } = services

  const listServices: Handler = () =>
    Effect.sync(() => jsonResponse({ services: [...config.get().units.values()].map(serviceOf) }))

  const serviceStatus: Handler = (call) =>
    Effect.flatMap(configuredUnit(config, call), (unit) => {
      const known = units.peek()
      const read = known === undefined ? units.read : Effect.succeed(known)
      return Effect.mapBoth(read, {
        onFailure: toolFailure,
        onSuccess: (reading) => jsonResponse(serviceEntry(unit, Result.succeed(reading)))
      })
    })

  return { listServices, serviceStatus, ...makeControlHandlers(services) }
}
