/** Everything that works on the identity store, as one layer. */
import * as Layer from "effect/Layer"
import { AccessTokens } from "./AccessTokens.ts"
import * as developmentUsers from "./developmentUsers.ts"
import { Jwts } from "./Jwts.ts"
import { Passwords } from "./Passwords.ts"
import { ServiceTokens } from "./ServiceTokens.ts"
import { Sessions } from "./Sessions.ts"

export const identityLayer = Sessions.layer.pipe(
  Layer.provideMerge(AccessTokens.layer),
  Layer.provideMerge(Layer.mergeAll(Passwords.layer, ServiceTokens.layer, Jwts.layer, developmentUsers.layer))
)
